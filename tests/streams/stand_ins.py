"""What stands in for ClickHouse, the cluster and the journal's writer, where a test is about a worker's partitions."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.open_partition import OpenPartition
from streams.assignment.opening import OpeningServices
from streams.clickhouse.history import ClickHouseHistory, HistoryAwayError
from streams.configuration.environment import load_settings
from streams.kafka.cluster import Cluster, ClusterAwayError, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.partition.archived_history import ArchivedContact
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from tests.bench.events import write_chats
from tests.streams.records import Record, records_of

if TYPE_CHECKING:  # a worker's process imports this too
    import pytest


WAITS: Final = ("contacts.chat", 0)
OTHER: Final = ("contacts.chat", 1)
RECORDS: Final = records_of(write_chats(20))

#: What happens before an answer: what is asked, and of which partition or contacts.
Before = Callable[[str, tuple[str, int] | Collection[bytes]], Awaitable[None]]


class NoHistory(ClickHouseHistory):
    """For a worker beside which no ClickHouse ever was: nothing is kept, and nothing is ever evicted.

    Before it answers `before` is called, with what is asked; while it is `away` nothing is answered.
    """

    def __init__(self, before: Before | None = None, *, away: bool = False) -> None:
        self._before = before
        self.away = away

    async def _ask(self, what: str, of: tuple[str, int] | Collection[bytes]) -> None:
        if self.away:
            raise HistoryAwayError("nobody listens")
        if self._before is not None:
            await self._before(what, of)

    async def epoch(self, source: str, partition: int) -> int:
        """No epoch is known."""
        await self._ask("epoch", (source, partition))
        return 0

    async def last_step_in_sink(self, source: str, partition: int, epoch: int) -> int:
        """No step was ever written."""
        del epoch
        await self._ask("last_step_in_sink", (source, partition))
        return -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, ArchivedContact]:
        """Nothing is known."""
        await self._ask("contacts", contact_ids)
        return {}


class Described(Cluster):
    """A cluster that describes topics as the test says; without any it does not answer. Nobody ever committed."""

    def __init__(self, topics: Mapping[str, TopicDescription] | None) -> None:
        self.described = topics

    async def topics(self) -> Mapping[str, TopicDescription]:
        """Describe them."""
        if self.described is None:
            raise ClusterAwayError("no answer")
        return self.described

    async def has_commits(self, group: str) -> bool:
        """Tell that nobody committed."""
        del group
        return False

    async def stop(self) -> None:
        """Disconnect."""


class StandIn:
    """A writer; what is appended while it fails is lost, as in life."""

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

    def __init__(self, monkeypatch: pytest.MonkeyPatch, archive: ClickHouseHistory | None = None, **more: Any) -> None:  # noqa: ANN401 - as AssignedPartitions takes it
        self.writers: dict[SourcePartition, StandIn] = defaultdict(StandIn)
        #: Where the consumer was sent.
        self.positions: dict[SourcePartition, tuple[int, int]] = {}
        self.sent = asyncio.Event()
        self.ends: list[int] = []
        monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", self._opened)
        monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
        monkeypatch.setattr("os._exit", self.ends.append)
        self.partitions = AssignedPartitions(load_settings({}), Rules(), archive or NoHistory(), **more)
        self.partitions.seek = self._seek

    async def _opened(
        self, _settings: object, rules: Rules, place: SourcePartition, asked: OpeningServices, **_: object
    ) -> tuple[PartitionState, StandIn]:
        """Open a partition; nothing is read back."""
        if place == WAITS:
            await asked.archive.epoch(*place)
        writer = self.writers[place]
        writer.openings += 1
        partition = PartitionState(*place, rules)
        partition.begin(opened=writer.openings, epoch=1)
        if place == WAITS:
            partition.evicted.add(record.key for record in RECORDS if record.key)
        return partition, writer

    async def _seek(self, positions: dict[SourcePartition, tuple[int, int]]) -> None:
        self.positions |= positions
        self.sent.set()

    async def settle(self, *places: SourcePartition) -> dict[SourcePartition, tuple[int, int]]:
        """Have these partitions assigned; returns where those that are open continue."""
        positions = await self.partitions.settle(frozenset(places))
        self.positions |= positions
        return positions

    def held(self, place: SourcePartition) -> OpenPartition:
        """Give an open partition with its writer."""
        return self.partitions._opened[place]  # noqa: SLF001 - what the worker's own loops take up

    async def tend(self, place: SourcePartition) -> None:
        """Tend a partition, as its own loop does."""
        self.sent.clear()
        await self.partitions.tend_one(place, self.held(place))

    async def take(
        self, place: SourcePartition, records: Sequence[Record] = RECORDS, *, begins: int | None = None
    ) -> None:
        """Hand over records as read where the partition continues, or from elsewhere."""
        continues, session = self.positions[place]
        if begins is None:
            records = [each for each in records if each.offset >= continues]
        await self.partitions.process_batch(place, session, continues if begins is None else begins, records)

    def counted(self, place: SourcePartition) -> int:
        """Tell how many records a partition wrote."""
        return sum(self.writers[place].sizes)


async def ended(task: asyncio.Future[Any]) -> None:
    """Cancel a task, whatever it waits for."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def turns() -> None:
    """Let every task run until it waits for something that does not come."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def asked(settings: Settings, archive: ClickHouseHistory | None = None) -> AsyncIterator[OpeningServices]:
    """Give whom an opening asks: a real cluster, and an archive that knows nothing unless another is given."""
    cluster, logs = Cluster(settings), LogEnds(settings)
    try:
        yield OpeningServices(archive or NoHistory(), cluster, logs)
    finally:
        await logs.close()
        await cluster.stop()
