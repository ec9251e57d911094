"""Writes the archive: the events below the heads of the steps, from the source topics or else from the journals.

A step's rows are written after its events, so whatever is in ClickHouse has its events in the archive. A partition with
an event that this version cannot read is held: nothing more of it is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Final

from schemas.journal import Head, OffsetRange
from schemas.settings import Settings
from schemas.topics import SourcePartition
from sinks.archive_filter import records_to_archive
from sinks.event_rows import SourceRecord, UnreadableEventError, event_rows
from sinks.pending_batch import PendingBatch, Position
from sinks.retrying_store import RetryingStore
from sinks.rows import EventRow, Progress
from sinks.sink_health import SinkHealth
from sinks.source_reader import SourceReader
from sinks.store_protocol import Batch
from streams.journal.tail import JournalTail
from streams.monitoring.activities import Phase, doing

EVENTS_PER_INSERT: Final = 10_000

_LOG: Final = logging.getLogger(__name__)


def _rows(records: Sequence[SourceRecord], head: Head, set_aside: Sequence[OffsetRange]) -> list[EventRow]:
    return event_rows(records_to_archive(records, head, set_aside), head.epoch)


class ArchiveWriter:
    """The archived events of all source partitions."""

    def __init__(
        self, settings: Settings, group: str, store: RetryingStore, health: SinkHealth, tail: JournalTail
    ) -> None:
        self._store = store
        self._health = health
        self._tail = tail
        self.sources = SourceReader(settings, group)
        #: The newest epoch of each partition that ClickHouse knows.
        self._epochs: dict[SourcePartition, int] = {}
        #: Partitions with counted events whose source records were lost before they were archived.
        self._lost: set[SourcePartition] = set()

    async def start(self, progress: Mapping[SourcePartition, Progress]) -> None:
        """Continue where ClickHouse is; waits for the broker and the topics."""
        self._epochs = {partition: row.epoch for partition, row in progress.items()}
        # A sink that died after its claim of an epoch left the events of those before.
        self._lost = {partition for partition, row in progress.items() if row.epoch > 1 and not row.journal_end}
        await self.sources.start({partition: row.next for partition, row in progress.items()})

    def new_epochs(self, positions: Mapping[SourcePartition, Position]) -> dict[SourcePartition, int]:
        """Return the epochs that have begun since the last batch."""
        return {of: head.epoch for of, (head, _) in positions.items() if head.epoch > self._epochs.get(of, 0)}

    def begin_epochs(self, epochs: Mapping[SourcePartition, int]) -> None:
        """Read the source topics of these partitions from their beginning: they were recreated."""
        for partition in epochs.keys() & self._epochs.keys():
            self.sources.rewind(partition)
            self._lost.add(partition)
        self._epochs |= epochs

    async def write_events(self, pending: PendingBatch) -> dict[str, int]:
        """Write the events below the heads of the epoch that the source topics are in.

        Returns when the first record of each topic was written to Kafka, UTC milliseconds.
        """
        oldest: dict[str, int] = {}
        heads = {of: head for of, (head, _) in pending.positions.items() if head.epoch == self._epochs[of]}
        for partition, head in list(heads.items()):
            if await self._tail.is_recreated(partition[0], head.topic):
                del heads[partition]
                self.sources.lost.add(partition)
        async with asyncio.TaskGroup() as tasks:  # the next rows are read while the last ones are written
            writing: asyncio.Task[None] | None = None
            rows: list[EventRow] = []
            with self._health.activities.during(Phase.FETCHING, "the archive"):
                async for tp, records in self.sources.records_below({of: head.next for of, head in heads.items()}):
                    self._health.beat()
                    doing(Phase.FETCHING)  # there is progress
                    partition = tp.topic, tp.partition
                    oldest[tp.topic] = min(oldest.get(tp.topic, records[0].timestamp), records[0].timestamp)
                    try:
                        rows += await asyncio.to_thread(_rows, records, heads[partition], pending.set_aside(partition))
                    except UnreadableEventError as error:
                        self._hold(partition, error)
                    if len(rows) >= EVENTS_PER_INSERT:
                        if writing is not None:
                            await writing
                        writing = tasks.create_task(self._store.write(Batch(events=rows)))
                        rows = []
            if writing is not None:
                await writing
            if rows:
                await self._store.write(Batch(events=rows))
        return oldest

    async def lost_events(self, pending: PendingBatch) -> list[EventRow]:
        """Return events whose source records are lost, from the journals."""
        lost = (self._lost | self.sources.lost) & pending.positions.keys()
        if not lost:
            return []
        rows = await asyncio.to_thread(pending.events_from_journal, lost)
        # An epoch that ended in order has archived them before.
        level = logging.WARNING if self.sources.lost and rows else logging.INFO
        _LOG.log(
            level,
            "archived %d events from the journals, because their source records are lost: %s",
            *(len(rows), ", ".join(f"{topic}/{number}" for topic, number in sorted(lost))),
        )
        self.sources.lost -= lost
        self._lost -= {of for of in lost if pending.positions[of].head.epoch == self._epochs[of]}
        return rows

    def _hold(self, partition: SourcePartition, error: UnreadableEventError) -> None:
        if partition in self._health.held:
            return
        why = (
            f"{partition[0]}/{partition[1]}: held at offset {error.offset}: a worker counted an event that this sink"
            f" cannot read ({error}): upgrade the sink, it continues there"
        )
        self._health.held[partition] = why
        _LOG.error("%s; nothing is lost", why)
