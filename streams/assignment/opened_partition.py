"""One opened partition of a worker: it folds batches into steps, and evicts old contacts between batches.

The lock is held while the partition's memory changes and a step is written, never while ClickHouse is asked: closing a
partition waits for one step at most. Each question has a time limit, and its answer is used only if the partition is
still open then. If writing a step fails, the partition is closed, because its memory is ahead of the journal.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, TypeVar

from schemas.topics import SourcePartition
from streams.assignment.failures import During, react
from streams.assignment.shared_state import CLICKHOUSE, KAFKA, SharedState
from streams.journal.writer import JournalWriter, StepTooLargeError
from streams.monitoring.activities import Phase, doing
from streams.monitoring.outage import LOG_EVERY_S, Outage
from streams.partition.archived_history import ArchivedContact
from streams.partition.state import STEP_BYTES, PartitionState
from streams.partition.step_to_write import StepToWrite

#: A step of this size is never too large to be written in time.
SMALL_STEP_BYTES: Final = 1024 * 1024
#: Parked contacts of one partition at most; above it the partition waits.
PARKED_AT_MOST: Final = 10_000
UNPARKED_AT_ONCE: Final = 2_000
#: Contacts of a batch asked for in one question: what was answered counts, also where later ones are not.
LOOKED_UP_AT_ONCE: Final = 2_000
#: How long a batch waits for what ClickHouse has of its contacts, before their events are parked.
LOOK_UP_WITHIN_S: Final = 10.0
#: How long ClickHouse may take to answer what is asked between batches.
MAINTENANCE_ANSWER_WITHIN_S: Final = 30.0

Answer = TypeVar("Answer")

_LOG: Final = logging.getLogger(__name__)


@dataclass(eq=False)
class OpenedPartition:
    """A partition that this worker has open."""

    partition: SourcePartition
    state: PartitionState
    writer: JournalWriter
    session: int
    shared: SharedState
    closed: bool = False
    #: Whether a step may be missing in the journal: the partition in memory must not be used again then.
    failed: bool = False
    #: Why batches are skipped until the consumer is sent back to the head; None: they are not.
    pause_reason: str | None = None
    #: Whether the next maintenance writes an empty step; see `OpenTransactions`.
    empty_step_due: bool = False

    def __post_init__(self) -> None:
        """Begin unlocked, as if a batch had just arrived."""
        self.lock = asyncio.Lock()
        #: Set by each batch of this session, and where no batch is expected; `SilentPartitions` clears it.
        self.batch_arrived = asyncio.Event()
        self.batch_arrived.set()
        waiting = f"{self.partition[0]}/{self.partition[1]}: {CLICKHOUSE}, for which parked events and eviction wait,"
        self._outage = Outage(waiting, self.shared.now)
        #: When parked events are logged again, by the monotonic clock.
        self._say_parked_at = 0.0

    async def process_batch(self, session: int, fetch_offset: int, records: Sequence[Any]) -> bool:
        """Write the steps of a batch whose fetch began at `fetch_offset`; False where not all were: read it again."""
        if session != self.session or self.pause_reason:
            return False
        self.batch_arrived.set()
        state = self.state
        found: dict[bytes, ArchivedContact] = {}
        asked, unanswered = set[bytes](), set[bytes]()
        until = asyncio.get_running_loop().time() + LOOK_UP_WITHIN_S
        while not self.closed:
            doing(Phase.LOCK)
            async with self.lock:
                doing(Phase.FOLDING)
                if self._is_out_of_order(fetch_offset, records):
                    return False
                unknown = state.maybe_evicted(state.not_counted(records))
                missing = set(islice(unknown - asked, LOOKED_UP_AT_ONCE))
                if not missing:
                    return await self._write_batch(records, found, unknown & unanswered)
            # While ClickHouse is asked, contacts may be evicted and others come back, or the partition be closed. Those
            # that were asked for stay as they are: only this batch brings them, or `_unpark`, which does not have them.
            asked |= missing
            doing(Phase.LOOKING_UP)
            answer = await self._look_up(missing, until)
            found |= answer or {}
            unanswered |= missing if answer is None else set()
        return False

    def _is_out_of_order(self, fetch_offset: int, records: Sequence[Any]) -> bool:
        """Tell whether a batch is not the one that follows; the partition is closed then, to be opened again."""
        expected = self.state.head.next
        # Where the consumer's position was out of range, it began again, before.
        if fetch_offset > expected or (records and records[0].offset < fetch_offset):
            got = fetch_offset if fetch_offset > expected else records[0].offset
            _LOG.warning(
                "%s/%d: expected a batch from offset %d, got one from %d: reopening the partition, no event is lost",
                *(*self.partition, expected, got),
            )
            self.closed = True
        return self.closed

    async def _write_batch(
        self, records: Sequence[Any], found: Mapping[bytes, ArchivedContact], waiting: set[bytes]
    ) -> bool:
        """Write a batch's steps; False where not all were. Events of `waiting` contacts are parked, up to a limit."""
        state = self.state
        if waiting and len(state.parked) + len(waiting) > PARKED_AT_MOST:
            self.pause(f"{CLICKHOUSE}: events of {len(state.parked):,} evicted contacts are parked, and more came")
            return False
        if waiting and (now := self.shared.now()) >= self._say_parked_at:  # each batch may have some
            self._say_parked_at = now + LOG_EVERY_S
            _LOG.warning(
                "%s/%d: events of %d evicted contacts are parked until ClickHouse answers, from offset %d on",
                *(*self.partition, len(waiting | state.parked.keys()), state.head.next),
            )
        state.revive(found)
        state.park(waiting)
        await self._write(state.steps(records, self._limit))
        if self.closed:
            return False
        self.shared.clear_wait(self.partition)
        return True

    async def _look_up(self, unknown: Collection[bytes], until: float) -> dict[bytes, ArchivedContact] | None:
        """Ask for evicted contacts; None where ClickHouse does not answer in time, or did not before."""
        if self.shared.clickhouse_unavailable:
            return None
        try:
            async with asyncio.timeout_at(until):
                return await self.shared.archive.contacts(unknown)
        except Exception as error:  # noqa: BLE001 - as in `_write`
            react(During.LOOK_UP, error, self.partition)
            self.shared.clickhouse_unavailable = True
            return None

    def pause(self, reason: str) -> None:
        """Skip batches until `resume`, which reads them again; health shows what the partition waits for."""
        self.pause_reason = reason
        self.shared.note_wait(self.partition, reason)
        _LOG.warning("%s/%d: reading stops at offset %d: waits for %s", *self.partition, self.state.head.next, reason)

    def resume(self, session: int) -> None:
        """Process batches again, those of a new session; the caller seeks the consumer to the head.

        Paused for ClickHouse, it still counts as waiting until a batch is written: the next look-up may fail too.
        """
        if self.waits_for_kafka:
            self.shared.clear_wait(self.partition)
        self.session, self.pause_reason = session, None

    @property
    def may_resume(self) -> bool:
        """Whether it was paused for ClickHouse, which answers again."""
        full = len(self.state.parked) > PARKED_AT_MOST // 2
        return self._waits_for(CLICKHOUSE) and not (full or self.shared.clickhouse_unavailable)

    @property
    def waits_for_kafka(self) -> bool:
        """Whether it was paused because Kafka did not confirm that the topic is still the same."""
        return self._waits_for(KAFKA)

    def _waits_for(self, server: str) -> bool:
        return (self.pause_reason or "").startswith(server)

    async def maintain(self) -> None:
        """Fold parked events and evict old contacts where ClickHouse answers; it is asked without the lock held."""
        state = self.state
        if self.empty_step_due:
            await self._write_if_open(state.empty_step)
            self.empty_step_due = False
        await self._write_if_open(lambda: state.renew_deadlines(int(time.time() * 1000), self._limit))
        if self.closed or not (state.parked or self._waits_for(CLICKHOUSE) or state.is_eviction_due()):
            return
        try:
            with self._outage.asking():
                await self._unpark_and_evict()
        except Exception as error:  # noqa: BLE001 - as in `_write`
            react(During.MAINTENANCE, error, self.partition)

    async def _unpark_and_evict(self) -> None:
        state, archive = self.state, self.shared.archive
        if state.parked:
            waiting = list(state.parked)[:UNPARKED_AT_ONCE]
            found = await self._ask(archive.contacts(waiting))
            await self._write_if_open(lambda: state.unpark(found, waiting))
        elif self._waits_for(CLICKHOUSE):
            await self._ask(archive.epoch(*self.partition))
        if not self.closed and state.is_eviction_due():
            in_clickhouse = await self._ask(archive.last_step_in_sink(*self.partition, state.head.epoch))
            await self._write_if_open(lambda: state.evict(in_clickhouse))

    async def _ask(self, question: Coroutine[Any, Any, Answer]) -> Answer:
        doing(Phase.LOOKING_UP)
        async with asyncio.timeout(MAINTENANCE_ANSWER_WITHIN_S):
            answer = await question
        self.shared.clickhouse_unavailable = False
        return answer

    async def _write_if_open(self, steps: Callable[[], Iterable[StepToWrite]]) -> None:
        """Write steps made of the partition as it is now, unless it was closed while ClickHouse was asked."""
        doing(Phase.LOCK)
        async with self.lock:
            doing(Phase.FOLDING)
            if not self.closed:
                await self._write(steps())

    async def _write(self, steps: Iterable[StepToWrite]) -> None:
        """Write step by step; any failure closes the partition."""
        shared, partition = self.shared, self.partition
        try:
            for step in steps:
                await self.writer.append(step)
                doing(Phase.FOLDING)
            shared.blocked.pop(partition, None)
            if partition in shared.step_limits:  # after failures, allow larger steps again
                shared.step_limits[partition] = min(2 * self._limit, STEP_BYTES)
        except BaseException as error:  # noqa: BLE001 - what is none of the table's is raised on
            self.closed = self.failed = True
            too_large = isinstance(error, StepTooLargeError)
            during = During.RECORD if too_large and self._limit == 1 else During.STEP
            line = react(during, error, partition, offset=self.state.head.next)
            if during is During.RECORD:
                shared.blocked[partition] = line
            # Without an answer in time, it may have been too large as well.
            shared.step_limits[partition] = max(1 if too_large else SMALL_STEP_BYTES, self._limit // 2)

    @property
    def _limit(self) -> int:
        return self.shared.step_limits.get(self.partition, STEP_BYTES)
