"""The sink between a real broker and a real ClickHouse: whatever happens, the same rows in the end."""

import asyncio
import logging
import signal
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from deploy.embedded.ports import any_free
from deploy.embedded.stack_layout import pulssi_command
from schemas.journal import CONTACT, Head, encode_pane, encode_pane_key
from schemas.panes import Pane
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.store import ClickHouseStore
from sinks.pipeline import Pipeline
from sinks.sink_health import SinkHealth
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from tests.deploy.program import Program, clean_environment
from tests.fixtures.clickhouse import ClickHouseServer
from tests.kafka.server import KafkaServer
from tests.sinks.running_sink import CALL, CHAT, WITHIN_S, sink, visible_rows, wait_for_answer, wait_until_drained
from tests.sinks.test_pending_batch import KEY, contact, sample
from tests.streams.flow import chat_event
from tests.streams.journal_by_hand import JournalByHand

#: A minute's turn in 2026, seconds since 1970.
_TURN_S = 1_790_000_040
#: The sink's clock goes so much slower than the machine's, which may be busy with others.
_SLOWER = 20


class PlayedWorker:
    """Plays the worker on one source partition: events in, steps out, and what must come of it."""

    def __init__(self, settings: Settings, source: str, partition: int, epoch: int = 1) -> None:
        self._settings = settings
        self._place = source, partition
        self.channel = source.rpartition(".")[2]
        self._epoch = epoch
        self.events = self.step = self._next = 0
        self._opened = -1

    async def play(self, steps: int, width: int = 5) -> None:
        """Write so many steps; each adds an event to each of `width` contacts."""
        options = {"bootstrap_servers": self._settings.kafka_brokers, "acks": "all"}
        async with AIOKafkaProducer(**options) as producer, JournalByHand(self._settings, *self._place) as hand:
            self._opened = await hand.open()
            for _ in range(steps):
                await self._events(producer, width)
                self.step += 1
                head = Head(next=self._next, step=self.step, epoch=self._epoch, open=self._opened)
                await hand.step(head, self._records(width))

    async def _events(self, producer: AIOKafkaProducer, width: int) -> None:
        source, partition = self._place
        for name in self.contacts(width):
            of = {"event_id": f"{self._epoch}.{self.step}", "channel": self.channel}
            event = chat_event("contact.reopened", name, "2026-09-21T14:13:20Z", **of)
            sent = await producer.send(source, orjson.dumps(event), name.encode(), partition)
            self._next = (await sent).offset + 1
            self.events += 1

    def contacts(self, width: int) -> list[str]:
        """Name the contacts."""
        return [f"{self._place[0]}:{self._place[1]}:{number}" for number in range(width)]

    def _records(self, width: int) -> list[tuple[bytes, bytes | None]]:
        """Each contact has a sample a step, but that each step takes back the one of two steps ago."""
        rows = [(step, sample(str(step), value_ms=step)) for step in (self.step - 1, self.step) if step > 0]
        gone = [(step + 2, "handle", str(step)) for step in range(1, self.step - 1)]
        value = contact(rows, gone, replies=self.step)
        records: list[tuple[bytes, bytes | None]] = [(CONTACT + name.encode(), value) for name in self.contacts(width)]
        n = self.step * width
        key = KEY._replace(epoch=self._epoch)
        return [*records, (encode_pane_key(key), encode_pane(Pane(n=n, sum_ms=n, hist={7: n})))]


def _check(settings: Settings, workers: list[PlayedWorker], width: int = 5) -> None:
    rows = visible_rows(settings)
    samples, contacts = [], []
    for worker in workers:
        for name in worker.contacts(width):
            contacts.append((name, worker.step))
            samples += [(name, str(step), step) for step in (worker.step - 1, worker.step) if step > 0]
    assert rows["samples"] == sorted(samples)
    assert rows["contacts"] == sorted(contacts)
    assert len(rows["events"]) == sum(worker.events for worker in workers)
    by_channel = Counter[str]()
    for worker in workers:
        by_channel[worker.channel] += worker.step * width
    assert rows["panes"] == sorted((channel, "handle", n, n, {7: n}) for channel, n in by_channel.items())


async def test_everything_comes_through_and_nothing_else(settings: Settings) -> None:
    """Steps of several partitions and their events, but no event that no step has yet; `drain` sees the difference."""
    workers = [PlayedWorker(settings, CHAT, 0), PlayedWorker(settings, CHAT, 1), PlayedWorker(settings, CALL, 0)]
    async with sink(settings):
        for worker in workers:
            await worker.play(4)
        await wait_until_drained(settings)
        _check(settings, workers)
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer:
            await producer.send_and_wait(CALL, b"{}", b"early", 0)
        await wait_until_drained(settings, (CALL, 0))
        await workers[0].play(2)
        await wait_until_drained(settings, (CALL, 0))
    _check(settings, workers)


async def test_reading_all_again_changes_nothing(settings: Settings) -> None:
    """Where the position is lost, everything is read and written again, to the same rows."""
    workers = [PlayedWorker(settings, CHAT, 0), PlayedWorker(settings, CALL, 1)]
    for worker in workers:
        await worker.play(3)
    async with sink(settings):
        await wait_until_drained(settings)
    before = visible_rows(settings)
    with connect(settings) as client:
        client.command("TRUNCATE TABLE progress SYNC")
    async with sink(settings):
        await wait_until_drained(settings)
    assert visible_rows(settings) == before
    _check(settings, workers)


class _Dying(ClickHouseStore):
    """Dies after the rows and before the progress."""

    def write(self, batch: Batch) -> None:
        claim = bool(batch.progress and not batch.progress[0].journal_end)
        super().write(batch if claim else replace(batch, progress=[]))
        if batch.progress and not claim:
            raise RuntimeError("died before the position was kept")


async def test_died_between_rows_and_position(settings: Settings) -> None:
    """The next sink writes the batch again, together with what came since, and it comes to the same."""
    worker = PlayedWorker(settings, CHAT, 0)
    await worker.play(3)
    with pytest.raises(RuntimeError, match="died"):
        async with sink(settings, _Dying(settings)) as serving:
            await asyncio.wait([serving], timeout=WITHIN_S)
    await worker.play(3)
    async with sink(settings):
        await wait_until_drained(settings)
    _check(settings, [worker])


async def _ready(settings: Settings) -> None:
    await wait_for_answer(settings, "readyz", lambda status, _: status == 200)


async def test_killed_at_any_moment(settings: Settings, environment: dict[str, str], tmp_path: Path) -> None:
    """Kill -9 under load loses nothing and doubles nothing; SIGTERM finishes the batch in hand and ends with 0."""
    worker, there = PlayedWorker(settings, CHAT, 1), clean_environment(tmp_path, **environment)
    for _ in range(2):
        with Program(pulssi_command("sink"), there) as program:
            await _ready(settings)
            playing = asyncio.create_task(worker.play(10))
            await wait_for_answer(settings, "metrics", lambda _, text: "pulssi_sink_batches_total 0" not in text)
            program.process.kill()
            program.process.wait()
            await playing
    with Program(pulssi_command("sink"), there) as program:
        await worker.play(3)
        await wait_until_drained(settings)
        program.signal(signal.SIGTERM)
        status = await asyncio.to_thread(program.await_end)
    assert status == 0, program.text
    assert "Traceback" not in program.text
    _check(settings, [worker])


async def test_clickhouse_away_for_a_while(
    fresh_kafka: KafkaServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It waits, says so, and catches up; nothing is lost. Started first, it waits as well."""
    caplog.set_level(logging.INFO, "sinks")
    port = any_free("127.0.0.1")
    there = {"PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{port}", "PULSSI_SINK_PORT": str(any_free("127.0.0.1"))}
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS="1", **there)
    worker = PlayedWorker(settings, CHAT, 0)
    async with sink(settings):
        with await asyncio.to_thread(ClickHouseServer, tmp_path / "data", port):
            await asyncio.to_thread(migrate, settings)
            await worker.play(3)
            await wait_until_drained(settings)
        await worker.play(3)
        assert "does not answer" in await wait_for_answer(settings, "readyz", lambda status, _: status == 503)
        with await asyncio.to_thread(ClickHouseServer, tmp_path / "data", port):
            await worker.play(1)
            await wait_until_drained(settings)
            _check(settings, [worker])
            await _ready(settings)
    said = [
        line for line in caplog.messages if line.startswith(("ClickHouse answers", "the sink continues", "the sink is"))
    ]
    assert [line.partition(":")[0].partition(" after")[0] for line in said] == [
        "ClickHouse answers again",
        "the sink continues from its progress in 0 of 4 partitions, and reads the others from the beginning",
        "the sink is ready",
        "ClickHouse answers again",
        "the sink is ready",
    ]


async def test_a_broker_that_restarts_is_waited_for(fresh_kafka: KafkaServer, settings: Settings) -> None:
    """Kafka away for a while: reading continues where it was."""
    worker = PlayedWorker(settings, CHAT, 0)
    async with sink(settings):
        await worker.play(3)
        await wait_until_drained(settings)
        # Not in a thread: the broker ends with the thread that started it.
        fresh_kafka.stop()
        fresh_kafka.start()
        await worker.play(3)
        await wait_until_drained(settings)
    _check(settings, [worker])


async def test_the_gauges_of_the_minute_are_kept(settings: Settings) -> None:
    """Contacts that were in the journal when it started are in the minute that had just begun then."""
    await PlayedWorker(settings, CHAT, 0).play(3, width=4)
    begun = time.monotonic()
    store = ClickHouseStore(settings)
    pipeline = Pipeline(settings, store, SinkHealth(), now=lambda: _TURN_S + (time.monotonic() - begun) / _SLOWER)
    await pipeline.start()
    running = asyncio.create_task(pipeline.run())
    ask = "SELECT toUnixTimestamp(at), channel, open, stale FROM gauge_history"
    try:
        with connect(settings) as client:
            async with asyncio.timeout(WITHIN_S):
                while not (kept := client.query(ask).result_rows):  # noqa: ASYNC110 - a database tells no one when it changes
                    await asyncio.sleep(0.1)
        await pipeline.finish()
        await running
    finally:
        running.cancel()
        await pipeline.stop()
    assert kept == [(_TURN_S, "chat", 4, 0)]
