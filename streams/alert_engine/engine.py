"""The SLA engine: each second it judges the live view of the journals, and writes every change of an alert.

Nothing waits for ClickHouse: only surges need the last weeks from there, and pause without them. The engine begins to
judge when the journals are read to their ends. While its figures are older than a few seconds, alerts keep their state.
After a failed write it reads all alerts back from the topic: what was written counts, what was not is judged again.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import socket
import time
from collections.abc import Mapping
from typing import Final
from zoneinfo import ZoneInfo

from schemas.alerts import ALERTS
from schemas.exits import EndError, Exit
from schemas.objectives import OBJECTIVES
from schemas.settings import Settings
from schemas.topics import channel_of
from streams.alert_engine.alert_log import AlertLog, reported_objectives
from streams.alert_engine.commands import Commands
from streams.alert_engine.dead_letter_count import DeadLetterCount
from streams.alert_engine.leadership import Leadership, take_turns
from streams.alert_engine.watched_parts import WatchedParts
from streams.alerts.known_alerts import KnownAlerts
from streams.alerts.lifecycle import changes
from streams.alerts.objective_reports import Due
from streams.alerts.pipeline_rules import PartReading, PipelineReading
from streams.alerts.silences import in_force
from streams.alerts.surge_rules import KnownPast, windows_of
from streams.alerts.view import AlertView
from streams.configuration.reloading import WatchedRules
from streams.live.freshness import FreshnessReading
from streams.live.journal_follower import JournalFollower
from streams.seasonal.past import Past
from streams.seasonal.reader import PastReader
from streams.tasks import cancel, run_to_completion
from streams.times import now_ms

JUDGE_EVERY_S: Final = 1.0
#: After the journals are read, the figures are live within this time; else the engine begins with alerts held.
LIVE_WITHIN_S: Final = 10.0
#: A judgement takes a fraction of a second; without one for so long the engine is stuck.
STUCK_AFTER_S: Final = 60.0
#: Corrections of the clock are smaller; until it has caught up, judgements are as of the latest time so far.
SET_BACK_MS: Final = 5_000

_LOG: Final = logging.getLogger(__name__)


class Engine:
    """What the engine's tasks share."""

    def __init__(self, settings: Settings, configuration: WatchedRules) -> None:
        self._settings = settings
        self._configuration = configuration
        self._rules = configuration.rules, configuration.alert_rules
        self.view = AlertView(*self._rules)
        self.journals = JournalFollower(settings, self.view)
        self.past = PastReader(settings)
        self.parts = WatchedParts(settings)
        self._zone = ZoneInfo(settings.time_zone)
        #: The last weeks as they were last read, prepared for the rules.
        self._known_past: tuple[Past, KnownPast] | None = None
        #: When the last weeks were last known, or this engine started.
        self._no_past_since = now_ms()
        #: The newest record of each alert, by key; read back at the beginning of each turn.
        self.alerts = KnownAlerts()
        self.leads = False
        #: Records of alerts that this engine wrote.
        self.written = 0
        #: Records of objectives that it wrote.
        self.objectives_written = 0
        self.judgement_s = 0.0
        #: The time of the last judgement, in UTC milliseconds.
        self._judged_as_of = 0
        self._judged_at = time.monotonic()
        self._ready_since: float | None = None

    def unready(self) -> str | None:
        """Say why this engine does not judge yet; None: it does, or stands by."""
        return self.journals.unready()

    def stuck(self) -> str | None:
        """Say what is stuck; None: nothing is. Waiting for the broker is not being stuck."""
        idle_s = time.monotonic() - self._judged_at
        if self.leads and idle_s > STUCK_AFTER_S and self.journals.freshness.broker_answered(now_ms()):
            return f"alerts were not judged for {idle_s:.0f} s"
        return self.journals.stuck()

    async def run(self) -> None:
        """Judge whenever this engine's turn comes, for ever; waits for Kafka, and says so."""
        await take_turns(self._settings, "alerts", self._turn, "alerts are not judged")

    async def read_past(self) -> None:
        """Read the last weeks again and again, for ever, as soon as a rule needs them."""
        while not windows_of(self._configuration.alert_rules):  # noqa: ASYNC110 - rules change with their file
            await asyncio.sleep(JUDGE_EVERY_S)
        await self.past.run()

    async def _turn(self, leadership: Leadership) -> None:
        """Wait for this engine's turn, and judge while it lasts. Raises KafkaError and OSError."""
        turn = leadership.turn
        if turn is None or not self._knows_enough():
            await leadership.commands()  # they come again from the first one, once it is our turn
            return
        log, dead_letters = AlertLog(self._settings), DeadLetterCount(self._settings)
        reported = asyncio.ensure_future(reported_objectives(self._settings))
        reported.add_done_callback(self._begin_reports)
        try:
            self.alerts = KnownAlerts((await log.open(f"{socket.gethostname()}/{os.getpid()}")).values())
            within_ms = self._configuration.alert_rules.pipeline.dead_letters_within_ms
            await dead_letters.start(now_ms() - within_ms)
            commands = Commands()
            await leadership.rewind()
            while await leadership.behind():
                commands.apply_all(await leadership.commands())
            _LOG.info("this engine judges: %d alerts, %d silences", len(self.alerts), len(commands.silences))
            gc.collect()
            gc.freeze()  # what was read stays
            self.leads, self._judged_at = True, time.monotonic()
            while leadership.turn == turn:
                await self._judge(log, commands, dead_letters)
                next_at = self._judged_at + JUDGE_EVERY_S
                while (rest_s := next_at - time.monotonic()) > 0:
                    commands.apply_all(await leadership.commands())
                    await asyncio.sleep(min(rest_s, 0.05))
            _LOG.info("another engine judges from now on")
        finally:
            self.leads = False
            await cancel(reported)
            await run_to_completion(dead_letters.stop())
            await run_to_completion(log.stop())

    def _knows_enough(self) -> bool:
        """Tell whether to begin: the figures are live, or are not although they have had the time to be."""
        if self.journals.freshness_now().state == "live":
            return True
        if not self.journals.ready:
            self._ready_since = None
            return False
        self._ready_since = self._ready_since or time.monotonic()
        return time.monotonic() - self._ready_since > LIVE_WITHIN_S

    async def _judge(self, log: AlertLog, commands: Commands, dead_letters: DeadLetterCount) -> None:
        self._use_changed_rules()
        await dead_letters.read()
        self._judged_at = time.monotonic()
        now, freshness = self._now(), self.journals.freshness_now()
        alert_rules = self._rules[1]
        pipeline = self._pipeline(now, freshness, dead_letters.since(now - alert_rules.pipeline.dead_letters_within_ms))
        observations = self.view.observations(
            now, frozenset(self.alerts.watched), pipeline, self._past(), freshness.as_of or 0
        )
        timing = alert_rules.timing
        changed = changes(
            self.alerts,
            observations,
            now,
            timing,
            held=freshness.state != "live",
            silences=in_force(commands.silences.values(), alert_rules.maintenance, now),
            acknowledgements=commands.acknowledged,
        )
        ended = self.alerts.forgotten(now, timing.keep_ms, {alert.key for alert in changed})
        objectives = self.view.objectives_due(now) if freshness.state == "live" else Due()
        self.judgement_s = time.monotonic() - self._judged_at
        # A producer that is stopped within a write may hang.
        await run_to_completion(log.write(changed, ended, objectives))
        self.alerts.apply(changed)
        self.alerts.forget(ended)
        if log.is_recreated:
            _LOG.warning("the topic %s was recreated: all alerts are written again", ALERTS)
            await run_to_completion(log.write_again(self.alerts.values()))
        if log.take_objectives_recreated():
            _LOG.warning("the topic %s was recreated: all objectives are written again", OBJECTIVES)
            self.view.begin_reports(())
        self.written += len(changed)
        self.objectives_written += len(objectives.records) + len(objectives.ended)

    def _begin_reports(self, reported: asyncio.Future[list[bytes]]) -> None:
        if not reported.cancelled() and reported.exception() is None:
            self.view.begin_reports(reported.result())

    def _now(self) -> int:
        """Return the time, which never goes back. Raises EndError if the clock was set back by over SET_BACK_MS."""
        back_ms = self._judged_as_of - now_ms()
        if back_ms > SET_BACK_MS:
            raise EndError(
                f"the clock was set back by {back_ms / 1000:.0f} s: started again, it judges by the new time",
                Exit.STUCK,
            )
        self._judged_as_of = max(self._judged_as_of, now_ms())
        return self._judged_as_of

    def _use_changed_rules(self) -> None:
        in_force_now = self._configuration.rules, self._configuration.alert_rules
        if in_force_now != self._rules:
            self._rules = in_force_now
            self.view.use(*in_force_now)

    def _past(self) -> KnownPast | None:
        past = self.past.past
        if past is None:
            self._known_past = None
        elif self._known_past is None or self._known_past[0] is not past:
            self._known_past = past, KnownPast(past, self._zone)
        return None if self._known_past is None else self._known_past[1]

    def _pipeline(self, now: int, freshness: FreshnessReading, dead_letters: int) -> PipelineReading:
        behind_ms = now - freshness.as_of if freshness.behind and freshness.as_of is not None else 0
        return PipelineReading(
            parts={"worker": PartReading(now, behind_ms), **self.parts.readings(now)},
            last_event_at=_last_events(self.view),
            dead_letters=dead_letters,
            no_past_since=self._without_past_since(now),
        )

    def _without_past_since(self, now: int) -> int | None:
        """Return since when surges cannot be judged; None: they can be, or no rule needs them."""
        if self.past.past is not None:
            self._no_past_since = now
        return self._no_past_since if windows_of(self._rules[1]) else None


def _last_events(view: AlertView) -> Mapping[str, int]:
    """Return when the newest event of each channel occurred, by the clocks of its partitions."""
    last: dict[str, int] = {}
    for (source, _), head in view.heads.items():
        channel = channel_of(source)
        if channel is not None and head.clock:
            last[channel] = max(last.get(channel, 0), head.clock)
    return last
