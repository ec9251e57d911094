"""How much the sink takes: `python -m tests.bench.sink`.

First the backlog: everything is in the broker before the sink starts; rows a second from its start until all is in.
Then live: so many events a second, a step every tenth of a second; how long from a step's commit until it can be asked
for. The worker's part is done before (backlog) or in this process (live); broker and ClickHouse are the embedded ones.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import orjson
from aiokafka import AIOKafkaProducer

from schemas.policies import Rules
from schemas.settings import Settings, load
from schemas.topics import journal_of
from sinks.clickhouse.keeper import TABLES, ClickHouseKeeper
from sinks.clickhouse.migrations import migrate
from streams.clickhouse import connect
from streams.partition import Partition
from streams.sources.producing import partition_of
from streams.topics import migrate_topics
from tests.bench.events import write_chats
from tests.fixtures.clickhouse import ClickHouseServer
from tests.kafka.apache import ApacheKafka

SOURCE: Final = "contacts.chat"
PARTITIONS: Final = 4
BATCH: Final = 2_000
ROOT: Final = Path(__file__).parents[2]


class Record:
    """A source record, as the partition takes it."""

    def __init__(self, offset: int, key: bytes, value: bytes) -> None:
        self.offset = offset
        self.timestamp = time.time_ns() // 1_000_000
        self.key: bytes | None = key
        self.value: bytes | None = value
        self.headers: tuple[tuple[str, bytes], ...] = ()


class Line:
    """One source partition: its events, and the worker's steps over them."""

    def __init__(self, producer: AIOKafkaProducer, number: int) -> None:
        self._producer = producer
        self._number = number
        self._partition = Partition(SOURCE, number, Rules())
        self._partition.begin(-1, 1)
        self._next = 0

    async def feed(self, events: list[dict[str, Any]]) -> int:
        """Produce the events and commit the steps over them; returns the last step's number."""
        records = [
            Record(self._next + at, event["contact_id"].encode(), orjson.dumps(event))
            for at, event in enumerate(events)
        ]
        self._next += len(records)
        await self._append(SOURCE, [(record.key, record.value) for record in records])
        for output in self._partition.steps(records):
            await self._append(journal_of(SOURCE), output.records)
        return self._partition.head.step

    async def _append(self, topic: str, records: list[Any]) -> None:
        batch = self._producer.create_batch()
        for key, value in records:
            batch.append(key=key, value=value, timestamp=time.time_ns() // 1_000_000)
        await (await self._producer.send_batch(batch, topic, partition=self._number))


def _split(events: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    lines: list[list[dict[str, Any]]] = [[] for _ in range(PARTITIONS)]
    for event in events:
        lines[partition_of(event["contact_id"].encode(), PARTITIONS)].append(event)
    return lines


@contextlib.contextmanager
def _servers() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder, ClickHouseServer.start(Path(folder) / "data") as clickhouse:
        kafka = ApacheKafka(Path(folder) / "kafka")
        kafka.start()
        try:
            yield {
                **kafka.settings_env(),
                "PULSSI_PARTITIONS": str(PARTITIONS),
                "PULSSI_CLICKHOUSE_URL": clickhouse.url,
                "PULSSI_SINK_PORT": "0",
            }
        finally:
            kafka.stop()


@contextlib.contextmanager
def _sink(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "deploy.cli", "sink"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


async def _reached(keeper: ClickHouseKeeper, steps: list[int]) -> None:
    while True:
        found = {row.partition: row.step for row in keeper.progress() if row.topic == SOURCE}
        if all(found.get(number, 0) >= step for number, step in enumerate(steps)):
            return
        await asyncio.sleep(0.05)


def _cpu(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def _backlog(settings: Settings, environment: dict[str, str], lines: list[Line], events: int) -> list[int]:
    steps = [0] * PARTITIONS
    for number, part in enumerate(_split(write_chats(events))):
        for at in range(0, len(part), BATCH):
            steps[number] = await lines[number].feed(part[at : at + BATCH])
    keeper = ClickHouseKeeper(settings)
    with _sink(environment) as process:
        async with asyncio.timeout(600):
            while not keeper.progress():  # noqa: ASYNC110 - a database tells no one when it changes
                await asyncio.sleep(0.05)
            began = time.perf_counter()
            await _reached(keeper, steps)
        took = time.perf_counter() - began
        cpu = _cpu(process)
    with connect(settings) as client:
        ask = "SELECT count() FROM {}"
        counts = {table: int(client.query(ask.format(table)).result_rows[0][0]) for table in TABLES}
    rows = sum(counts.values()) - counts["progress"]
    speed = f"{rows / took:,.0f} rows/s, {events / took:,.0f} events/s"
    click.echo(f"backlog: {events} events, {rows} rows in {took:.1f} s: {speed}; the sink's own CPU {cpu:.1f} s")
    click.echo(f"  rows by table: {counts}")
    return steps


async def _live(
    settings: Settings, environment: dict[str, str], lines: list[Line], rate: int, seconds: int, known: int
) -> None:
    fresh = write_chats(known + rate * seconds)[known:]
    keeper = ClickHouseKeeper(settings)
    committed: dict[tuple[int, int], float] = {}
    delays: list[float] = []
    with _sink(environment):
        began = time.perf_counter()

        async def look() -> None:
            while True:
                found = {row.partition: row.step for row in await asyncio.to_thread(keeper.progress)}
                now = time.perf_counter()
                seen = [place for place in committed if found.get(place[0], 0) >= place[1]]
                delays.extend(now - committed.pop(place) for place in seen)
                await asyncio.sleep(0.05)

        looking = asyncio.create_task(look())
        for tick in range(seconds * 10):
            part = fresh[tick * rate // 10 : (tick + 1) * rate // 10]
            for number, events in enumerate(_split(part)):
                if events:
                    committed[number, await lines[number].feed(events)] = time.perf_counter()
            await asyncio.sleep(max(0.0, began + (tick + 1) / 10 - time.perf_counter()))
        late = time.perf_counter() - began - seconds
        async with asyncio.timeout(120):
            while committed:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.1)
        looking.cancel()
    # The first seconds are the sink's own start.
    settled = sorted(delays[len(delays) // 3 :])
    p50, p99 = settled[len(settled) // 2], settled[int(len(settled) * 0.99)]
    late_by = f"the producer {late:.1f} s late"
    click.echo(f"live: {rate} events/s for {seconds} s, {late_by}: visible p50 {p50:.2f} s, p99 {p99:.2f} s")


async def _measure(environment: dict[str, str], events: int, rate: int, seconds: int) -> None:
    settings = load(environment)
    migrate_topics(settings, wait_s=10)
    migrate(settings)
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka_brokers, acks="all", max_batch_size=8 << 20, max_request_size=9 << 20
    ) as producer:
        lines = [Line(producer, number) for number in range(PARTITIONS)]
        await _backlog(settings, environment, lines, events)
        if seconds:
            await _live(settings, environment, lines, rate, seconds, events)


@click.command()
@click.option("--events", default=200_000, show_default=True, help="Events of the backlog.")
@click.option("--rate", default=5_000, show_default=True, help="Events a second, live.")
@click.option("--seconds", default=30, show_default=True, help="How long live; 0: not at all.")
def main(events: int, rate: int, seconds: int) -> None:
    """Measure the sink between the embedded broker and the embedded ClickHouse."""
    with _servers() as environment:
        asyncio.run(_measure(environment, events, rate, seconds))


if __name__ == "__main__":
    main()
