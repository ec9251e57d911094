"""Settling is cancelled, as Faust does at each rebalance: nothing of it goes on beside the next one."""

import asyncio
import logging
from collections import Counter
from typing import Any, Final, cast

import pytest
from aiokafka.errors import KafkaError

from schemas.policies import Rules
from schemas.settings import Settings
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.opening import take_over
from streams.configuration.environment import load_settings
from streams.journal.writer import JournalWriter
from streams.partition.state import PartitionState
from tests.streams.stand_ins import OTHER, RECORDS, WAITS, NoHistory, StandIn, Worker, turns

QUICK: Final = WAITS
SLOW: Final = OTHER
BOTH: Final = frozenset({QUICK, SLOW})


class Openings:
    """Openings that the first time wait until they are cancelled; the slow one's is not over at once."""

    def __init__(self) -> None:
        self.writers: list[StandIn] = []
        self.under_way: Counter[int] = Counter()
        #: How many of one partition were under way at most.
        self.most = 0
        self.begun = asyncio.Barrier(3)
        self.let_go = asyncio.Event()
        self._first = {QUICK[1], SLOW[1]}

    async def open(
        self, _settings: Settings, rules: Rules, place: tuple[str, int], *_: object, **__: object
    ) -> tuple[PartitionState, StandIn]:
        """Open a partition."""
        source, number = place
        self.under_way[number] += 1
        self.most = max(self.most, self.under_way[number])
        try:
            if number in self._first:
                self._first.discard(number)
                await self._wait(number)
            partition = PartitionState(source, number, rules)
            self.writers.append(StandIn())
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
            await self.let_go.wait()  # and the cancellation got lost on the way, as it may in any client


async def test_an_opening_that_is_slow_to_end_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """No partition is opened twice at a time, and a batch read where the next settling says is counted."""
    openings = Openings()
    monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", openings.open)
    monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
    partitions = AssignedPartitions(load_settings({}), Rules(), NoHistory())
    first = asyncio.create_task(partitions.settle(BOTH))
    await openings.begun.wait()
    first.cancel()
    second = asyncio.create_task(partitions.settle(BOTH))
    await turns()
    openings.let_go.set()
    positions: dict[Any, Any] = await second
    await turns()  # what still went on would now have come between
    await asyncio.gather(first, return_exceptions=True)
    assert openings.most == 1
    for place in (QUICK, SLOW):
        begins, session = positions[place]
        await partitions.process_batch(place, session, begins, RECORDS)
    assert sum(sum(writer.sizes) for writer in openings.writers) == 2 * len(RECORDS)
    await partitions.close()


async def test_a_partition_that_goes_to_another_worker_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With the offset at which it goes on there; at the worker's end nothing goes anywhere."""
    caplog.set_level(logging.INFO)
    worker = Worker(monkeypatch)
    await worker.settle(WAITS, OTHER)
    await worker.take(OTHER)
    at = worker.held(OTHER).state.head.next
    assert at > 0
    await worker.settle(WAITS)
    await worker.partitions.close()
    assert [line for line in caplog.messages if "closed" in line] == [
        f"contacts.chat/1: closed at offset {at}, it goes to another worker"
    ]


class Slow(StandIn):
    """A writer that cannot be opened, and takes a while to stop."""

    def __init__(self, *_: object) -> None:
        super().__init__()
        self.let_go = asyncio.Event()
        self.stopped = False

    async def open(self, _: str) -> int:
        """Fail to open."""
        raise KafkaError

    async def stop(self) -> None:
        """End, once the test lets it."""
        await self.let_go.wait()
        self.stopped = True


@pytest.mark.parametrize("when", ["closing", "opening"])
async def test_a_producer_is_stopped_although_that_is_cancelled(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Else its connections stay open for as long as the worker runs."""
    writer = Slow()
    nobody: Any = None
    if when == "opening":
        monkeypatch.setattr("streams.assignment.opening.JournalWriter", lambda *_: writer)
        stopping: asyncio.Task[Any] = asyncio.create_task(take_over(load_settings({}), Rules(), QUICK, nobody))
    else:
        worker = Worker(monkeypatch)
        await worker.settle(OTHER)
        worker.held(OTHER).writer = cast("JournalWriter", writer)  # in place of the one that ends at once
        stopping = asyncio.create_task(worker.settle())
    await turns()
    stopping.cancel()
    await turns()
    assert not stopping.done()
    writer.let_go.set()
    await asyncio.gather(stopping, return_exceptions=True)
    assert (writer.stopped, stopping.cancelled()) == (True, True)
