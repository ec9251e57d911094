"""One open partition of a worker: it folds batches into steps, and evicts old contacts between batches.

The lock is held over the partition's memory and its writing, never over a question to ClickHouse: whoever closes the
partition waits for a step at most. Each question has a time limit, and what is found counts only if the partition is
still open then. If writing a step fails, the partition is closed, because its memory is ahead of the journal.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from aiokafka.errors import KafkaError

from schemas.topics import SourcePartition
from streams.clickhouse.history import History, HistoryAwayError
from streams.journal.writing import StepTooLargeError, Writer
from streams.partition.archived_history import ArchivedContact
from streams.partition.bad_record_limit import BadRecordLimitError
from streams.partition.state import STEP_BYTES, PartitionState
from streams.partition.steps import StepToWrite

#: A step of this size is never too large to be written in time.
SMALL_STEP_BYTES: Final = 1024 * 1024
#: Contacts whose events may wait for ClickHouse, of one partition; above it the partition waits.
PARKED_AT_MOST: Final = 10_000
UNPARKED_AT_ONCE: Final = 2_000
#: Contacts of a batch asked for in one question: what was answered counts, also where later ones are not.
LOOKED_UP_AT_ONCE: Final = 2_000
#: How long a batch waits for what ClickHouse has of its contacts, before their events are parked.
LOOK_UP_WITHIN_S: Final = 10.0
#: How long ClickHouse may take to answer what is asked between batches.
TEND_WITHIN_S: Final = 30.0

#: What a partition is held back for: the first word of the reason in the log and in health.
CLICKHOUSE: Final = "ClickHouse"
KAFKA: Final = "Kafka"

Answer = TypeVar("Answer")

_LOG: Final = logging.getLogger(__name__)


class Wait(NamedTuple):
    """What one partition waits for: health reports it, since a partition that waits writes no steps."""

    place: SourcePartition
    what: str
    #: By the monotonic clock.
    since: float
    #: Whether it is for ClickHouse at an opening: a worker that is started again would wait for the same.
    opening: bool = False

    def line(self, now: float) -> str:
        """Say it in one line."""
        return f"{self.place[0]}/{self.place[1]} has waited {now - self.since:.0f} s for {self.what}"


class WorkerState:
    """What all partitions of a worker share."""

    def __init__(self, archive: History, give_up: Callable[[str], Any], now: Callable[[], float]) -> None:
        self.archive = archive
        self.give_up = give_up
        self._now = now
        #: Whether ClickHouse did not answer last time: batches do not wait for it one after the other then.
        self.away = False
        self._waits: dict[SourcePartition, Wait] = {}
        #: The size limit of a step in bytes, for partitions whose steps were too large.
        self.limits: dict[SourcePartition, int] = {}
        #: Why a partition is blocked, in one line.
        self.blocked: dict[SourcePartition, str] = {}
        #: When each step under way began, by the monotonic clock.
        self.busy: dict[SourcePartition, float] = {}

    def waits(self, place: SourcePartition, what: str, *, opening: bool = False) -> None:
        """Note what a partition waits for. Where it waits already, the reason is replaced and the beginning stays."""
        since = self._waits[place].since if place in self._waits else self._now()
        self._waits[place] = Wait(place, what, since, opening)

    def waits_no_more(self, place: SourcePartition) -> None:
        """Note that a partition does not wait any more."""
        self._waits.pop(place, None)

    @property
    def longest_wait(self) -> Wait | None:
        """The partition that has waited longest, one that is open if any is; None where none waits."""
        return min(self._waits.values(), key=lambda wait: (wait.opening, wait.since), default=None)


class OpenPartition:
    """A partition that this worker has open."""

    def __init__(
        self, place: SourcePartition, partition: PartitionState, writer: Writer, session: int, shared: WorkerState
    ) -> None:
        self.place = place
        self.partition = partition
        self.writer = writer
        self.session = session
        self.lock = asyncio.Lock()
        self.closed = False
        #: Whether a step may be missing in the journal: the partition in memory must not be used again then.
        self.failed = False
        #: Batches of other sessions since the last one of this.
        self.passed_over = 0
        #: Why batches are passed over until the consumer is sent back to the head; None: they are not.
        self.held_back: str | None = None
        self._shared = shared

    async def process_batch(self, session: int, begins: int, records: Sequence[Any]) -> bool:
        """Turn a batch into steps and write them; tells whether all were. One of another session comes again.

        `begins` is the offset at which its fetch began.
        """
        if session != self.session or self.held_back:
            self.passed_over += session != self.session
            return False
        self.passed_over = 0
        partition = self.partition
        found: dict[bytes, ArchivedContact] = {}
        asked, unanswered = set[bytes](), set[bytes]()
        until = asyncio.get_running_loop().time() + LOOK_UP_WITHIN_S
        while not self.closed:
            async with self.lock:
                if self._is_out_of_order(begins, records):
                    return False
                unknown = partition.unknown(partition.fresh(records))
                missing = set(islice(unknown - asked, LOOKED_UP_AT_ONCE))
                if not missing:
                    return await self._fold(records, found, unknown & unanswered)
            # While ClickHouse is asked, contacts may be evicted and others come back, or the partition be closed. Those
            # that were asked for stay as they are: only this batch brings them, or `_unpark`, which does not have them.
            asked |= missing
            answer = await self._look_up(missing, until)
            found |= answer or {}
            unanswered |= missing if answer is None else set()
        return False

    def _is_out_of_order(self, begins: int, records: Sequence[Any]) -> bool:
        """Tell whether a batch is not the one that follows; the partition is closed then, to be opened again."""
        expected = self.partition.head.next
        if begins > expected:
            self._reopen(expected, begins)
        elif records and records[0].offset < begins:  # the consumer began again: its position was out of range
            self._reopen(expected, records[0].offset)
        return self.closed

    def _reopen(self, expected: int, got: int) -> None:
        _LOG.warning(
            "%s/%d: expected a batch from offset %d, got one from %d: reopening the partition, no event is lost",
            *(*self.place, expected, got),
        )
        self.closed = True

    async def _fold(self, records: Sequence[Any], found: Mapping[bytes, ArchivedContact], waiting: set[bytes]) -> bool:
        """Write a batch's steps and tell whether all were.

        The events of contacts that ClickHouse was not there for wait, up to a limit.
        """
        partition = self.partition
        if waiting and len(partition.parked) + len(waiting) > PARKED_AT_MOST:
            self.hold_back(
                f"{CLICKHOUSE}: events of {len(partition.parked):,} evicted contacts are parked, and more came"
            )
            return False
        if waiting:
            _LOG.warning(
                "%s/%d: events of %d evicted contacts are parked until ClickHouse answers, from offset %d on",
                *(*self.place, len(waiting), partition.head.next),
            )
        partition.revive(found)
        partition.park(waiting)
        await self._write(partition.steps(records, self._limit))
        if self.closed:
            return False
        self._shared.waits_no_more(self.place)
        return True

    async def _look_up(self, unknown: Collection[bytes], until: float) -> dict[bytes, ArchivedContact] | None:
        """Ask for evicted contacts; None where ClickHouse does not answer in time, or did not before."""
        if self._shared.away:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await self._shared.archive.contacts(unknown)
        except (HistoryAwayError, TimeoutError) as error:
            self._shared.away = True
            _LOG.warning("%s/%d: ClickHouse does not answer: %s", *self.place, _why(error, LOOK_UP_WITHIN_S))
            return None

    def hold_back(self, what: str) -> None:
        """Skip batches until `resumes`, which reads them again; health shows what the partition waits for."""
        self.held_back = what
        self._shared.waits(self.place, what)
        _LOG.warning("%s/%d: reading stops at offset %d: waits for %s", *self.place, self.partition.head.next, what)

    def resumes(self, session: int) -> None:
        """Take batches again, those of a new session: the consumer is to be sent to the head.

        Held back for ClickHouse, it still waits until the batch is written: its contacts may not be answered again.
        """
        if self.waits_for_kafka:
            self._shared.waits_no_more(self.place)
        self.session, self.held_back, self.passed_over = session, None, 0

    @property
    def may_resume(self) -> bool:
        """Whether it was held back for ClickHouse, which is there again."""
        full = len(self.partition.parked) > PARKED_AT_MOST // 2
        return self._waits_for(CLICKHOUSE) and not (full or self._shared.away)

    @property
    def waits_for_kafka(self) -> bool:
        """Whether it was held back because Kafka did not say that the topic is still the same."""
        return self._waits_for(KAFKA)

    def _waits_for(self, whom: str) -> bool:
        return (self.held_back or "").startswith(whom)

    async def tend(self) -> None:
        """Fold what waited for ClickHouse, and evict what is old. Waits for ClickHouse without the lock."""
        partition, archive = self.partition, self._shared.archive
        await self._write_open(lambda: partition.renew_deadlines(int(time.time() * 1000), self._limit))
        try:
            if not self.closed and partition.parked:
                waiting = list(partition.parked)[:UNPARKED_AT_ONCE]
                found = await self._ask(archive.contacts(waiting))
                await self._write_open(lambda: partition.unpark(found, waiting))
            elif self._waits_for(CLICKHOUSE):
                await self._ask(archive.epoch(*self.place))
            if not self.closed and partition.wants_eviction():
                passed = await self._ask(archive.last_step_in_sink(*self.place, partition.head.epoch))
                await self._write_open(lambda: partition.evict(passed))
        except (HistoryAwayError, TimeoutError) as error:
            _LOG.info(
                "%s/%d: parked events and eviction wait for ClickHouse: %s", *self.place, _why(error, TEND_WITHIN_S)
            )

    async def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        async with asyncio.timeout(TEND_WITHIN_S):
            answer = await question
        self._shared.away = False
        return answer

    async def _write_open(self, steps: Callable[[], Iterable[StepToWrite]]) -> None:
        """Write steps made of the partition as it is now, unless it was closed while ClickHouse was asked."""
        async with self.lock:
            if not self.closed:
                await self._write(steps())

    async def _write(self, steps: Iterable[StepToWrite]) -> None:
        """Write step by step; any failure closes the partition."""
        shared, place = self._shared, self.place
        try:
            for step in steps:
                shared.busy[place] = time.monotonic()
                await self.writer.append(step)
            self._went_well()
        except BadRecordLimitError as error:
            shared.give_up(f"the worker stops, nothing is lost: {error}")
        except StepTooLargeError as error:
            self.closed = self.failed = True
            if self._limit == 1:
                offset = self.partition.head.next
                shared.blocked[place] = f"{place[0]}/{place[1]}: blocked at offset {offset}: {error}"
                _LOG.error("%s", shared.blocked[place])
            else:
                _LOG.warning("%s/%d: a step was too large for a Kafka batch: writing smaller steps", *place)
            self._cut_finer(least=1)
        except (KafkaError, OSError, AssertionError) as error:
            self.closed = self.failed = True  # aiokafka raises AssertionError from a bad state, too
            self._cut_finer(least=SMALL_STEP_BYTES)  # it may have been too large to be written in time
            _LOG.warning(
                "%s/%d: the step at offset %d was not written, reopening the partition, no event is lost: %r",
                *(*place, self.partition.head.next, error),
            )
        except BaseException:
            self.closed = self.failed = True
            raise
        finally:
            shared.busy.pop(place, None)

    @property
    def _limit(self) -> int:
        return self._shared.limits.get(self.place, STEP_BYTES)

    def _cut_finer(self, least: int) -> None:
        self._shared.limits[self.place] = max(least, self._limit // 2)

    def _went_well(self) -> None:
        """Note that a step was written: after failures, allow larger steps again."""
        self._shared.blocked.pop(self.place, None)
        if self.place in self._shared.limits:
            self._shared.limits[self.place] = min(2 * self._limit, STEP_BYTES)


def _why(error: Exception, within_s: float) -> str:
    return str(error) or f"no answer within {within_s:g} s"
