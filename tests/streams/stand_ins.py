"""Stand-ins for ClickHouse, the cluster and the journal's writer, for tests of a worker's partitions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions, Position
from streams.assignment.opened_partition import OpenedPartition
from streams.assignment.takeover import TakeoverServices
from streams.clickhouse.archive import ArchiveUnavailableError, ClickHouseArchive
from streams.configuration.environment import load_settings
from streams.kafka.cluster import Cluster, ClusterUnavailableError, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.partition.archived_history import ArchivedContact
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from tests.bench.events import write_chats
from tests.streams.records import Record, records_of

if TYPE_CHECKING:  # a worker's process imports this too
    import pytest


#: Of this partition every contact was evicted: a batch of it asks ClickHouse.
EVICTED: Final = ("contacts.chat", 0)
OTHER: Final = ("contacts.chat", 1)
RECORDS: Final = records_of(write_chats(20))

#: What happens before an answer: what is asked, and of which partition or contacts.
Before = Callable[[str, tuple[str, int] | Collection[bytes]], Awaitable[None]]


class EmptyArchive(ClickHouseArchive):
    """An archive that knows nothing, so that nothing is ever evicted.

    Before each answer `before` is called, with the question; while it is `away` it raises ArchiveUnavailableError.
    """

    def __init__(self, before: Before | None = None, *, away: bool = False) -> None:
        self._before = before
        self.away = away

    async def _ask(self, what: str, of: tuple[str, int] | Collection[bytes]) -> None:
        if self.away:
            raise ArchiveUnavailableError("nobody listens")
        if self._before is not None:
            await self._before(what, of)

    async def epoch(self, source: str, partition: int) -> int:
        """Return 0: no epoch is known."""
        await self._ask("epoch", (source, partition))
        return 0

    async def last_step_in_sink(self, source: str, partition: int, epoch: int) -> int:
        """Return -1: no step was ever written."""
        del epoch
        await self._ask("last_step_in_sink", (source, partition))
        return -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, ArchivedContact]:
        """Return nothing."""
        await self._ask("contacts", contact_ids)
        return {}


class StandInCluster(Cluster):
    """A cluster that describes topics as the test says; without any it does not answer. Nobody ever committed."""

    def __init__(self, topics: Mapping[str, TopicDescription] | None) -> None:
        self.described = topics

    async def topics(self) -> Mapping[str, TopicDescription]:
        """Describe them."""
        if self.described is None:
            raise ClusterUnavailableError("no answer")
        return self.described

    async def has_commits(self, group: str) -> bool:
        """Tell that nobody committed."""
        del group
        return False

    async def stop(self) -> None:
        """Disconnect."""


class Clock:
    """A monotonic clock that stands until a test moves it, in seconds."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class StandInWriter:
    """A journal's writer; a step that is appended while it fails is lost."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.openings = 0
        self.sizes: list[int] = []
        #: Offsets of the dead letters it was given.
        self.letters: list[int] = []
        self.head = 0
        self.end = 0

    async def append(self, step: StepToWrite) -> None:
        """Write a step, or fail."""
        if self.fails is not None:
            raise self.fails
        self.sizes.append(step.head.next - self.head)
        self.head = step.head.next
        self.letters += [letter.record.offset for letter in step.dead]

    async def stop(self) -> None:
        """End."""


class Worker:
    """Partitions on stand-ins for their writers; of the first, every contact of `RECORDS` was evicted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, archive: ClickHouseArchive | None = None, **more: Any) -> None:  # noqa: ANN401 - as AssignedPartitions takes it
        self.writers: dict[SourcePartition, StandInWriter] = defaultdict(StandInWriter)
        #: Where the consumer is to read on.
        self.positions: dict[SourcePartition, Position] = {}
        self.was_sought = asyncio.Event()
        #: Exit codes with which the process would have ended.
        self.ends: list[int] = []
        monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", self._take_over)
        monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
        monkeypatch.setattr("os._exit", self.ends.append)
        self.partitions = AssignedPartitions(load_settings({}), Rules(), archive or EmptyArchive(), **more)
        self.partitions.seek = self._seek

    async def _take_over(
        self, _settings: object, rules: Rules, partition: SourcePartition, services: TakeoverServices, **_: object
    ) -> tuple[PartitionState, StandInWriter]:
        """Open a partition; nothing is read back."""
        if partition == EVICTED:
            await services.archive.epoch(*partition)
        writer = self.writers[partition]
        writer.openings += 1
        state = PartitionState(*partition, rules)
        state.begin(opened=writer.openings, epoch=1)
        if partition == EVICTED:
            state.evicted.add(record.key for record in RECORDS if record.key)
        return state, writer

    async def _seek(self, positions: Mapping[SourcePartition, Position]) -> None:
        self.positions |= positions
        self.was_sought.set()

    async def assign(self, *places: SourcePartition) -> dict[SourcePartition, Position]:
        """Assign these partitions; returns where those that are open continue."""
        positions = await self.partitions.assign(frozenset(places))
        self.positions |= positions
        return positions

    def opened(self, partition: SourcePartition) -> OpenedPartition:
        """Return an opened partition."""
        return self.partitions._opened[partition]  # noqa: SLF001 - what the worker's own loops take up

    async def maintain(self, partition: SourcePartition) -> None:
        """Maintain a partition, as the worker's own loop does."""
        self.was_sought.clear()
        await self.partitions.maintain_one(partition, self.opened(partition))

    async def deliver(
        self, partition: SourcePartition, records: Sequence[Record] = RECORDS, *, fetch_offset: int | None = None
    ) -> None:
        """Process records as a batch that was fetched where the partition continues, or from another offset."""
        continues, session = self.positions[partition]
        if fetch_offset is None:
            records = [each for each in records if each.offset >= continues]
        await self.partitions.process_batch(
            partition, session, continues if fetch_offset is None else fetch_offset, records
        )

    def records_written(self, partition: SourcePartition) -> int:
        """Return how many records are in the steps that a partition wrote."""
        return sum(self.writers[partition].sizes)


async def cancel_task(task: asyncio.Future[Any]) -> None:
    """Cancel a task, whatever it waits for."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def run_ready_tasks() -> None:
    """Let every task run until it waits for something that does not come."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def takeover_services(
    settings: Settings, archive: ClickHouseArchive | None = None
) -> AsyncIterator[TakeoverServices]:
    """Give what a takeover asks: a real cluster, and an archive that knows nothing unless another is given."""
    cluster, log_ends = Cluster(settings), LogEnds(settings)
    try:
        yield TakeoverServices(archive or EmptyArchive(), cluster, log_ends)
    finally:
        await log_ends.close()
        await cluster.stop()
