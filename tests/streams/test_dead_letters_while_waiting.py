"""Dead letters of a partition that is held back: each is sent once, whatever comes in between, and none is missing."""

from collections import deque
from random import Random
from typing import Final

import pytest

from streams.assignment.assigned_partitions import Position
from tests.bench.events import write_chats
from tests.streams.records import Record, records_of
from tests.streams.stand_ins import EVICTED, EmptyArchive, Worker

EVENTS: Final = records_of(write_chats(200))


async def _story(monkeypatch: pytest.MonkeyPatch, seed: int) -> int:
    """Deliver all events, a tenth of them bad, and tell how often the consumer was sent back."""
    random, archive = Random(seed), EmptyArchive()  # noqa: S311 - a test's story, no secret
    monkeypatch.setattr("streams.assignment.opened_partition.PARKED_AT_MOST", seed % 3)
    worker = Worker(monkeypatch, archive)
    writer = worker.writers[EVICTED]
    await worker.assign(EVICTED)
    worker.opened(EVICTED).state.evicted.add(record.key for record in EVENTS if record.key)
    bad = sorted(random.sample(range(len(EVENTS)), len(EVENTS) // 10))
    log = [Record(each.offset, each.key, b"{") if each.offset in bad else each for each in EVENTS]
    fetched = deque[tuple[int, int, list[Record]]]()
    sent_back = 0

    async def maintain() -> None:
        nonlocal sent_back
        await worker.maintain(EVICTED)
        sent_back += worker.was_sought.is_set()

    async def fetch() -> None:
        fetch_offset, session = worker.positions[EVICTED]
        if records := log[fetch_offset : fetch_offset + random.randint(1, 9)]:
            fetched.append((session, fetch_offset, records))
            worker.positions[EVICTED] = Position(records[-1].offset + 1, session)

    async def deliver() -> None:
        if fetched:
            session, fetch_offset, records = fetched.popleft()
            await worker.partitions.process_batch(EVICTED, session, fetch_offset, records)

    for _ in range(60):
        archive.away ^= random.random() < 0.2
        for act in random.sample([fetch, fetch, deliver, maintain], 4):
            await act()
    archive.away = False
    for _ in range(len(log)):  # more than it takes
        for act in (maintain, fetch, deliver):
            await act()
    assert (writer.openings, writer.letters, writer.head) == (1, bad, len(log)), seed
    assert worker.partitions.shared.longest_wait is None
    await worker.partitions.close()
    return sent_back


async def test_no_letter_is_sent_twice_and_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are fetched ahead, ClickHouse comes and goes, and the consumer is sent to the head in between."""
    assert sum([await _story(monkeypatch, seed) for seed in range(40)]) > 40
