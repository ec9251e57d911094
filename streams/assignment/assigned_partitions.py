"""The source partitions that this worker has: opened where they are assigned, closed where they are not.

Each opens in a task of its own, so that one that waits (for ClickHouse, for a broker) or is refused holds up no other.
Closing has a time limit, after which the process ends: a producer that hangs would block every partition.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from schemas.exits import Exit
from schemas.journal import JournalVersionError
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.assignment.open_partition import KAFKA, OpenPartition, Wait, WorkerState
from streams.assignment.opening import OpeningServices, RefusedError, say_gone, take_over
from streams.assignment.opening_tasks import STOP_WITHIN_S, Failures, Openings
from streams.assignment.recovery import ReleasedPartition
from streams.clickhouse.history import History, HistoryAwayError
from streams.core.incremental_fold import FoldCache
from streams.journal.assembly import RecreatedError
from streams.kafka.cluster import Cluster, ClusterAwayError, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.partition.state import PartitionState
from streams.tasks import end, to_its_end, together

#: Where to read on: the source offset, and the session that what is read from there belongs to.
Position = tuple[int, int]

#: How long one attempt to open a partition may take.
OPEN_WITHIN_S: Final = 600.0
#: How often partitions are tended, and every how many rounds the cluster is asked about their topics.
TEND_EVERY_S: Final = 1.0
LOOK_EVERY: Final = 4
#: So many batches of an earlier session are normal after an opening: they had been fetched before it.
PASSED_OVER_AT_MOST: Final = 20
#: Batches are taken only if the cluster confirmed within this time that the topic was not recreated: a recreated topic
#: may already have grown past the offset where reading continues.
CONFIRMED_WITHIN_S: Final = 20.0
#: From an opening's record to the journal's end once another opening came and wrote a step: two records, a head, and
#: their three markers. With less, `pulssi epoch begin` may be at work: opening the partition would fence it.
MORE_THAN_AN_OPENING: Final = 6

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_RETRIED: Final = retry_if_exception_type((KafkaError, OSError, TimeoutError, AssertionError, RecreatedError))

_LOG: Final = logging.getLogger(__name__)


class AssignedPartitions:
    """All open partitions of one worker."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules,
        archive: History,
        now: Callable[[], float] = time.monotonic,
        *,
        cluster: Cluster | None = None,
    ) -> None:
        self._settings = settings
        self._rules = rules
        self._now = now
        self._cluster = cluster or Cluster(settings)
        self._ends = LogEnds(settings)
        self._asked = OpeningServices(archive, self._cluster, self._ends)
        self._shared = WorkerState(archive, self.give_up, now)
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

    @property
    def open_states(self) -> list[PartitionState]:
        """The partitions that are open now."""
        return [opened.partition for opened in self._opened.values() if not opened.closed]

    def use(self, rules: Rules) -> None:
        """Have every partition continue with other rules, from its next step on."""
        self._rules = rules
        for partition in self.open_states:
            partition.use(rules)

    # State, for health and readiness.

    @property
    def ready(self) -> bool:
        """Whether every assigned partition is open."""
        return self._settled and all(self._is_open(place) for place in self._assigned)

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
        return sorted(place for place in self._refused if place in self._assigned)

    @property
    def blocked(self) -> str | None:
        """Why a partition is blocked or refused, in one line; None where none is."""
        standing = (why for place, why in self._shared.blocked.items() if place in self._assigned)
        return next(standing, None) or next(iter(self.refused), None)

    @property
    def busy_since(self) -> float | None:
        """When the longest of the steps under way began, by the monotonic clock; None where none is."""
        return min(self._shared.busy.values(), default=None)

    @property
    def waits(self) -> Wait | None:
        """The partition that has waited longest for something outside; None where none waits."""
        return self._shared.longest_wait

    def _is_open(self, place: SourcePartition) -> bool:
        return place in self._opened and not self._opened[place].closed

    # What is assigned.

    async def settle(self, assigned: frozenset[SourcePartition]) -> dict[SourcePartition, Position]:
        """Open the assigned partitions, close all others, and return where each continues. Calls run one at a time.

        A partition that stays assigned is not reopened: if another worker had it in between, our writer is fenced, the
        next step fails, and that reopens it. One that cannot be opened soon is left out, and read once it is open.
        """
        self._assigned = assigned
        async with self._settling:
            gone = [place for place in {*self._opened, *self._openings.under_way} if place not in assigned]
            await together(self._give_up_on(place) for place in gone)
            for place in sorted(assigned):
                if not self._is_open(place) and place not in self._refused:
                    self._openings.begin(place)
            await self._openings.are_done()
            self._settled = True
            return {place: self._position(place) for place in assigned if self._is_open(place)}

    async def _give_up_on(self, place: SourcePartition) -> None:
        self._refused.pop(place, None)
        await self._openings.end(place)
        if place in self._opened:
            await self._close(place)

    async def _open(self, place: SourcePartition) -> None:
        """Open one partition, trying again while it is assigned to this worker; then have it read from its head."""
        if place in self._opened:
            await self._close(place)
        try:
            async for attempt in AsyncRetrying(
                wait=_BACK_OFF, retry=_RETRIED, before_sleep=lambda state: self._say(place, state), reraise=True
            ):
                with attempt:
                    began = self._now()
                    try:
                        async with asyncio.timeout(OPEN_WITHIN_S):
                            partition, writer = await take_over(
                                self._settings, self._rules, place, self._asked, left=self._released.pop(place, None)
                            )
                    finally:
                        gc.unfreeze()  # as in `_close`: a partition kept in memory may have been dropped
        except JournalVersionError as error:
            self.give_up(f"the worker ends: {journal_of(place[0])}/{place[1]}: {error}")
        except RefusedError as error:
            self._refused[place] = error
            _LOG.error("%s/%d: refused, other partitions continue: %s", *place, error)
            return
        finally:
            self._shared.waits_no_more(place)
        self._confirmed_at[place] = began
        partition.fold_cache = self._fold_cache
        partition.use(self._rules)  # they may have changed while it was opened
        self._opened[place] = OpenPartition(place, partition, writer, next(self._sessions), self._shared)
        if not self._settling.locked():  # else whoever settles says where it continues
            await self._go_to(place)

    def _say(self, place: SourcePartition, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        _LOG.warning("%s/%d: cannot be opened yet: %s", *place, _short(error))
        away = isinstance(error, HistoryAwayError)
        self._shared.waits(place, f"its opening: {_short(error)}", opening=away)
        if away:
            self._openings.waits(place)

    def _position(self, place: SourcePartition) -> Position:
        opened = self._opened[place]
        return opened.partition.head.next, opened.session

    async def _go_to(self, place: SourcePartition) -> None:
        if self.seek is not None and place in self._assigned and self._is_open(place):
            await self.seek({place: self._position(place)})

    async def _resume(self, place: SourcePartition, opened: OpenPartition) -> None:
        """Have a partition's batches come again from its head, under a session of their own."""
        opened.resumes(next(self._sessions))
        await self._go_to(place)

    # Batches.

    async def process_batch(self, place: SourcePartition, session: int, begins: int, records: Sequence[Any]) -> bool:
        """Turn a batch into steps and write them; tells whether all were. One read before the last opening is not."""
        opened = self._opened.get(place)
        if opened is None or opened.closed:
            return False
        if not opened.held_back and self._now() - self._confirmed_at.get(place, 0.0) > CONFIRMED_WITHIN_S:
            await self.check_topic_ids()
            if self._now() - self._confirmed_at.get(place, 0.0) > CONFIRMED_WITHIN_S and not opened.closed:
                opened.hold_back(f"{KAFKA} to confirm that the topic was not recreated")
        known = opened.partition.head.next
        # A gap that is larger than one transaction marker:
        if records and session == opened.session and records[0].offset > known + 1:
            self._run(("gone", place), partial(self._name_gone, place, known))
        committed = await opened.process_batch(session, begins, records)
        self._reopen_closed(place, opened)
        return committed

    async def _name_gone(self, place: SourcePartition, known: int) -> None:
        """Name the events that retention took before they were counted, if that is why some are missing."""
        try:
            first, _ = (await self._ends.bounds([place])).get(place, (known, known))
        except (KafkaError, OSError, TimeoutError) as error:
            why = _short(error)
            _LOG.info("%s/%d: offsets after %d are missing, Kafka did not tell why: %s", *place, known, why)
            return
        if first > known:
            say_gone(place, known, first)

    def _reopen_closed(self, place: SourcePartition, opened: OpenPartition) -> None:
        if opened.closed and self._opened.get(place) is opened and place in self._assigned:
            self._openings.begin(place)

    # What happens between batches.

    async def tend(self) -> None:
        """For ever: fold what waited for ClickHouse, evict what is old, and see whether topics were recreated.

        No partition waits for another one, nor for the cluster.
        """
        rounds = 0
        while True:
            await asyncio.sleep(TEND_EVERY_S)
            self._failures.raise_first()
            rounds += 1
            if any(not left.is_fresh(time.monotonic()) for left in self._released.values()):
                self._released = {
                    place: left for place, left in self._released.items() if left.is_fresh(time.monotonic())
                }
                gc.unfreeze()  # as in `_close`: it was kept for longer than the collector takes to look away
            for place in self._assigned - self._refused.keys() - self._opened.keys():
                self._openings.begin(place)  # it was cancelled, and nobody settled since
            for place, opened in list(self._opened.items()):
                self._run(opened, partial(self.tend_one, place, opened))
            if rounds % LOOK_EVERY == 0:
                self._run("look", self.check_topic_ids)

    def _run(self, key: Any, work: Callable[[], Coroutine[Any, Any, None]]) -> None:  # noqa: ANN401 - any key
        """Run something in the background, once at a time."""
        if key not in self._tasks:
            task = self._tasks[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda _: self._tasks.pop(key, None))
            task.add_done_callback(self._failures.note)

    async def tend_one(self, place: SourcePartition, opened: OpenPartition) -> None:
        """Do what is due for one partition between batches."""
        await opened.tend()
        if opened.passed_over > PASSED_OVER_AT_MOST and self._opened.get(place) is opened:
            offset = opened.partition.head.next
            _LOG.error(
                "%s/%d: fetches still come from before the last seek: seeking again to offset %d", *place, offset
            )
            opened.passed_over = 0
            await self._go_to(place)
        if opened.may_resume and self._opened.get(place) is opened:
            await self._resume(place, opened)
        self._reopen_closed(place, opened)

    async def check_topic_ids(self) -> None:
        """Ask the cluster whether the source topics are still those that are read. No answer says nothing."""
        began = self._now()
        try:
            topics = await self._cluster.topics()
        except ClusterAwayError as error:
            _LOG.info("Kafka did not tell the topic ids, trying again: %s", error)
            return
        for place, opened in list(self._opened.items()):
            topic, journal, head = topics.get(place[0]), topics.get(journal_of(place[0])), opened.partition.head
            if opened.closed or topic is None:
                continue
            partitions = head.partitions or topic.partitions
            other = journal is not None and head.journal not in {"", journal.id}
            if other or (topic.id, topic.partitions) != (head.topic, partitions):
                if opened.lock.locked():  # by a step, which may hang: the look at the others must not wait for it
                    self._run(("recreated", place), partial(self._close_recreated, place, opened))
                else:
                    await self._close_recreated(place, opened)
                continue
            self._confirmed_at[place] = began
            if opened.waits_for_kafka and self._opened.get(place) is opened:
                await self._resume(place, opened)
        await self._look_at_refused(topics)

    async def _close_recreated(self, place: SourcePartition, opened: OpenPartition) -> None:
        """Close a partition after the step under way, and open it again."""
        async with opened.lock:
            opened.closed = True
        self._reopen_closed(place, opened)

    async def _look_at_refused(self, topics: Mapping[str, TopicDescription]) -> None:
        """Open refused partitions again whose topics, or whose journal's steps, are others now."""
        if not self._refused:
            return
        try:
            ends = await self._ends.stable([(journal_of(name), number) for name, number in self._refused])
        except (KafkaError, OSError, TimeoutError) as error:
            _LOG.info("Kafka did not tell the ends of journals, trying again: %s", _short(error))
            return
        for place, refused in list(self._refused.items()):
            ids = tuple(topics[name].id for name in (place[0], journal_of(place[0])) if name in topics)
            grown = ends.get((journal_of(place[0]), place[1]), 0) - refused.opened >= MORE_THAN_AN_OPENING
            if place in self._assigned and len(ids) > 1 and (ids != refused.ids or grown):
                del self._refused[place]
                self._openings.begin(place)

    # The end.

    async def close(self) -> None:
        """Close every partition: wait for the step under way, then stop its producer."""
        self._assigned = frozenset()
        async with self._settling:
            await together(self._give_up_on(place) for place in {*self._opened, *self._openings.under_way})
        await end(*self._tasks.values())
        await self._ends.close()
        await self._cluster.stop()

    @staticmethod
    def give_up(why: str) -> NoReturn:
        """End the process with exit code 1: started again it would end again, until an operator has acted."""
        _LOG.critical("%s", why)
        logging.shutdown()
        os._exit(Exit.NO)

    async def _close(self, place: SourcePartition) -> None:
        opened = self._opened.pop(place)
        gc.unfreeze()  # what is dropped may be a cycle, which only the garbage collector finds
        opened.failed |= opened.closed
        opened.closed = True
        self._shared.waits_no_more(place)
        await to_its_end(self._stop(place, opened))

    async def _stop(self, place: SourcePartition, opened: OpenPartition) -> None:
        try:
            async with asyncio.timeout(STOP_WITHIN_S), opened.lock:
                await opened.writer.stop()
                if not opened.failed and opened.writer.end:
                    self._released[place] = ReleasedPartition(opened.partition, opened.writer.end, time.monotonic())
        except TimeoutError:
            _LOG.critical("%s/%d: its producer does not stop: the worker ends (exit 71), nothing is lost", *place)
            os._exit(Exit.STUCK)
        except (KafkaError, OSError, AssertionError) as error:
            _LOG.warning("%s/%d: stopping its producer failed: %s", *place, _short(error))


def _short(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}" if error is not None and str(error) else type(error).__name__
