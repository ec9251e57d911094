"""Delivers the changes of alerts, and tags, to the destinations of `hooks.toml`.

Of several deliverers one works, the others stand by. The deliveries of a change are written to the topic
`alert_deliveries` before their first attempt, and the outcome of each attempt before the next. So a successor sends
whatever is not known to be delivered, with the same ids and bodies.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, get_args
from zoneinfo import ZoneInfo

from aiokafka.errors import KafkaError

from schemas.alerts import ALERTS, AttemptOutcome, Command
from schemas.settings import Settings
from sinks.hooks.attempts import WAITS_S
from sinks.hooks.delivery_log import DeliveryLog
from sinks.hooks.destinations import Hooks
from sinks.hooks.ledger import Ledger
from sinks.hooks.outbox import Surroundings
from sinks.hooks.turn import Turn
from sinks.hooks.watched_hooks import WatchedHooks
from streams.alert_engine.leadership import Leadership, take_turns
from streams.kafka.cluster import Cluster
from streams.kafka.log_ends import LogEnds
from streams.kafka.topic_reader import reading
from streams.tasks import run_to_completion
from streams.times import now_ms

#: How often Kafka is asked something that it must answer: a consumer whose broker is away returns no records and no
#: error.
_ASK_EVERY_S: Final = 5.0
#: Kafka counts as answering if it did within this time.
_ANSWERED_WITHIN_S: Final = 15.0
#: Commands are asked for several times a second.
STUCK_AFTER_S: Final = 60.0
#: A turn begins by reading all deliveries that are kept.
BEGINS_WITHIN_S: Final = 600.0

_LOG: Final = logging.getLogger(__name__)


class _TurnIsOverError(Exception):
    """The turn is over: another deliverer has taken over, or the turn is outdated and this one starts another."""


class Deliverer:
    """What the deliverer's tasks share."""

    def __init__(self, settings: Settings, configuration: WatchedHooks, waits_s: Sequence[float] = WAITS_S) -> None:
        """`waits_s`: before each attempt."""
        self._settings = settings
        self._configuration = configuration
        self._waits_s = waits_s
        self._turn: Turn | None = None
        #: By the monotonic clock.
        self._answered_at: float | None = None
        self._log: DeliveryLog | None = None
        #: When Kafka last answered `watch_kafka`, when this deliverer last made progress, and how long the next may
        #: take; by the monotonic clock.
        self._seen_at: float | None = None
        self._moved_at = time.monotonic()
        self._moves_within_s = STUCK_AFTER_S
        #: Attempts by their outcome.
        self.outcomes: dict[AttemptOutcome, int] = dict.fromkeys(get_args(AttemptOutcome), 0)

    @property
    def leads(self) -> bool:
        """Whether this deliverer works."""
        return self._turn is not None

    @property
    def waiting(self) -> int:
        """Count the deliveries that wait for an attempt."""
        return 0 if self._turn is None else self._turn.waiting

    @property
    def disabled(self) -> int:
        """Count the destinations that are disabled."""
        return 0 if self._turn is None else self._turn.disabled

    def unready(self) -> str | None:
        """Say why this deliverer does not deliver; None: it does, or stands by."""
        return "Kafka does not answer" if self._answered_at is None else None

    def stuck(self) -> str | None:
        """Say what is stuck; None: nothing is. Waiting for Kafka is not being stuck."""
        if self._seen_at is None or time.monotonic() - self._seen_at > _ANSWERED_WITHIN_S:
            return None
        idle_s = time.monotonic() - self._moved_at
        if idle_s > self._moves_within_s:
            return f"hooks: nothing was done for {idle_s:.0f} s"
        return (self._turn and self._turn.stuck()) or (self._log and self._log.stuck()) or None

    def _moved(self, within_s: float = STUCK_AFTER_S) -> None:
        self._moved_at, self._moves_within_s = time.monotonic(), within_s

    async def watch_kafka(self) -> None:
        """Note whether Kafka answers, for ever."""
        ends = LogEnds(self._settings)
        try:
            while True:
                with suppress(KafkaError, OSError, TimeoutError):
                    await ends.stable([(ALERTS, 0)])
                    self._seen_at = time.monotonic()
                await asyncio.sleep(_ASK_EVERY_S)
        finally:
            await ends.close()

    async def run(self) -> None:
        """Deliver whenever this deliverer's turn comes, for ever."""
        await take_turns(self._settings, "hooks", self._take_turn, "nothing is delivered", self._moved)

    def use(self, hooks: Hooks) -> None:
        """Deliver to these destinations from now on."""
        if self._turn is not None:
            self._turn.use(hooks)

    async def _take_turn(self, leadership: Leadership) -> None:
        """Wait for this deliverer's turn, and deliver while it lasts. Raises KafkaError and OSError."""
        try:
            if leadership.turn is None:
                await self._commands(leadership)  # they come again from the first one, once it is our turn
            else:
                await self._deliver(leadership)
        except BaseExceptionGroup as group:
            self._answered_at = None
            raise _first(group) from None
        except BaseException:
            self._answered_at = None
            raise

    async def _commands(self, leadership: Leadership) -> list[Command]:
        """Return the commands that come within a moment. Raises KafkaError and OSError."""
        self._moved()
        if self._answered_at is None or time.monotonic() - self._answered_at > _ASK_EVERY_S:
            await leadership.ask()
            self._answered_at = time.monotonic()
        return await leadership.commands()

    async def _deliver(self, leadership: Leadership) -> None:
        log, work = DeliveryLog(self._settings), None
        self._log = log
        self._moved(BEGINS_WITHIN_S)
        try:
            records = await log.open(f"{socket.gethostname()}/{os.getpid()}")
            ledger = Ledger(records, ZoneInfo(self._settings.time_zone))
            end = await self._end_of_alerts()
            ledger.begin(end, await self._id_of_alerts())
            ledger.use(self._configuration.hooks, end, now_ms())
            async with reading(self._settings, ALERTS, ledger.position) as alerts, asyncio.TaskGroup() as tasks:
                tasks.create_task(log.write(ledger.state))
                shared = Surroundings(ledger, log.put, tasks, self.outcomes, self._waits_s, log.certify)
                work = self._turn = Turn(self._settings, shared)
                await work.begin()
                await leadership.rewind()
                commands: list[Command] = []
                while await leadership.behind():
                    commands += await self._commands(leadership)
                await work.retry(commands, records)
                records.clear()
                tasks.create_task(work.deliver_alerts(alerts))
                tasks.create_task(work.deliver_tags())
                _LOG.info("this deliverer works: %d deliveries wait", self.waiting)
                await self._follow_commands(leadership, work)
        except* _TurnIsOverError:
            if work is None or not work.is_outdated:
                _LOG.info("another deliverer works from now on")
        finally:
            self._turn = self._log = None
            if work is not None:
                await run_to_completion(work.close())
            await run_to_completion(log.stop())

    async def _follow_commands(self, leadership: Leadership, work: Turn) -> None:
        """Carry out people's commands until the turn is over; raises _TurnIsOverError, which ends its other tasks."""
        if self._configuration.hooks is not work.hooks:  # they changed while this turn began
            work.use(self._configuration.hooks)
        turn = leadership.turn
        while turn is not None and leadership.turn == turn and not work.is_outdated:
            await work.retry(await self._commands(leadership))
        raise _TurnIsOverError

    async def _id_of_alerts(self) -> str:
        """Give the id of the topic `alerts`. Raises ClusterUnavailableError, an OSError."""
        cluster = Cluster(self._settings)
        try:
            topic = (await cluster.topics()).get(ALERTS)
            return "" if topic is None else topic.id
        finally:
            await cluster.stop()

    async def _end_of_alerts(self) -> int:
        ends = LogEnds(self._settings)
        try:
            return (await ends.stable([(ALERTS, 0)])).get((ALERTS, 0), 0)
        finally:
            await ends.close()


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error of a group: tasks that work together fail by one cause."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
