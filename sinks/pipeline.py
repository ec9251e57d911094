"""From the journals and the source topics to a store, batch after batch.

One task gathers steps while another writes: first the events below the batch's heads, then its rows, then how far that
is. So whatever is in has its events in the archive, and after any failure the same batch, or a larger one, is written
again with the same result. Memory is bounded: a full batch that cannot be written holds up the reading.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from schemas.journal import Head, OffsetRange
from schemas.settings import Settings
from schemas.topics import SourcePartition
from sinks.accepted import accepted
from sinks.batching import PendingBatch, Reached, claims, progress_rows
from sinks.event_rows import Record, UnreadableEventError, event_rows
from sinks.gauge_history import WITHIN_MS, each_minute
from sinks.port import Batch, Store, StoreError
from sinks.rows import EventRow
from sinks.sink_health import SinkHealth
from sinks.source_reader import SourceReader
from streams.journal.tail import JournalTail
from streams.monitoring.activities import Phase, doing

#: A batch is begun so often, unless it is full before.
EVERY_S: Final = 1.0
FULL_BYTES: Final = 16 * 1024 * 1024
#: Above this nothing more is read until a batch was written.
MAX_PENDING_BYTES: Final = 2 * FULL_BYTES
STEP_RECORDS: Final = 5_000
POLL_MS: Final = 100
#: What a sink says of itself that is not ready yet, though nothing is wrong.
READING: Final = "the journals are not read to their end yet"
EVENTS_AT_ONCE: Final = 10_000

Answer = TypeVar("Answer")

_BACK_OFF: Final = wait_exponential(multiplier=0.2, max=5.0)
_LOG: Final = logging.getLogger(__name__)


def _rows(records: Sequence[Record], head: Head, set_aside: Sequence[OffsetRange]) -> list[EventRow]:
    return event_rows(accepted(records, head, set_aside), head.epoch)


class Pipeline:
    """The sink's two tasks and what they share."""

    def __init__(
        self, settings: Settings, store: Store, vitals: SinkHealth, now: Callable[[], float] = time.time
    ) -> None:
        group = f"{settings.application}-sink"
        self._store = store
        self._vitals = vitals
        self._now = now
        self._tail = JournalTail(settings, group=group, kafka=vitals.kafka)
        self._sources = SourceReader(settings, group)
        self._pending = PendingBatch()
        self._epochs: dict[SourcePartition, int] = {}
        self._at = 0
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()
        self._inserting = asyncio.Lock()
        #: Whether what is in is of now: the journals were read to their ends, and no full batch has piled up since.
        self._is_current = False
        #: Partitions with events that were folded, and whose records are gone before they were archived.
        self._gone: set[SourcePartition] = set()
        self.started = False

    async def start(self) -> None:
        """Ask the store how far it is, and go there; waits for store, broker and topics, and says so."""
        found = await self._with_retries(self._store.progress)
        known = {(row.topic, row.partition): row for row in found}
        self._epochs = {partition: row.epoch for partition, row in known.items()}
        # A sink that died after its claim of an epoch left the events of those before.
        self._gone = {partition for partition, row in known.items() if row.epoch > 1 and not row.journal_end}
        self._at = max((row.at for row in found), default=0)
        going_on = {partition: row for partition, row in known.items() if row.journal_end}
        self._pending = PendingBatch({partition: row.step for partition, row in going_on.items()})
        self._vitals.waiting_for = "the broker or its topics are not there yet"
        await self._tail.start(
            {partition: row.journal_end for partition, row in going_on.items()},
            {
                partition: Head(row.next, row.step, epoch=row.epoch, open=row.opened, journal=row.journal)
                for partition, row in going_on.items()
            },
        )
        await self._sources.start({partition: row.next for partition, row in known.items()})
        _LOG.info(
            "the sink goes on where ClickHouse is in %d of %d partitions", len(going_on), len(self._tail.partitions)
        )
        self.started = True
        self._vitals.waiting_for = READING

    async def stop(self) -> None:
        """Close the connections."""
        await self._tail.stop()
        await self._sources.stop()
        await asyncio.to_thread(self._store.close)

    async def run(self) -> None:
        """Read and write until `finish`, then write what is in hand, and return."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._gather())
            tasks.create_task(self._write())
            tasks.create_task(each_minute(self._now_ms, self._stops_within, self._has_all_of_now, self._note_gauges))

    def _has_all_of_now(self) -> bool:
        return self._is_current and not self._vitals.held

    async def _note_gauges(self, minute: int) -> None:
        async with self._inserting:
            if self._now_ms() < minute + WITHIN_MS:  # another insert may have taken longer than that
                await asyncio.to_thread(self._store.note_gauges, minute)

    async def _stops_within(self, ms: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ms / 1000):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    async def finish(self) -> None:
        """Have `run` come to its end."""
        self._stopping.set()
        async with self._changed:
            self._changed.notify_all()

    async def _gather(self) -> None:
        while not self._stopping.is_set():
            async with self._changed:
                await self._changed.wait_for(lambda: self._pending.size < MAX_PENDING_BYTES or self._stopping.is_set())
            with self._vitals.activities.during(Phase.FETCHING, "the sink"):
                steps = await self._tail.steps(POLL_MS, STEP_RECORDS)
            if not self._pending.size:
                self._vitals.beat()
            async with self._changed:
                for step in steps:
                    self._pending.add(step)
                self._vitals.pending_bytes = self._pending.size
                # Journals without a step yet, as in a new installation: there is nothing to write, and all is well.
                if self._vitals.waiting_for == READING and not self._pending.steps and self._tail.caught_up():
                    self._caught_up()
                    self._is_current = True
                if steps:
                    self._changed.notify_all()

    async def _write(self) -> None:
        begun = 0.0
        while True:
            await self._wait_for_a_batch(begun)
            begun = time.monotonic()
            pending, self._pending = self._pending, PendingBatch(self._pending.after())
            async with self._changed:
                self._changed.notify_all()
            if pending.steps:
                await self._write_batch(pending)
            elif self._stopping.is_set():
                return

    async def _wait_for_a_batch(self, begun: float) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._pending.steps > 0 or self._stopping.is_set())
            rest = begun + EVERY_S - time.monotonic()
            if rest > 0:
                try:
                    async with asyncio.timeout(rest):
                        await self._changed.wait_for(
                            lambda: self._pending.size >= FULL_BYTES or self._stopping.is_set()
                        )
                except TimeoutError:
                    return

    async def _write_batch(self, pending: PendingBatch) -> None:
        """Write one batch: claims of new epochs, events, rows, progress."""
        pending.leave_out(self._vitals.held)
        await self._claim(pending.reached)
        async with asyncio.TaskGroup() as tasks:  # one computes while the other waits for the store
            rows = tasks.create_task(asyncio.to_thread(pending.batch))
            archived = tasks.create_task(self._archive(pending))
        batch = rows.result()
        if not self._vitals.held.keys().isdisjoint(pending.reached):
            pending.leave_out(self._vitals.held)
            batch = await asyncio.to_thread(pending.batch)
        reached = pending.reached
        if not reached:
            return
        if gone := (self._gone | self._sources.gone) & reached.keys():
            batch.events = await asyncio.to_thread(pending.events_of, gone)
            # An epoch that ended in order has archived them before.
            level = logging.WARNING if self._sources.gone and batch.events else logging.INFO
            _LOG.log(
                level,
                "archived %d events from the journals, because their source records are gone: %s",
                *(len(batch.events), ", ".join(f"{topic}/{number}" for topic, number in sorted(gone))),
            )
            self._sources.gone -= gone
            self._gone -= {of for of in gone if reached[of].head.epoch == self._epochs[of]}
        batch.progress = progress_rows(reached.items(), self._tick())
        await self._insert(batch)
        self._vitals.reached(reached, archived.result())
        caught_up = self._tail.caught_up()
        self._is_current = caught_up or (self._is_current and pending.size < FULL_BYTES)
        if caught_up:
            self._caught_up()
        else:
            self._vitals.waiting_for = READING
        words = {partition: (end, f"{head.epoch}:{head.step}") for partition, (head, end) in reached.items()}
        await self._tail.commit(words)
        await self._sources.commit(reached)

    def _caught_up(self) -> None:
        if self._vitals.waiting_for is not None:
            _LOG.info("the sink is ready: what is in the journals is in ClickHouse")
        self._vitals.waiting_for = None

    async def _claim(self, reached: dict[SourcePartition, Reached]) -> None:
        begun = {of: head.epoch for of, (head, _) in reached.items() if head.epoch > self._epochs.get(of, 0)}
        if not begun:
            return
        await self._insert(Batch(progress=claims(begun, self._tick())))
        for partition in begun.keys() & self._epochs.keys():
            self._sources.rewind(partition)
            self._gone.add(partition)
        self._epochs |= begun

    async def _archive(self, pending: PendingBatch) -> dict[str, int]:
        """Write the events below the heads of the epoch that the source topics are in.

        Tells when the first record of each topic was written to Kafka, UTC milliseconds.
        """
        oldest: dict[str, int] = {}
        heads = {of: head for of, (head, _) in pending.reached.items() if head.epoch == self._epochs[of]}
        for partition, head in list(heads.items()):
            if await self._tail.is_recreated(partition[0], head.topic):
                del heads[partition]
                self._sources.gone.add(partition)
        async with asyncio.TaskGroup() as tasks:  # the next rows are read while the last ones are written
            writing: asyncio.Task[None] | None = None
            rows: list[EventRow] = []
            with self._vitals.activities.during(Phase.FETCHING, "the archive"):
                async for tp, records in self._sources.below({of: head.next for of, head in heads.items()}):
                    self._vitals.beat()
                    doing(Phase.FETCHING)  # it gets on
                    partition = tp.topic, tp.partition
                    head, set_aside = heads[partition], pending.set_aside(partition)
                    oldest[tp.topic] = min(oldest.get(tp.topic, records[0].timestamp), records[0].timestamp)
                    try:
                        rows += await asyncio.to_thread(_rows, records, head, set_aside)
                    except UnreadableEventError as error:
                        self._hold(partition, error)
                    if len(rows) >= EVENTS_AT_ONCE:
                        if writing is not None:
                            await writing
                        writing = tasks.create_task(self._insert(Batch(events=rows)))
                        rows = []
            if writing is not None:
                await writing
            if rows:
                await self._insert(Batch(events=rows))
        return oldest

    def _hold(self, partition: SourcePartition, error: UnreadableEventError) -> None:
        """Write nothing more of a partition: what is in must have its events in the archive."""
        if partition in self._vitals.held:
            return
        why = (
            f"{partition[0]}/{partition[1]}: held at offset {error.offset}: a worker counted an event that this sink"
            f" cannot read ({error}): upgrade the sink, it continues there"
        )
        self._vitals.held[partition] = why
        _LOG.error("%s; nothing is lost", why)

    async def _insert(self, batch: Batch) -> None:
        async with self._inserting:  # a store is called from one thread at a time
            seconds = await self._with_retries(lambda: self._timed(batch))
        self._vitals.wrote(batch, seconds)

    def _timed(self, batch: Batch) -> float:
        begun = time.monotonic()
        self._store.write(batch)
        return time.monotonic() - begun

    def _tick(self) -> int:
        """Tell the time in UTC milliseconds, always later than before: of progress the latest counts."""
        self._at = max(self._at + 1, self._now_ms())
        return self._at

    async def _with_retries(self, ask: Callable[[], Answer]) -> Answer:
        def asked() -> Answer:  # in its thread, whose stack says where it hangs
            with self._vitals.activities.during(Phase.INSERTING, "the sink"):
                return ask()

        begun = time.monotonic()
        retrying = AsyncRetrying(wait=_BACK_OFF, retry=retry_if_exception_type(StoreError), before_sleep=self._say)
        answer: Answer = await retrying(asyncio.to_thread, asked)
        if retrying.statistics["attempt_number"] > 1:
            _LOG.warning("ClickHouse answers again after %.0f s", time.monotonic() - begun)
        return answer

    def _say(self, state: RetryCallState) -> None:
        why = str(state.outcome.exception()) if state.outcome else ""
        self._vitals.failed(why)
        if state.attempt_number in {1, 5} or state.attempt_number % 12 == 0:
            _LOG.warning("the sink waits and tries again, nothing is lost (attempt %d): %s", state.attempt_number, why)
