"""From the journals to a store, batch after batch.

One task gathers steps while another writes them: first the events below the batch's heads, then its rows, then the
progress. After any failure the same batch, or a larger one, is written again with the same result. Memory is bounded:
while a full batch cannot be written, nothing more is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Final

from schemas.journal import Head
from schemas.settings import Settings
from sinks.alert_archive import archive_alerts, archive_deliveries
from sinks.archive_writer import ArchiveWriter
from sinks.gauge_schedule import GRACE_MS, each_minute
from sinks.objective_archive import archive_objectives
from sinks.pending_batch import PendingBatch, epoch_claims, progress_rows
from sinks.retrying_store import RetryingStore
from sinks.sink_health import SinkHealth
from sinks.source_gauge_archive import archive_source_gauges
from sinks.store_protocol import Batch, Store
from streams.freed_memory import give_back
from streams.journal.tail import JournalTail
from streams.monitoring.activities import Phase

#: A batch begins so often at most, unless it is full before.
BATCH_EVERY_S: Final = 1.0
#: Bytes of the journal. A row takes many times as much: contacts are compressed there, and a pane is one tight line.
FULL_BYTES: Final = 2 * 1024 * 1024
#: Above this nothing more is read until a batch was written.
MAX_PENDING_BYTES: Final = 2 * FULL_BYTES
STEP_RECORDS: Final = 5_000
POLL_MS: Final = 100
#: How often the SLA engine sees that the sink is there.
ALIVE_EVERY_MS: Final = 5_000
#: Why a sink is not ready although nothing is wrong.
READING_JOURNALS: Final = "the journals are not read to their end yet"

_LOG: Final = logging.getLogger(__name__)


class Pipeline:
    """The sink's tasks and what they share."""

    def __init__(
        self, settings: Settings, store: Store, health: SinkHealth, now: Callable[[], float] = time.time
    ) -> None:
        group = f"{settings.application}-sink"
        self._settings = settings
        self._health = health
        self._now = now
        self._store = RetryingStore(store, health)
        self._tail = JournalTail(settings, group=group, kafka=health.kafka)
        self._archive = ArchiveWriter(settings, group, self._store, health, self._tail)
        self._pending = PendingBatch()
        #: Time of the last progress, UTC milliseconds.
        self._progress_at = 0
        self._stopping = asyncio.Event()
        self._changed = asyncio.Condition()
        #: Whether ClickHouse has the present: the journals were read to their ends, and no full batch came since.
        self._is_current = False
        self._is_writing = False
        self.started = False

    async def start(self) -> None:
        """Continue where ClickHouse is; waits for store, broker and topics, and says so."""
        found = await self._store.progress()
        self._progress_at = max((row.at for row in found), default=0)
        progress = {(row.topic, row.partition): row for row in found}
        in_journal = {partition: row for partition, row in progress.items() if row.journal_end}
        self._pending = PendingBatch({partition: row.step for partition, row in in_journal.items()})
        self._health.waiting_for = "the broker or its topics are not there yet"
        await self._tail.start(
            {partition: row.journal_end for partition, row in in_journal.items()},
            {
                partition: Head(row.next, row.step, epoch=row.epoch, open=row.opened, journal=row.journal)
                for partition, row in in_journal.items()
            },
        )
        await self._archive.start(progress)
        _LOG.info(
            "the sink continues from its progress in %d of %d partitions, and reads the others from the beginning",
            len(in_journal),
            len(self._tail.partitions),
        )
        self.started = True
        self._health.waiting_for = READING_JOURNALS

    async def stop(self) -> None:
        """Close the connections."""
        await self._tail.stop()
        await self._archive.sources.stop()
        await self._store.close()

    async def run(self) -> None:
        """Read and write until `finish`, then write what was read, and return."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._gather())
            tasks.create_task(self._write())
            for archive in (archive_alerts, archive_deliveries, archive_objectives, archive_source_gauges):
                tasks.create_task(archive(self._settings, self._write_of_alerts, self._stops_within))
            tasks.create_task(self._show_alive())
            tasks.create_task(each_minute(self._now_ms, self._stops_within, self._has_present, self._save_gauges))

    async def finish(self) -> None:
        """Have `run` come to its end."""
        self._stopping.set()
        async with self._changed:
            self._changed.notify_all()

    async def _write_of_alerts(self, batch: Batch) -> None:
        await self._store.write(batch)
        if self._is_current:  # ClickHouse answers, also where no step is there to be written
            self._set_ready()

    def _has_present(self) -> bool:
        return self._is_current and not self._health.held

    async def _save_gauges(self, minute: int) -> None:
        await self._store.save_gauges(minute, lambda: self._now_ms() < minute + GRACE_MS)

    async def _show_alive(self) -> None:
        while not await self._stops_within(ALIVE_EVERY_MS):
            await self._tail.show_alive(self._now_ms(), idle=not (self._pending.steps or self._is_writing))

    async def _stops_within(self, ms: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ms / 1000):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _now_ms(self) -> int:
        return int(self._now() * 1000)

    async def _gather(self) -> None:
        while not self._stopping.is_set():
            async with self._changed:
                await self._changed.wait_for(lambda: self._pending.size < MAX_PENDING_BYTES or self._stopping.is_set())
            with self._health.activities.during(Phase.FETCHING, "the sink"):
                steps = await self._tail.steps(POLL_MS, STEP_RECORDS)
            if not self._pending.size:
                self._health.beat()
            async with self._changed:
                for step in steps:
                    self._pending.add(step)
                self._health.pending_bytes = self._pending.size
                # Journals without a step yet, as in a new installation: there is nothing to write, and all is well.
                if self._health.waiting_for == READING_JOURNALS and not self._pending.steps and self._tail.caught_up():
                    self._set_ready()
                    self._is_current = True
                if steps:
                    self._changed.notify_all()

    async def _write(self) -> None:
        began = 0.0
        while True:
            await self._wait_for_a_batch(began)
            began = time.monotonic()
            pending, self._pending = self._pending, PendingBatch(self._pending.steps_once_written())
            async with self._changed:
                self._changed.notify_all()
            if pending.steps:
                self._is_writing = True
                await self._write_batch(pending)
                self._is_writing = False
                if pending.size >= FULL_BYTES:  # others follow soon, on other threads with heaps of their own
                    await asyncio.to_thread(give_back)
            elif self._stopping.is_set():
                return

    async def _wait_for_a_batch(self, began: float) -> None:
        """Wait until there is a step, then until it is time for a batch or the batch is full."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._pending.steps > 0 or self._stopping.is_set())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(began + BATCH_EVERY_S - time.monotonic()):
                    await self._changed.wait_for(lambda: self._pending.size >= FULL_BYTES or self._stopping.is_set())

    async def _write_batch(self, pending: PendingBatch) -> None:
        """Write one batch: claims of new epochs, events, rows, progress."""
        pending.leave_out(self._health.held)
        await self._claim_epochs(pending)
        async with asyncio.TaskGroup() as tasks:  # one computes while the other waits for the store
            rows = tasks.create_task(asyncio.to_thread(pending.batch))
            archived = tasks.create_task(self._archive.write_events(pending))
        batch = rows.result()
        if not self._health.held.keys().isdisjoint(pending.positions):
            pending.leave_out(self._health.held)
            batch = await asyncio.to_thread(pending.batch)
        positions = pending.positions
        if not positions:
            return
        batch.events = await self._archive.lost_events(pending)
        batch.progress = progress_rows(positions.items(), self._next_progress_at())
        await self._store.write(batch)
        self._health.note_batch(positions, archived.result())
        caught_up = self._tail.caught_up()
        self._is_current = caught_up or (self._is_current and pending.size < FULL_BYTES)
        if caught_up:
            self._set_ready()
        else:
            self._health.waiting_for = READING_JOURNALS
        await self._tail.commit(
            {partition: (end, f"{head.epoch}:{head.step}") for partition, (head, end) in positions.items()}
        )
        await self._archive.sources.commit(positions)

    def _set_ready(self) -> None:
        if self._health.waiting_for is not None:
            _LOG.info("the sink is ready: what is in the journals is in ClickHouse")
        self._health.waiting_for = None

    async def _claim_epochs(self, pending: PendingBatch) -> None:
        if epochs := self._archive.new_epochs(pending.positions):
            await self._store.write(Batch(progress=epoch_claims(epochs, self._next_progress_at())))
            self._archive.begin_epochs(epochs)

    def _next_progress_at(self) -> int:
        """Return the time in UTC milliseconds, always later than before: the latest progress counts."""
        self._progress_at = max(self._progress_at + 1, self._now_ms())
        return self._progress_at
