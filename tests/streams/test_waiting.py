"""A ClickHouse that accepts and never answers: nobody waits for it with a lock held, and health says who waits."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest

from schemas.metric_definitions import WORKER_WAITING
from streams.clickhouse.history import ClickHouseHistory
from streams.configuration.environment import load_settings
from streams.monitoring import worker_health as vitals
from tests.streams.records import opened
from tests.streams.stand_ins import OTHER, RECORDS, WAITS, NoHistory, Worker, ended


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


class Opens(ClickHouseHistory):
    """Lets partitions open; what else is asked, ClickHouse does not answer."""

    async def epoch(self, source: str, partition: int) -> int:
        """Nothing is known."""
        del source, partition
        return 0


async def test_a_rebalance_while_a_batch_waits_for_clickhouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """It completes, the process lives, the other partition goes on, and what waited writes nothing any more."""
    async with silent_server() as server:
        worker = Worker(monkeypatch, Opens(load_settings({"PULSSI_CLICKHOUSE_URL": server.url})))
        await worker.settle(WAITS, OTHER)
        waiting = asyncio.ensure_future(worker.take(WAITS))
        await server.asked.wait()
        await worker.take(OTHER)
        assert worker.counted(OTHER) == len(RECORDS)
        assert worker.positions.keys() - (await worker.settle(OTHER)).keys() == {WAITS}
        assert not worker.ends
        await ended(waiting)
        assert worker.counted(WAITS) == 0
        await worker.partitions.close()


async def test_a_partition_closed_while_it_waited_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when the partition is another worker's."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def late(what: str, _: object) -> None:
        if what == "contacts":
            asked.set()
            await answers.wait()

    worker = Worker(monkeypatch, NoHistory(late))
    await worker.settle(WAITS, OTHER)
    waiting = asyncio.ensure_future(worker.take(WAITS))
    await asked.wait()
    await worker.settle(OTHER)
    answers.set()
    await waiting
    assert worker.counted(WAITS) == 0
    await worker.partitions.close()


async def test_health_sees_who_waits_and_it_continues_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit of what may wait, batches are passed over; ClickHouse back, the consumer is sent to the head."""
    monkeypatch.setattr("streams.assignment.open_partition.PARKED_AT_MOST", 1)
    archive = NoHistory()
    worker = Worker(monkeypatch, archive)
    await worker.settle(WAITS, OTHER)
    archive.away = True
    contacts = [record for record in RECORDS if record.key == RECORDS[0].key]
    await worker.take(WAITS, contacts[:1])
    assert [len(partition.parked) for partition in worker.partitions.open_states] == [1, 0]
    worker.positions[WAITS] = contacts[0].offset + 1, worker.positions[WAITS][1]
    await worker.take(WAITS)
    wait = worker.partitions.waits
    assert wait is not None
    line = wait.line(wait.since + 61)
    assert (
        "contacts.chat/0 has waited 61 s for ClickHouse: events of 1 evicted contacts are parked, and more came" in line
    )
    assert vitals._unready(worker.partitions, wait.since + 1) is not None  # noqa: SLF001 - what `/readyz` answers
    assert vitals._stuck(worker.partitions, wait.since + 1) is None  # noqa: SLF001 - what `/healthz` answers
    assert vitals._stuck(worker.partitions, wait.since + 61) == line  # noqa: SLF001 - as above
    assert worker.partitions.held_by == {WAITS: "clickhouse", OTHER: None}
    told = list(vitals._readings(worker.partitions, {}, refused=False))  # noqa: SLF001 - what `/metrics` answers
    waiting = [labels for metric, value, labels in told if metric is WORKER_WAITING and value]
    assert waiting == [("contacts.chat", "0", "clickhouse")]
    before = worker.counted(WAITS)
    await worker.tend(WAITS)
    await worker.take(WAITS)
    assert worker.counted(WAITS) == before, "passed over, while ClickHouse is away"
    archive.away = False
    await worker.tend(WAITS)
    assert worker.sent.is_set()
    await worker.take(WAITS)
    assert worker.partitions.waits is None
    assert worker.partitions.held_by == {WAITS: None, OTHER: None}
    assert worker.counted(WAITS) == len(RECORDS)
    await worker.partitions.close()


async def test_one_that_waits_to_be_opened_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse is away while a journal is empty: the other partition is open at once, this one when it is back."""
    archive = NoHistory(away=True)
    worker = Worker(monkeypatch, archive)
    assert (await worker.settle(WAITS, OTHER)).keys() == {OTHER}
    assert worker.partitions.waits is not None
    assert "contacts.chat/0" in str(vitals._unready(worker.partitions, 0.0))  # noqa: SLF001 - what `/readyz` answers
    late = worker.partitions.waits.since + 3_600
    assert vitals._stuck(worker.partitions, late) is None, "started again, it would wait the same"  # noqa: SLF001 - as above
    assert (await worker.settle(WAITS, OTHER)).keys() == {OTHER}, "another rebalance waits for it as little"
    archive.away = False
    await worker.sent.wait()
    assert WAITS in worker.positions
    assert vitals._unready(worker.partitions, 0.0) is None  # noqa: SLF001 - as above
    await worker.partitions.close()


async def test_tending_of_one_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one partition waits for what the sink has, the others are tended, every time."""
    hung, others = asyncio.Event(), asyncio.Queue[object]()

    async def hangs(what: str, of: object) -> None:
        if what == "last_step_in_sink" and of == WAITS:
            hung.set()
            await asyncio.Event().wait()
        elif what == "last_step_in_sink":
            others.put_nowait(of)

    monkeypatch.setattr("streams.assignment.assigned_partitions.TEND_EVERY_S", 0.0)
    monkeypatch.setattr("streams.partition.state.PartitionState.is_eviction_due", lambda _: True)
    worker = Worker(monkeypatch, NoHistory(hangs))
    await worker.settle(WAITS, OTHER)
    tending = asyncio.ensure_future(worker.partitions.tend())
    await hung.wait()
    assert [await others.get() for _ in range(5)] == [OTHER] * 5
    assert (await worker.settle(OTHER)).keys() == {OTHER}
    await ended(tending)
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
            partition = worker.partitions.open_states[0]
            async with worker.held(WAITS).lock:
                partition.contacts.pop(second)
                partition.evicted.add([second])

    worker = Worker(monkeypatch, NoHistory(evicts))
    await worker.settle(WAITS)
    partition = worker.partitions.open_states[0]
    contact = opened()
    for _ in contact.steps([record for record in RECORDS if record.key != first]):
        pass
    partition.contacts = dict(contact.contacts)
    await worker.take(WAITS)
    assert asked == [{first}, {second}]
    await worker.partitions.close()
