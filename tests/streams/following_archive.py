"""A sink that keeps up with a real journal, and the archive that is made of it: in memory, for workers that evict."""

from collections.abc import Collection, Sequence
from typing import Any

from schemas.journal import Head
from schemas.settings import Settings
from schemas.topics import SourcePartition
from sinks.archive_filter import records_to_archive
from sinks.event_rows import event_rows
from sinks.pending_batch import PendingBatch
from streams.clickhouse.archive import ClickHouseArchive
from streams.journal.tail import JournalTail
from streams.partition.archived_history import ArchivedContact
from tests.sinks.memory_store import MemoryStore
from tests.streams.followers import kept_of
from tests.streams.records import Record


class FollowingArchive(ClickHouseArchive):
    """What ClickHouse has of one source, read up to the journals' end each time somebody asks."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._tail = JournalTail(settings, sources=(source,))
        self.store = MemoryStore()
        self.heads: dict[SourcePartition, Head] = {}
        self._written: dict[SourcePartition, int] = {}
        self._records: dict[SourcePartition, Sequence[Record]] = {}
        self._archived: dict[SourcePartition, int] = {}
        #: Contacts that were looked up and found.
        self.found = 0

    async def start(self) -> None:
        """Connect."""
        await self._tail.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._tail.stop()

    def produced(self, place: SourcePartition, records: Sequence[Record]) -> None:
        """Know a partition's records, of which those below its head are archived."""
        self._records[place] = records

    async def keep_up(self) -> None:
        """Write what the journals have, the events below their heads first."""
        pending = PendingBatch(self._written)
        await self._tail._set_targets(self._tail.partitions)  # noqa: SLF001 - it is caught up with what is there now
        while not self._tail.caught_up():
            for step in await self._tail.steps(timeout_ms=60):
                pending.add(step)
        if not pending.steps:
            return
        batch = pending.batch()
        for place, reached in pending.positions.items():
            self.heads[place] = reached.head
            known = self._archived.get(place, 0)
            records: Any = self._records[place][known : reached.head.next]
            batch.events += event_rows(
                records_to_archive(records, reached.head, pending.set_aside(place)), reached.head.epoch
            )
            self._archived[place] = max(known, reached.head.next)
        self._written = pending.steps_once_written()
        self.store.write(batch)

    # As an archive.

    async def epoch(self, source: str, partition: int) -> int:
        """Only the first epoch there is, and nobody asks for it."""
        del source, partition
        return 0

    async def last_step_in_sink(self, source: str, partition: int, epoch: int) -> int:
        """Tell the last step that is in."""
        del epoch
        await self.keep_up()
        return self._written.get((source, partition), -1)

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, ArchivedContact]:
        """Look contacts up."""
        await self.keep_up()
        found = kept_of(self.store, contact_ids)
        self.found += len(found)
        return found
