"""One open partition of a worker: it folds batches into steps, and evicts old contacts between batches.

The lock is held over the partition's memory and its writing, never over a question to ClickHouse: whoever closes the
partition waits for a step at most. Each question has a time limit, and what is found counts only if the partition is
still open then. If writing a step fails, the partition is closed, because its memory is ahead of the journal.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from schemas.topics import SourcePartition
from streams.assignment.failures import During, react
from streams.clickhouse.history import ClickHouseHistory
from streams.journal.writer import JournalWriter, StepTooLargeError
from streams.monitoring.activities import Phase, doing
from streams.partition.archived_history import ArchivedContact
from streams.partition.state import STEP_BYTES, PartitionState
from streams.partition.step_to_write import StepToWrite

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

    partition: SourcePartition
    what: str
    #: By the monotonic clock.
    since: float
    #: Whether it is for ClickHouse at an opening: a worker that is started again would wait for the same.
    opening: bool = False

    def line(self, now: float) -> str:
        """Say it in one line."""
        return f"{self.partition[0]}/{self.partition[1]} has waited {now - self.since:.0f} s for {self.what}"


class WorkerState:
    """What all partitions of a worker share."""

    def __init__(self, archive: ClickHouseHistory, now: Callable[[], float]) -> None:
        self.archive = archive
        self._now = now
        #: Whether ClickHouse did not answer last time: batches do not wait for it one after the other then.
        self.away = False
        self._waits: dict[SourcePartition, Wait] = {}
        #: The size limit of a step in bytes, for partitions whose steps were too large.
        self.limits: dict[SourcePartition, int] = {}
        #: Why a partition is blocked, in one line.
        self.blocked: dict[SourcePartition, str] = {}

    def waits(self, partition: SourcePartition, what: str, *, opening: bool = False) -> None:
        """Note what a partition waits for. Where it waits already, the reason is replaced and the beginning stays."""
        since = self._waits[partition].since if partition in self._waits else self._now()
        self._waits[partition] = Wait(partition, what, since, opening)

    def waits_no_more(self, partition: SourcePartition) -> None:
        """Note that a partition does not wait any more."""
        self._waits.pop(partition, None)

    @property
    def held_by(self) -> dict[SourcePartition, str]:
        """Why each partition that waits or is blocked is held, in a word."""
        waits = {
            partition: "clickhouse" if wait.opening or wait.what.startswith(CLICKHOUSE) else "kafka"
            for partition, wait in self._waits.items()
        }
        return waits | dict.fromkeys(self.blocked, "blocked")

    @property
    def longest_wait(self) -> Wait | None:
        """The partition that has waited longest, one that is open if any is; None where none waits."""
        return min(self._waits.values(), key=lambda wait: (wait.opening, wait.since), default=None)


class OpenPartition:
    """A partition that this worker has open."""

    def __init__(
        self,
        partition: SourcePartition,
        state: PartitionState,
        writer: JournalWriter,
        session: int,
        shared: WorkerState,
    ) -> None:
        self.partition = partition
        self.state = state
        self.writer = writer
        self.session = session
        self.lock = asyncio.Lock()
        self.closed = False
        #: Whether a step may be missing in the journal: the partition in memory must not be used again then.
        self.failed = False
        #: Set by each batch of this session, and by what makes none due; `SilentPartitions` clears it.
        self.served = asyncio.Event()
        self.served.set()
        #: Why batches are passed over until the consumer is sent back to the head; None: they are not.
        self.pause_reason: str | None = None
        self._shared = shared

    async def process_batch(self, session: int, begins: int, records: Sequence[Any]) -> bool:
        """Write the steps of a batch whose fetch began at `begins`; False where not all were: it comes again."""
        if session != self.session or self.pause_reason:
            return False
        self.served.set()
        state = self.state
        found: dict[bytes, ArchivedContact] = {}
        asked, unanswered = set[bytes](), set[bytes]()
        until = asyncio.get_running_loop().time() + LOOK_UP_WITHIN_S
        while not self.closed:
            doing(Phase.LOCK)
            async with self.lock:
                doing(Phase.FOLDING)
                if self._is_out_of_order(begins, records):
                    return False
                unknown = state.maybe_evicted(state.not_counted(records))
                missing = set(islice(unknown - asked, LOOKED_UP_AT_ONCE))
                if not missing:
                    return await self._fold(records, found, unknown & unanswered)
            # While ClickHouse is asked, contacts may be evicted and others come back, or the partition be closed. Those
            # that were asked for stay as they are: only this batch brings them, or `_unpark`, which does not have them.
            asked |= missing
            doing(Phase.LOOKING_UP)
            answer = await self._look_up(missing, until)
            found |= answer or {}
            unanswered |= missing if answer is None else set()
        return False

    def _is_out_of_order(self, begins: int, records: Sequence[Any]) -> bool:
        """Tell whether a batch is not the one that follows; the partition is closed then, to be opened again."""
        expected = self.state.head.next
        # Where the consumer's position was out of range, it began again, before.
        if begins > expected or (records and records[0].offset < begins):
            got = begins if begins > expected else records[0].offset
            _LOG.warning(
                "%s/%d: expected a batch from offset %d, got one from %d: reopening the partition, no event is lost",
                *(*self.partition, expected, got),
            )
            self.closed = True
        return self.closed

    async def _fold(self, records: Sequence[Any], found: Mapping[bytes, ArchivedContact], waiting: set[bytes]) -> bool:
        """Write a batch's steps and tell whether all were; up to a limit, events wait for an absent ClickHouse."""
        state = self.state
        if waiting and len(state.parked) + len(waiting) > PARKED_AT_MOST:
            self.pause(f"{CLICKHOUSE}: events of {len(state.parked):,} evicted contacts are parked, and more came")
            return False
        if waiting:
            _LOG.warning(
                "%s/%d: events of %d evicted contacts are parked until ClickHouse answers, from offset %d on",
                *(*self.partition, len(waiting), state.head.next),
            )
        state.revive(found)
        state.park(waiting)
        await self._write(state.steps(records, self._limit))
        if self.closed:
            return False
        self._shared.waits_no_more(self.partition)
        return True

    async def _look_up(self, unknown: Collection[bytes], until: float) -> dict[bytes, ArchivedContact] | None:
        """Ask for evicted contacts; None where ClickHouse does not answer in time, or did not before."""
        if self._shared.away:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await self._shared.archive.contacts(unknown)
        except Exception as error:  # noqa: BLE001 - as in `_write`
            react(During.LOOK_UP, error, self.partition)
            self._shared.away = True
            return None

    def pause(self, what: str) -> None:
        """Skip batches until `resume`, which reads them again; health shows what the partition waits for."""
        self.pause_reason = what
        self._shared.waits(self.partition, what)
        _LOG.warning("%s/%d: reading stops at offset %d: waits for %s", *self.partition, self.state.head.next, what)

    def resume(self, session: int) -> None:
        """Take batches again, those of a new session: the consumer is to be sent to the head.

        Held back for ClickHouse, it still waits until the batch is written: its contacts may not be answered again.
        """
        if self.waits_for_kafka:
            self._shared.waits_no_more(self.partition)
        self.session, self.pause_reason = session, None

    @property
    def may_resume(self) -> bool:
        """Whether it was held back for ClickHouse, which is there again."""
        full = len(self.state.parked) > PARKED_AT_MOST // 2
        return self._waits_for(CLICKHOUSE) and not (full or self._shared.away)

    @property
    def waits_for_kafka(self) -> bool:
        """Whether it was held back because Kafka did not say that the topic is still the same."""
        return self._waits_for(KAFKA)

    def _waits_for(self, whom: str) -> bool:
        return (self.pause_reason or "").startswith(whom)

    async def tend(self) -> None:
        """Fold what waited for ClickHouse, and evict what is old. Waits for ClickHouse without the lock."""
        state, archive = self.state, self._shared.archive
        await self._write_open(lambda: state.renew_deadlines(int(time.time() * 1000), self._limit))
        try:
            if not self.closed and state.parked:
                waiting = list(state.parked)[:UNPARKED_AT_ONCE]
                found = await self._ask(archive.contacts(waiting))
                await self._write_open(lambda: state.unpark(found, waiting))
            elif self._waits_for(CLICKHOUSE):
                await self._ask(archive.epoch(*self.partition))
            if not self.closed and state.is_eviction_due():
                passed = await self._ask(archive.last_step_in_sink(*self.partition, state.head.epoch))
                await self._write_open(lambda: state.evict(passed))
        except Exception as error:  # noqa: BLE001 - as in `_write`
            react(During.TENDING, error, self.partition)

    async def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        doing(Phase.LOOKING_UP)
        async with asyncio.timeout(TEND_WITHIN_S):
            answer = await question
        self._shared.away = False
        return answer

    async def _write_open(self, steps: Callable[[], Iterable[StepToWrite]]) -> None:
        """Write steps made of the partition as it is now, unless it was closed while ClickHouse was asked."""
        doing(Phase.LOCK)
        async with self.lock:
            doing(Phase.FOLDING)
            if not self.closed:
                await self._write(steps())

    async def _write(self, steps: Iterable[StepToWrite]) -> None:
        """Write step by step; any failure closes the partition."""
        shared, partition = self._shared, self.partition
        try:
            for step in steps:
                await self.writer.append(step)
                doing(Phase.FOLDING)
            shared.blocked.pop(partition, None)
            if partition in shared.limits:  # after failures, allow larger steps again
                shared.limits[partition] = min(2 * self._limit, STEP_BYTES)
        except BaseException as error:  # noqa: BLE001 - what is none of the table's is raised on
            self.closed = self.failed = True
            too_large = isinstance(error, StepTooLargeError)
            during = During.RECORD if too_large and self._limit == 1 else During.STEP
            line = react(during, error, partition, offset=self.state.head.next)
            if during is During.RECORD:
                shared.blocked[partition] = line
            # Without an answer in time, it may have been too large as well.
            shared.limits[partition] = max(1 if too_large else SMALL_STEP_BYTES, self._limit // 2)

    @property
    def _limit(self) -> int:
        return self._shared.limits.get(self.partition, STEP_BYTES)
