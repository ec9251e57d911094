"""A ClickHouse that accepts and never answers: nobody waits for it with a lock held, and health says who waits."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any, Final

import orjson
import pytest

from schemas.policies import Rules
from schemas.settings import load
from streams import vitals
from streams.archive import ClickHouseArchive
from streams.opening import Asked
from streams.partition import Partition
from streams.partitions import Partitions
from tests.streams.no_archive import NoArchive
from tests.streams.records import Record
from tests.streams.test_partitions import RECORDS, StandIn

WAITS: Final = ("contacts.chat", 0)
OTHER: Final = ("contacts.chat", 1)
BOTH: Final = frozenset({WAITS, OTHER})


class Worker:
    """Partitions on stand-ins for their writers; of the first, every contact was evicted."""

    def __init__(self, archive: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401 - several kinds
        self.writers: dict[tuple[str, int], StandIn] = defaultdict(StandIn)
        #: Where the consumer was sent.
        self.positions: dict[tuple[str, int], tuple[int, int]] = {}
        self.sent = asyncio.Event()
        self.ends: list[int] = []
        monkeypatch.setattr("streams.partitions.open_partition", self._opened)
        monkeypatch.setattr("streams.partition.Partition._is_own", lambda *_: True)
        monkeypatch.setattr("os._exit", self.ends.append)
        self.partitions = Partitions(load({}), Rules(), archive)
        self.partitions.seek = self._seek

    async def _opened(
        self, _settings: object, rules: Rules, place: tuple[str, int], asked: Asked, **_: object
    ) -> tuple[Partition, StandIn]:
        if place == WAITS:
            await asked.archive.epoch(*place)
        writer = self.writers[place]
        writer.openings += 1
        partition = Partition(*place, rules)
        partition.begin(opened=writer.openings, epoch=1)
        if place == WAITS:
            partition.evicted.add(record.key for record in RECORDS if record.key)
        return partition, writer

    async def _seek(self, positions: dict[tuple[str, int], tuple[int, int]]) -> None:
        self.positions |= positions
        self.sent.set()

    async def take(self, place: tuple[str, int], records: list[Record]) -> None:
        """Hand over records as read where the partition continues."""
        begins, session = self.positions[place]
        await self.partitions.take(place, session, begins, [each for each in records if each.offset >= begins])

    def counted(self, place: tuple[str, int]) -> int:
        """Tell how many records a partition wrote."""
        return sum(self.writers[place].sizes)


class Silent:
    """A server that accepts, reads, and never answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked = asyncio.Event()


@asynccontextmanager
async def silent_server() -> AsyncIterator[Silent]:
    """Listen; whoever connected is cut off in the end."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        found.asked.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    found = Silent(server.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


class Opens(ClickHouseArchive):
    """Lets partitions open; what else is asked, ClickHouse does not answer."""

    async def epoch(self, source: str, partition: int) -> int:
        """Nothing is known."""
        del source, partition
        return 0


async def test_a_rebalance_while_a_batch_waits_for_clickhouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """It completes, the process lives, the other partition goes on, and what waited writes nothing any more."""
    async with silent_server() as server:
        worker = Worker(Opens(load({"PULSSI_CLICKHOUSE_URL": server.url})), monkeypatch)
        worker.positions |= await worker.partitions.settle(BOTH)
        waiting = asyncio.ensure_future(worker.take(WAITS, RECORDS))
        await server.asked.wait()
        await worker.take(OTHER, RECORDS)
        assert worker.counted(OTHER) == len(RECORDS)
        assert worker.positions.keys() - (await worker.partitions.settle(frozenset({OTHER}))).keys() == {WAITS}
        assert not worker.ends
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert worker.counted(WAITS) == 0
        await worker.partitions.close()


async def test_a_partition_closed_while_it_waited_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when the partition is another worker's."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def late(what: str, _: object) -> None:
        if what == "contacts":
            asked.set()
            await answers.wait()

    worker = Worker(NoArchive(late), monkeypatch)
    worker.positions |= await worker.partitions.settle(BOTH)
    waiting = asyncio.ensure_future(worker.take(WAITS, RECORDS))
    await asked.wait()
    await worker.partitions.settle(frozenset({OTHER}))
    answers.set()
    await waiting
    assert worker.counted(WAITS) == 0
    await worker.partitions.close()


async def test_health_sees_who_waits_and_it_continues_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit of what may wait, batches are passed over; ClickHouse back, the consumer is sent to the head."""
    monkeypatch.setattr("streams.held.PARKED_AT_MOST", 1)
    archive = NoArchive()
    worker = Worker(archive, monkeypatch)
    worker.positions |= await worker.partitions.settle(BOTH)
    archive.away = True
    contacts = [record for record in RECORDS if record.key == RECORDS[0].key]
    await worker.take(WAITS, contacts[:1])
    assert [len(partition.parked) for partition in worker.partitions.held] == [1, 0]
    worker.positions[WAITS] = contacts[0].offset + 1, worker.positions[WAITS][1]
    await worker.take(WAITS, RECORDS)
    wait = worker.partitions.waits
    assert wait is not None
    line = wait.line(wait.since + 61)
    assert (
        "contacts.chat/0 has waited 61 s for ClickHouse: events of 1 evicted contacts are parked, and more came" in line
    )
    assert vitals._unready(worker.partitions, wait.since + 1) is not None  # noqa: SLF001 - what `/readyz` answers
    assert vitals._stuck(worker.partitions, wait.since + 1) is None  # noqa: SLF001 - what `/healthz` answers
    assert vitals._stuck(worker.partitions, wait.since + 61) == line  # noqa: SLF001 - as above
    before = worker.counted(WAITS)
    held = worker.partitions._held[WAITS]  # noqa: SLF001 - as its own loop tends it
    await worker.partitions.tend_one(WAITS, held)
    await worker.take(WAITS, RECORDS)
    assert worker.counted(WAITS) == before, "passed over, while ClickHouse is away"
    archive.away = False
    worker.sent.clear()
    await worker.partitions.tend_one(WAITS, held)
    assert worker.sent.is_set()
    await worker.take(WAITS, RECORDS)
    assert worker.partitions.waits is None
    assert worker.counted(WAITS) == len(RECORDS)
    await worker.partitions.close()


async def test_one_that_waits_to_be_opened_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse is away while a journal is empty: the other partition is open at once, this one when it is back."""
    archive = NoArchive(away=True)
    worker = Worker(archive, monkeypatch)
    assert (await worker.partitions.settle(BOTH)).keys() == {OTHER}
    assert worker.partitions.waits is not None
    assert "contacts.chat/0" in str(vitals._unready(worker.partitions, 0.0))  # noqa: SLF001 - what `/readyz` answers
    late = worker.partitions.waits.since + 3_600
    assert vitals._stuck(worker.partitions, late) is None, "started again, it would wait the same"  # noqa: SLF001 - as above
    assert (await worker.partitions.settle(BOTH)).keys() == {OTHER}, "another rebalance waits for it as little"
    archive.away = False
    await worker.sent.wait()
    assert worker.positions.keys() == {WAITS}
    assert vitals._unready(worker.partitions, 0.0) is None  # noqa: SLF001 - as above
    await worker.partitions.close()


async def test_tending_of_one_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one partition waits for what the sink has, the others are tended, every time."""
    hung, others = asyncio.Event(), asyncio.Queue[object]()

    async def hangs(what: str, of: object) -> None:
        if what == "passed" and of == WAITS:
            hung.set()
            await asyncio.Event().wait()
        elif what == "passed":
            others.put_nowait(of)

    monkeypatch.setattr("streams.partitions.TEND_EVERY_S", 0.0)
    monkeypatch.setattr("streams.partition.Partition.wants_eviction", lambda _: True)
    worker = Worker(NoArchive(hangs), monkeypatch)
    await worker.partitions.settle(BOTH)
    tending = asyncio.ensure_future(worker.partitions.tend())
    await hung.wait()
    assert [await others.get() for _ in range(5)] == [OTHER] * 5
    assert (await worker.partitions.settle(frozenset({OTHER}))).keys() == {OTHER}
    tending.cancel()
    await asyncio.gather(tending, return_exceptions=True)
    await worker.partitions.close()
    assert not worker.ends


async def test_contacts_evicted_while_others_are_looked_up_are_looked_up_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch waits for ClickHouse; meanwhile a contact of it is evicted: none is folded as if it were new."""
    first, second = (orjson.loads(record.value or b"")["contact_id"].encode() for record in (RECORDS[0], RECORDS[-1]))
    worker: Worker
    asked: list[set[Any]] = []

    async def evicts(what: str, of: Collection[Any]) -> None:
        if what == "contacts":
            asked.append(set(of))
        if len(asked) == 1:
            partition = worker.partitions.held[0]
            async with worker.partitions._held[WAITS].lock:  # noqa: SLF001 - as eviction does; held over it, it would hang
                partition.contacts.pop(second)
                partition.evicted.add([second])

    worker = Worker(NoArchive(evicts), monkeypatch)
    worker.positions |= await worker.partitions.settle(frozenset({WAITS}))
    partition = worker.partitions.held[0]
    contact = Partition("contacts.chat", 0, Rules())
    contact.begin(0, 1)
    for _ in contact.steps([record for record in RECORDS if record.key != first]):
        pass
    partition.contacts = dict(contact.contacts)
    await worker.take(WAITS, RECORDS)
    assert asked == [{first}, {second}]
    await worker.partitions.close()
