"""The source partitions that this worker has: opened where they are assigned, closed where they are not.

Each opens in a task of its own, so that one that waits (for ClickHouse, for a broker) or is refused holds up no other.
Closing has a time limit, after which the process ends: a producer that hangs would block every partition.
"""

import asyncio
import gc
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.assignment.failures import Action, During, described_error, failure_of, react
from streams.assignment.open_partition import KAFKA, OpenPartition, Wait, WorkerState
from streams.assignment.opening import OpeningServices, RefusedError, say_gone, take_over
from streams.assignment.opening_tasks import STOP_WITHIN_S, Failures, Openings
from streams.assignment.recovery import ReleasedPartition
from streams.assignment.silent_partitions import SilentPartitions
from streams.clickhouse.history import ClickHouseHistory, HistoryAwayError
from streams.core.incremental_fold import FoldCache
from streams.kafka.cluster import Cluster, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase, doing
from streams.monitoring.outage import Outage
from streams.partition.state import PartitionState
from streams.tasks import end, to_its_end, together

#: Where to read on: the source offset, and the session that what is read from there belongs to.
Position = tuple[int, int]

#: How long one attempt to open a partition may take.
OPEN_WITHIN_S: Final = 600.0
#: How often partitions are tended, and every how many rounds the cluster is asked about their topics.
TEND_EVERY_S: Final = 1.0
LOOK_EVERY: Final = 4
#: Every how many rounds partitions are looked for that get no batch.
LOOK_FOR_SILENT_EVERY: Final = 15
#: Batches are taken only if the cluster confirmed within this time that the topic was not recreated: a recreated topic
#: may already have grown past the offset where reading continues.
CONFIRMED_WITHIN_S: Final = 20.0
#: From an opening's record to the journal's end once another opening came and wrote a step: two records, a head, and
#: their three markers. With less, `pulssi epoch begin` may be at work: opening the partition would fence it.
MORE_THAN_AN_OPENING: Final = 6

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_RETRY: Final = retry_if_exception(lambda error: failure_of(During.OPENING, error).action is Action.RETRY)

_LOG: Final = logging.getLogger(__name__)


class AssignedPartitions:
    """All open partitions of one worker."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        archive: ClickHouseHistory,
        now: Callable[[], float] = time.monotonic,
        *,
        cluster: Cluster | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._now = now
        self._cluster = cluster or Cluster(settings)
        self.kafka = Outage("Kafka", now)
        self._ends = LogEnds(settings)
        self._services = OpeningServices(archive, self._cluster, self._ends)
        self._shared = WorkerState(archive, now)
        #: For the watchdog and for health.
        self.activities = Activities()
        self._opened: dict[SourcePartition, OpenPartition] = {}
        self._failures = Failures()
        self._openings = Openings(self._open, self._failures)
        #: Why partitions are refused, each with the ids of its topics then, and where its journal ended.
        self._refused: dict[SourcePartition, RefusedError] = {}
        self._fold_cache = FoldCache(settings.contacts_in_hand)
        self._sessions = itertools.count(1)
        self._assigned: frozenset[SourcePartition] = frozenset()
        self._settling = asyncio.Lock()
        self._settled = False
        #: Seeks the consumer; set by the transport.
        self.seek: Callable[[dict[SourcePartition, Position]], Awaitable[None]] | None = None
        #: Partitions that went to other workers a while ago: they may come back.
        self._released: dict[SourcePartition, ReleasedPartition] = {}
        #: When each source topic was last seen to be the one that is read, by the clock of `now`.
        self._confirmed_at: dict[SourcePartition, float] = {}
        self._tasks: dict[Any, asyncio.Task[None]] = {}
        self.silent = SilentPartitions(self._ends, self.activities, self._go_to, self._run)

    @property
    def open_states(self) -> list[PartitionState]:
        """The partitions that are open now."""
        return [opened.state for opened in self._opened.values() if not opened.closed]

    def use(self, rules: Rules) -> None:
        """Have every partition continue with other rules, from its next step on."""
        self._rules = rules
        for state in self.open_states:
            state.use_rules(rules)

    # State, for health and readiness.

    @property
    def ready(self) -> bool:
        """Whether every assigned partition is open."""
        return self._settled and all(self._is_open(partition) for partition in self._assigned)

    @property
    def refused(self) -> list[str]:
        """Why partitions that are assigned here are refused, a line each reason, with the partitions it is true of."""
        of: dict[tuple[str, str], list[str]] = {}
        for (topic, number), why in sorted(self._refused.items()):
            if (topic, number) in self._assigned:
                of.setdefault((topic, str(why)), []).append(str(number))
        return [f"{topic}/{','.join(numbers)}: refused: {why}" for (topic, why), numbers in of.items()]

    @property
    def refused_partitions(self) -> list[SourcePartition]:
        """The partitions that are assigned here and refused."""
        return sorted(partition for partition in self._refused if partition in self._assigned)

    @property
    def blocked(self) -> str | None:
        """Why a partition is blocked or refused, in one line; None where none is."""
        standing = (why for partition, why in self._shared.blocked.items() if partition in self._assigned)
        return next(standing, None) or next(iter(self.refused), None)

    @property
    def held_by(self) -> dict[SourcePartition, str | None]:
        """Why each partition that is assigned here counts nothing, in a word; None where it does."""
        held = {each.activity.of: "stuck" for each in self.activities.stuck()} | self._shared.held_by
        return {partition: held.get(partition) for partition in sorted(self._assigned)}

    @property
    def waits(self) -> Wait | None:
        """The partition that has waited longest for something outside; None where none waits."""
        return self._shared.longest_wait

    def _is_open(self, partition: SourcePartition) -> bool:
        return partition in self._opened and not self._opened[partition].closed

    # What is assigned.

    async def settle(self, assigned: frozenset[SourcePartition]) -> dict[SourcePartition, Position]:
        """Open the assigned partitions, close all others, and return where each continues. Calls run one at a time.

        A partition that stays assigned is not reopened: if another worker had it in between, our writer is fenced, the
        next step fails, and that reopens it. One that cannot be opened soon is left out, and read once it is open.
        """
        self._assigned = assigned
        async with self._settling:
            gone = [partition for partition in {*self._opened, *self._openings.under_way} if partition not in assigned]
            left = [(partition, self._opened[partition].state) for partition in gone if self._is_open(partition)]
            await together(self._give_up_on(partition) for partition in gone)
            for partition, state in left:
                _LOG.info("%s/%d: closed at offset %d, it goes to another worker", *partition, state.head.next)
            for partition in sorted(assigned):
                if not self._is_open(partition) and partition not in self._refused:
                    self._openings.begin(partition)
            await self._openings.are_done()
            self._settled = True
            return {partition: self._position(partition) for partition in assigned if self._is_open(partition)}

    async def _give_up_on(self, partition: SourcePartition) -> None:
        self._refused.pop(partition, None)
        await self._openings.end(partition)
        if partition in self._opened:
            await self._close(partition)

    async def _open(self, partition: SourcePartition) -> None:
        """Open one partition, trying again while it is assigned to this worker; then have it read from its head."""
        if partition in self._opened:
            await self._close(partition)
        try:
            async for attempt in AsyncRetrying(
                wait=_BACK_OFF, retry=_RETRY, before_sleep=lambda retry: self._say(partition, retry), reraise=True
            ):
                with attempt, self.activities.during(Phase.FENCING, partition):
                    began = self._now()
                    try:
                        async with asyncio.timeout(OPEN_WITHIN_S):
                            state, writer = await take_over(
                                self._settings,
                                self._rules,
                                partition,
                                self._services,
                                released=self._released.pop(partition, None),
                            )
                    finally:
                        gc.unfreeze()  # as in `_close`: a partition kept in memory may have been dropped
        except Exception as error:  # noqa: BLE001 - what is none of the table's is raised on
            react(During.OPENING, error, partition)
            if isinstance(error, RefusedError):
                self._refused[partition] = error
            return
        finally:
            self._shared.waits_no_more(partition)
        self._confirmed_at[partition] = began
        state.fold_cache = self._fold_cache
        state.use_rules(self._rules)  # they may have changed while it was opened
        self._opened[partition] = OpenPartition(partition, state, writer, next(self._sessions), self._shared)
        if not self._settling.locked():  # else whoever settles says where it continues
            await self._go_to(partition)

    def _say(self, partition: SourcePartition, retry: RetryCallState) -> None:
        error = retry.outcome.exception() if retry.outcome else None
        assert error is not None  # noqa: S101 - tenacity's type allows for none
        react(During.OPENING, error, partition)
        away = isinstance(error, HistoryAwayError)
        self._shared.waits(partition, f"its opening: {described_error(error)}", opening=away)
        if away:
            self._openings.waits(partition)

    def _position(self, partition: SourcePartition) -> Position:
        opened = self._opened[partition]
        return opened.state.head.next, opened.session

    async def _go_to(self, partition: SourcePartition) -> None:
        if self.seek is not None and partition in self._assigned and self._is_open(partition):
            with self.activities.during(Phase.SEEKING, partition):
                await self.seek({partition: self._position(partition)})

    async def _resume(self, partition: SourcePartition, opened: OpenPartition) -> None:
        """Have a partition's batches come again from its head, under a session of their own."""
        opened.resume(next(self._sessions))
        await self._go_to(partition)

    # Batches.

    async def process_batch(
        self, partition: SourcePartition, session: int, begins: int, records: Sequence[Any]
    ) -> bool:
        """Turn a batch into steps and write them; tells whether all were. One read before the last opening is not."""
        opened = self._opened.get(partition)
        if opened is None or opened.closed:
            return False
        if not opened.pause_reason and self._now() - self._confirmed_at.get(partition, 0.0) > CONFIRMED_WITHIN_S:
            await self.check_topic_ids()
            if self._now() - self._confirmed_at.get(partition, 0.0) > CONFIRMED_WITHIN_S and not opened.closed:
                opened.pause(f"{KAFKA} to confirm that the topic was not recreated")
        known = opened.state.head.next
        # A gap that is larger than one transaction marker:
        if records and session == opened.session and records[0].offset > known + 1:
            self._run(("gone", partition), partial(self._name_gone, partition, known))
        with self.activities.during(Phase.LOCK, partition):
            committed = await opened.process_batch(session, begins, records)
        self._reopen_closed(partition, opened)
        return committed

    async def _name_gone(self, partition: SourcePartition, known: int) -> None:
        """Name the events that retention took before they were counted, if that is why some are missing."""
        try:
            first, _ = (await self._ends.bounds([partition])).get(partition, (known, known))
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.GONE, error, partition, offset=known)
            return
        if first > known:
            say_gone(partition, known, first)

    def _reopen_closed(self, partition: SourcePartition, opened: OpenPartition) -> None:
        if opened.closed and self._opened.get(partition) is opened and partition in self._assigned:
            self._openings.begin(partition)

    # What happens between batches.

    async def tend(self) -> None:
        """For ever: have each partition do what is due, none waiting for another, and look for recreated topics."""
        rounds = 0
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            self._failures.raise_first()
            rounds += 1
            old = [each for each, released in self._released.items() if not released.is_fresh(time.monotonic())]
            for partition in old:
                del self._released[partition]
            if old:
                gc.unfreeze()  # as in `_close`: it was kept for longer than the collector takes to look away
            for partition in self._assigned - self._refused.keys() - self._opened.keys():
                self._openings.begin(partition)  # it was cancelled, and nobody settled since
            for partition, opened in list(self._opened.items()):
                self._run(opened, partial(self.tend_one, partition, opened))
            if rounds % LOOK_EVERY == 0:
                self._run("look", self.check_topic_ids)
            if rounds % LOOK_FOR_SILENT_EVERY == 0:
                self._run("silent", partial(self.silent.look, self._opened))

    def _run(self, key: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:  # noqa: ANN401 - any key
        """Run something in the background, once at a time."""
        if key not in self._tasks:
            task = self._tasks[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
            task.add_done_callback(self._failures.note)

    async def tend_one(self, partition: SourcePartition, opened: OpenPartition) -> None:
        """Do what is due for one partition between batches."""
        with self.activities.during(Phase.LOCK, partition):
            await opened.tend()
        if opened.may_resume and self._opened.get(partition) is opened:
            await self._resume(partition, opened)
        self._reopen_closed(partition, opened)

    async def check_topic_ids(self) -> None:
        """Ask the cluster whether the source topics are still those that are read. No answer says nothing."""
        began = self._now()
        try:
            with self.activities.during(Phase.TOPICS, "the worker"), self.kafka.asking():
                topics = await self._cluster.topics()
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.TOPIC_IDS, error)
            return
        for partition, opened in list(self._opened.items()):
            topic, journal, head = topics.get(partition[0]), topics.get(journal_of(partition[0])), opened.state.head
            if opened.closed or topic is None:
                continue
            partitions = head.partitions or topic.partitions
            other = journal is not None and head.journal not in {"", journal.id}
            if other or (topic.id, topic.partitions) != (head.topic, partitions):
                if opened.lock.locked():  # by a step, which may hang: the look at the others must not wait for it
                    self._run(("recreated", partition), partial(self._close_recreated, partition, opened))
                else:
                    await self._close_recreated(partition, opened)
                continue
            self._confirmed_at[partition] = began
            if opened.waits_for_kafka and self._opened.get(partition) is opened:
                await self._resume(partition, opened)
        await self._look_at_refused(topics)

    async def _close_recreated(self, partition: SourcePartition, opened: OpenPartition) -> None:
        """Close a partition after the step under way, and open it again."""
        with self.activities.during(Phase.LOCK, partition):
            async with opened.lock:
                opened.closed = True
        self._reopen_closed(partition, opened)

    async def _look_at_refused(self, topics: Mapping[str, TopicDescription]) -> None:
        """Open refused partitions again whose topics, or whose journal's steps, are others now."""
        if not self._refused:
            return
        try:
            with self.activities.during(Phase.LOG_ENDS, "the worker"):
                ends = await self._ends.stable([(journal_of(name), number) for name, number in self._refused])
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.LOG_ENDS, error)
            return
        for partition, refused in list(self._refused.items()):
            ids = tuple(topics[name].id for name in (partition[0], journal_of(partition[0])) if name in topics)
            grown = ends.get((journal_of(partition[0]), partition[1]), 0) - refused.opened >= MORE_THAN_AN_OPENING
            if partition in self._assigned and len(ids) > 1 and (ids != refused.ids or grown):
                del self._refused[partition]
                self._openings.begin(partition)

    # The end.

    async def close(self) -> None:
        """Close every partition: wait for the step under way, then stop its producer."""
        self._assigned = frozenset()
        async with self._settling:
            await together(self._give_up_on(partition) for partition in {*self._opened, *self._openings.under_way})
        await end(*self._tasks.values())
        await self._ends.close()
        await self._cluster.stop()

    async def _close(self, partition: SourcePartition) -> None:
        opened = self._opened.pop(partition)
        gc.unfreeze()  # what is dropped may be a cycle, which only the garbage collector finds
        opened.failed |= opened.closed
        opened.closed = True
        opened.served.set()
        self._shared.waits_no_more(partition)
        await to_its_end(self._stop(partition, opened))

    async def _stop(self, partition: SourcePartition, opened: OpenPartition) -> None:
        try:
            with self.activities.during(Phase.LOCK, partition):
                async with asyncio.timeout(STOP_WITHIN_S), opened.lock:
                    doing(Phase.STOPPING)
                    await opened.writer.stop()
            if not opened.failed and opened.writer.end:
                self._released[partition] = ReleasedPartition(opened.state, opened.writer.end, time.monotonic())
        except Exception as error:  # noqa: BLE001 - as in `_open`
            react(During.CLOSING, error, partition)
