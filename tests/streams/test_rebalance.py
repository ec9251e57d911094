"""Assigning is cancelled, as Faust does at each rebalance: nothing of it continues beside the next one."""

import asyncio
import logging
from collections import Counter
from typing import Any, Final, cast

import pytest
from aiokafka.errors import KafkaError

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.takeover import TakeoverServices, take_over
from streams.configuration.environment import load_settings
from streams.journal.writer import JournalWriter
from streams.kafka.cluster import TopicDescription
from streams.partition.state import PartitionState
from tests.streams.stand_ins import (
    EVICTED,
    OTHER,
    RECORDS,
    EmptyArchive,
    StandInCluster,
    StandInWriter,
    Worker,
    run_ready_tasks,
)

QUICK: Final = EVICTED
SLOW: Final = OTHER
BOTH: Final = frozenset({QUICK, SLOW})


class ControlledTakeovers:
    """Takeovers that the first time wait until they are cancelled; the slow one's is not over at once."""

    def __init__(self) -> None:
        self.writers: list[StandInWriter] = []
        self.under_way: Counter[int] = Counter()
        #: How many of one partition were under way at most.
        self.most = 0
        self.begun = asyncio.Barrier(3)
        self.may_end = asyncio.Event()
        self._first = {QUICK[1], SLOW[1]}

    async def open(
        self, _settings: Settings, rules: Rules, place: tuple[str, int], *_: object, **__: object
    ) -> tuple[PartitionState, StandInWriter]:
        """Open a partition."""
        source, number = place
        self.under_way[number] += 1
        self.most = max(self.most, self.under_way[number])
        try:
            if number in self._first:
                self._first.discard(number)
                await self._wait(number)
            partition = PartitionState(source, number, rules)
            self.writers.append(StandInWriter())
            partition.begin(opened=len(self.writers), epoch=1)
            return partition, self.writers[-1]
        finally:
            self.under_way[number] -= 1

    async def _wait(self, number: int) -> None:
        try:
            await self.begun.wait()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if number == QUICK[1]:
                raise
            await self.may_end.wait()  # and the cancellation got lost on the way, as it may in any client


async def test_an_opening_that_is_slow_to_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No partition is opened twice at a time, and a batch read where the next assignment says is counted."""
    openings = ControlledTakeovers()
    monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", openings.open)
    monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
    partitions = AssignedPartitions(load_settings({}), Rules(), EmptyArchive())
    first = asyncio.create_task(partitions.assign(BOTH))
    await openings.begun.wait()
    first.cancel()
    second = asyncio.create_task(partitions.assign(BOTH))
    await run_ready_tasks()
    openings.may_end.set()
    positions: dict[Any, Any] = await second
    await run_ready_tasks()  # what still went on would now have come between
    await asyncio.gather(first, return_exceptions=True)
    assert openings.most == 1
    for place in (QUICK, SLOW):
        fetch_offset, session = positions[place]
        await partitions.process_batch(place, session, fetch_offset, RECORDS)
    assert sum(sum(writer.sizes) for writer in openings.writers) == 2 * len(RECORDS)
    await partitions.close()


async def test_a_partition_that_goes_to_another_worker_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the offset at which it goes on there; at the worker's end nothing goes anywhere."""
    caplog.set_level(logging.INFO)
    worker = Worker(monkeypatch)
    await worker.assign(EVICTED, OTHER)
    await worker.deliver(OTHER)
    at = worker.opened(OTHER).state.head.next
    assert at > 0
    await worker.assign(EVICTED)
    await worker.partitions.close()
    assert [line for line in caplog.messages if "closed" in line] == [
        f"contacts.chat/1: closed at offset {at}, it goes to another worker"
    ]


class Slow(StandInWriter):
    """A writer that cannot be opened, and takes a while to stop."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.may_end = asyncio.Event()
        self.stopped = False

    async def open(self, _: str) -> int:
        """Fail to open."""
        raise KafkaError

    async def stop(self) -> None:
        """End, once the test lets it."""
        await self.may_end.wait()
        self.stopped = True


@pytest.mark.parametrize("when", ["closing", "opening"])
async def test_a_producer_is_stopped_although_that_is_cancelled(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Else its connections stay open for as long as the worker runs."""
    writer = Slow()
    described = {name: TopicDescription(name, 2) for name in (QUICK[0], journal_of(QUICK[0]))}
    services = TakeoverServices(cast("Any", None), StandInCluster(described), cast("Any", None))
    if when == "opening":
        monkeypatch.setattr("streams.assignment.takeover.JournalWriter", lambda *_: writer)
        stopping: asyncio.Task[Any] = asyncio.create_task(take_over(load_settings({}), Rules(), QUICK, services))
    else:
        worker = Worker(monkeypatch)
        await worker.assign(OTHER)
        worker.opened(OTHER).writer = cast("JournalWriter", writer)  # in place of the one that ends at once
        stopping = asyncio.create_task(worker.assign())
    await run_ready_tasks()
    stopping.cancel()
    await run_ready_tasks()
    assert not stopping.done()
    writer.may_end.set()
    await asyncio.gather(stopping, return_exceptions=True)
    assert (writer.stopped, stopping.cancelled()) == (True, True)
