"""A partition that gets no batch although its log has records for it: gone to again, and seen while that is in vain."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from aiokafka.errors import KafkaConnectionError

from schemas.topics import SourcePartition
from streams.monitoring.activities import UNHEALTHY_AFTER_S, Phase
from streams.monitoring.watchdog import health_line
from tests.streams.stand_ins import OTHER, RECORDS, Worker

#: Turns of the loop in which everything that can go on does.
TURNS: Final = 20


class SilentWorker(Worker):
    """A worker with one partition whose log has all records."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.answers = True
        monkeypatch.setattr("streams.kafka.log_ends.LogEnds.unread", self._unread)

    async def _unread(self, positions: dict[SourcePartition, int]) -> dict[SourcePartition, int]:
        if not self.answers:
            raise KafkaConnectionError
        return {each: len(RECORDS) for each, position in positions.items() if position < len(RECORDS)}

    async def look(self) -> list[Phase]:
        """Look for silent partitions; gives what is said to be under way then."""
        await self.partitions.silent.check(self.partitions._opened)  # noqa: SLF001 - as the worker's own loop does
        for _ in range(TURNS):
            await asyncio.sleep(0)
        return [each.phase for each in self.partitions.activities._under_way]  # noqa: SLF001 - before it is stuck

    async def until_silent(self) -> None:
        """Open the partition, and look twice without a batch."""
        await self.assign(OTHER)
        self.positions.clear()
        assert await self.look() == [], "it was opened only now"
        assert await self.look() == [Phase.SILENT]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> SilentWorker:
    """Give the worker."""
    return SilentWorker(monkeypatch)


async def test_a_batch_that_got_lost_is_read_again(worker: SilentWorker, caplog: pytest.LogCaptureFixture) -> None:
    """The consumer is past it, and would bring the next event only: it is sent to the head, in the same session."""
    _, session = (await worker.assign(OTHER))[OTHER]
    await worker.until_silent()
    assert worker.positions == {OTHER: (0, session)}
    assert "contacts.chat/1: no batch came from offset 0 on, and the log has records up to 20" in caplog.text
    await worker.deliver(OTHER)
    assert worker.records_written(OTHER) == len(RECORDS)
    assert await worker.look() == [], "a batch came"
    assert await worker.look() == [], "and the log has no more"


async def test_what_is_fetched_under_an_older_session_is_no_batch(worker: SilentWorker) -> None:
    """Were the consumer ever to keep one, what it brings would be passed over for ever, without a word."""
    fetch_offset, session = (await worker.assign(OTHER))[OTHER]
    assert await worker.look() == []
    await worker.partitions.process_batch(OTHER, session - 1, fetch_offset, RECORDS)
    assert await worker.look() == [Phase.SILENT]
    assert worker.positions == {OTHER: (fetch_offset, session)}


async def test_what_stays_silent_is_stuck_until_it_is_closed(worker: SilentWorker) -> None:
    """It is sought once, not at each look: the rest is health's and the watchdog's."""
    await worker.until_silent()
    worker.positions.clear()
    assert await worker.look() == [Phase.SILENT]
    assert worker.positions == {}
    activities = worker.partitions.activities
    activities.exclude_time(-UNHEALTHY_AFTER_S - 1)  # so long passes
    line = health_line(activities, after_s=UNHEALTHY_AFTER_S)
    stuck = "contacts.chat/1 is stuck waiting for records that its log has: 61 s so far, at streams/"
    assert str(line).startswith(stuck)
    await worker.assign()
    assert await worker.look() == []


@pytest.mark.parametrize("why", ["kafka does not answer", "it waits", "a step is written"])
async def test_where_no_batch_is_due_none_is_missed(worker: SilentWorker, why: str) -> None:
    """What hangs then has a name of its own."""
    await worker.until_silent()
    opened = worker.opened(OTHER)
    worker.answers = why != "kafka does not answer"
    if why == "it waits":
        opened.pause("ClickHouse")
    if why == "a step is written":
        await opened.lock.acquire()
    assert await worker.look() == []
