"""A ClickHouse that accepts and never answers: nobody waits for it with a lock held, and health says who waits."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import orjson
import pytest

from schemas.metric_definitions import WORKER_WAITING
from streams.clickhouse.archive import ClickHouseArchive
from streams.configuration.environment import load_settings
from streams.monitoring import worker_health
from tests.bench.events import write_chats
from tests.streams.records import opened, records_of
from tests.streams.stand_ins import EVICTED, OTHER, RECORDS, Clock, EmptyArchive, Worker, cancel_task


class SilentServer:
    """A server that accepts, reads, and never answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked = asyncio.Event()


@asynccontextmanager
async def silent_server() -> AsyncIterator[SilentServer]:
    """Listen; whoever connected is cut off in the end."""
    writers: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        found.asked.set()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    found = SilentServer(server.sockets[0].getsockname()[1])
    try:
        yield found
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()


class SilentArchive(ClickHouseArchive):
    """Lets partitions open; what else is asked, ClickHouse does not answer."""

    async def epoch(self, source: str, partition: int) -> int:
        """Nothing is known."""
        del source, partition
        return 0


async def test_a_rebalance_while_a_batch_waits_for_clickhouse(monkeypatch: pytest.MonkeyPatch) -> None:
    """It completes, the process lives, the other partition goes on, and what waited writes nothing any more."""
    async with silent_server() as server:
        worker = Worker(monkeypatch, SilentArchive(load_settings({"PULSSI_CLICKHOUSE_URL": server.url})))
        await worker.assign(EVICTED, OTHER)
        waiting = asyncio.ensure_future(worker.deliver(EVICTED))
        await server.asked.wait()
        await worker.deliver(OTHER)
        assert worker.records_written(OTHER) == len(RECORDS)
        assert worker.positions.keys() - (await worker.assign(OTHER)).keys() == {EVICTED}
        assert not worker.ends
        await cancel_task(waiting)
        assert worker.records_written(EVICTED) == 0
        await worker.partitions.close()


async def test_a_partition_closed_while_it_waited_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer comes when the partition is another worker's."""
    asked, answers = asyncio.Event(), asyncio.Event()

    async def late(what: str, _: object) -> None:
        if what == "contacts":
            asked.set()
            await answers.wait()

    worker = Worker(monkeypatch, EmptyArchive(late))
    await worker.assign(EVICTED, OTHER)
    waiting = asyncio.ensure_future(worker.deliver(EVICTED))
    await asked.wait()
    await worker.assign(OTHER)
    answers.set()
    await waiting
    assert worker.records_written(EVICTED) == 0
    await worker.partitions.close()


async def test_health_sees_who_waits_and_it_continues_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the limit of what may wait, batches are passed over; ClickHouse back, the consumer is sent to the head."""
    monkeypatch.setattr("streams.assignment.opened_partition.PARKED_AT_MOST", 1)
    archive = EmptyArchive()
    worker = Worker(monkeypatch, archive)
    await worker.assign(EVICTED, OTHER)
    archive.away = True
    contacts = [record for record in RECORDS if record.key == RECORDS[0].key]
    await worker.deliver(EVICTED, contacts[:1])
    assert [len(partition.parked) for partition in worker.partitions.open_states] == [1, 0]
    worker.positions[EVICTED] = worker.positions[EVICTED]._replace(offset=contacts[0].offset + 1)
    await worker.deliver(EVICTED)
    wait = worker.partitions.shared.longest_wait
    assert wait is not None
    line = wait.line(wait.since + 61)
    assert (
        "contacts.chat/0 has waited 61 s for ClickHouse: events of 1 evicted contacts are parked, and more came" in line
    )
    assert worker_health._unready(worker.partitions, wait.since + 1) is not None  # noqa: SLF001 - what `/readyz` answers
    assert worker_health._stuck(worker.partitions, wait.since + 1) is None  # noqa: SLF001 - what `/healthz` answers
    assert worker_health._stuck(worker.partitions, wait.since + 61) == line  # noqa: SLF001 - as above
    assert worker_health._hung(worker.partitions) is None  # noqa: SLF001 - what `/livez` answers: a restart ends no wait
    assert worker.partitions.waiting_reasons == {EVICTED: "clickhouse", OTHER: None}
    told = list(worker_health._metric_values(worker.partitions, {}, refused=False))  # noqa: SLF001 - what `/metrics` answers
    waiting = [labels for metric, value, labels in told if metric is WORKER_WAITING and value]
    assert waiting == [("contacts.chat", "0", "clickhouse")]
    before = worker.records_written(EVICTED)
    await worker.maintain(EVICTED)
    await worker.deliver(EVICTED)
    assert worker.records_written(EVICTED) == before, "passed over, while ClickHouse is away"
    archive.away = False
    await worker.maintain(EVICTED)
    assert worker.was_sought.is_set()
    await worker.deliver(EVICTED)
    assert worker.partitions.shared.longest_wait is None
    assert worker.partitions.waiting_reasons == {EVICTED: None, OTHER: None}
    assert worker.records_written(EVICTED) == len(RECORDS)
    await worker.partitions.close()


async def test_one_that_waits_to_be_opened_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse is away while a journal is empty: the other partition is open at once, this one when it is back."""
    archive = EmptyArchive(away=True)
    worker = Worker(monkeypatch, archive)
    assert (await worker.assign(EVICTED, OTHER)).keys() == {OTHER}
    assert worker.partitions.shared.longest_wait is not None
    assert "contacts.chat/0" in str(worker_health._unready(worker.partitions, 0.0))  # noqa: SLF001 - what `/readyz` answers
    late = worker.partitions.shared.longest_wait.since + 3_600
    assert worker_health._stuck(worker.partitions, late) is None, "started again, it would wait the same"  # noqa: SLF001 - as above
    assert (await worker.assign(EVICTED, OTHER)).keys() == {OTHER}, "another rebalance waits for it as little"
    archive.away = False
    await worker.was_sought.wait()
    assert EVICTED in worker.positions
    assert worker_health._unready(worker.partitions, 0.0) is None  # noqa: SLF001 - as above
    await worker.partitions.close()


async def test_maintenance_of_one_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one partition waits for what the sink has, the others are maintained, every time."""
    hung, others = asyncio.Event(), asyncio.Queue[object]()

    async def hangs(what: str, of: object) -> None:
        if what == "last_step_in_sink" and of == EVICTED:
            hung.set()
            await asyncio.Event().wait()
        elif what == "last_step_in_sink":
            others.put_nowait(of)

    monkeypatch.setattr("streams.assignment.assigned_partitions.MAINTAIN_EVERY_S", 0.0)
    monkeypatch.setattr("streams.partition.state.PartitionState.is_eviction_due", lambda _: True)
    worker = Worker(monkeypatch, EmptyArchive(hangs))
    await worker.assign(EVICTED, OTHER)
    maintenance = asyncio.ensure_future(worker.partitions.maintain())
    await hung.wait()
    assert [await others.get() for _ in range(5)] == [OTHER] * 5
    assert (await worker.assign(OTHER)).keys() == {OTHER}
    await cancel_task(maintenance)
    await worker.partitions.close()
    assert not worker.ends


async def test_what_waits_for_clickhouse_is_said_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When it begins, once a minute while it lasts, and when it ends; maintenance tries it each second."""
    caplog.set_level("INFO")
    clock, archive = Clock(), EmptyArchive()
    worker = Worker(monkeypatch, archive, now=clock)
    await worker.assign(EVICTED)
    archive.away = True
    await worker.deliver(EVICTED)
    opened_partition = worker.opened(EVICTED)
    assert opened_partition.state.parked
    caplog.clear()

    async def maintain(times: int) -> list[str]:
        for _ in range(times):
            await opened_partition.maintain()
            clock.now += 1
        told = [each.getMessage() for each in caplog.records]
        caplog.clear()
        return told

    waits = "contacts.chat/0: ClickHouse, for which parked events and eviction wait,"
    assert await maintain(150) == [
        f"{waits} has not answered for {seconds} s, trying again, nothing is lost: nobody listens"
        for seconds in (0, 60, 120)
    ]
    archive.away = False
    assert await maintain(5) == [f"{waits} answers again after 150 s"]
    assert not opened_partition.state.parked
    await worker.partitions.close()


async def test_late_events_that_are_parked_are_said_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each batch may have some: the first one says it, and then one a minute, with how many wait by then."""
    clock, archive = Clock(), EmptyArchive()
    worker = Worker(monkeypatch, archive, now=clock)
    await worker.assign(EVICTED)
    archive.away = True
    records = records_of(write_chats(400))
    keys = [record.key or b"" for record in records]
    opened_partition, (continues, session) = worker.opened(EVICTED), worker.positions[EVICTED]
    opened_partition.state.evicted.add(set(keys))
    firsts = sorted(keys.index(key) for key in set(keys))[:7]
    told = []
    for begin, end in pairwise([*firsts, firsts[-1] + 1]):
        assert await opened_partition.process_batch(session, continues, records[begin:end])
        clock.now += 20
        lines = [each.getMessage() for each in caplog.records if "are parked" in each.getMessage()]
        told += [int(line.split()[3]) for line in lines] or [0]
        caplog.clear()
    assert told == [1, 0, 0, 4, 0, 0, 7]
    await worker.partitions.close()


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
            async with worker.opened(EVICTED).lock:
                partition.contacts.pop(second)
                partition.evicted.add([second])

    worker = Worker(monkeypatch, EmptyArchive(evicts))
    await worker.assign(EVICTED)
    partition = worker.partitions.open_states[0]
    contact = opened()
    for _ in contact.steps([record for record in RECORDS if record.key != first]):
        pass
    partition.contacts = dict(contact.contacts)
    await worker.deliver(EVICTED)
    assert asked == [{first}, {second}]
    await worker.partitions.close()
