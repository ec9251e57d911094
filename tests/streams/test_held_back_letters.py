"""Dead letters of a partition that is held back: each is sent once, whatever comes in between, and none is missing."""

from collections import deque
from random import Random
from typing import Final

import pytest

from tests.bench.events import write_chats
from tests.streams.records import Record, records_of
from tests.streams.stand_ins import WAITS, NoHistory, Worker

EVENTS: Final = records_of(write_chats(200))


async def _story(monkeypatch: pytest.MonkeyPatch, seed: int) -> int:
    """Deliver all events, a tenth of them bad, and tell how often the consumer was sent back."""
    random, archive = Random(seed), NoHistory()  # noqa: S311 - a test's story, no secret
    monkeypatch.setattr("streams.assignment.open_partition.PARKED_AT_MOST", seed % 3)
    worker = Worker(monkeypatch, archive)
    writer = worker.writers[WAITS]
    await worker.settle(WAITS)
    worker.held(WAITS).state.evicted.add(record.key for record in EVENTS if record.key)
    bad = sorted(random.sample(range(len(EVENTS)), len(EVENTS) // 10))
    log = [Record(each.offset, each.key, b"{") if each.offset in bad else each for each in EVENTS]
    fetched = deque[tuple[int, int, list[Record]]]()
    sent_back = 0

    async def tend() -> None:
        nonlocal sent_back
        await worker.tend(WAITS)
        sent_back += worker.sent.is_set()

    async def fetch() -> None:
        begins, session = worker.positions[WAITS]
        if records := log[begins : begins + random.randint(1, 9)]:
            fetched.append((session, begins, records))
            worker.positions[WAITS] = records[-1].offset + 1, session

    async def deliver() -> None:
        if fetched:
            session, begins, records = fetched.popleft()
            await worker.partitions.process_batch(WAITS, session, begins, records)

    for _ in range(60):
        archive.away ^= random.random() < 0.2
        for act in random.sample([fetch, fetch, deliver, tend], 4):
            await act()
    archive.away = False
    for _ in range(len(log)):  # more than it takes
        for act in (tend, fetch, deliver):
            await act()
    assert (writer.openings, writer.letters, writer.head) == (1, bad, len(log)), seed
    assert worker.partitions.waits is None
    await worker.partitions.close()
    return sent_back


async def test_no_letter_is_sent_twice_and_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are fetched ahead, ClickHouse comes and goes, and the consumer is sent to the head in between."""
    assert sum([await _story(monkeypatch, seed) for seed in range(40)]) > 40
