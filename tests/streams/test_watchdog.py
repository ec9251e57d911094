"""What really hangs is named: in the log, by `/healthz`, with what it does and where in the code it stands."""

import asyncio
import logging
import re
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Coroutine, Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, Self
from unittest.mock import AsyncMock

import aiohttp
import pytest

from schemas.exits import Exit
from schemas.policies import Rules
from sinks.archive_writer import ArchiveWriter
from sinks.clickhouse.store import ClickHouseStore
from sinks.pending_batch import PendingBatch
from sinks.pipeline import Pipeline
from sinks.sink_health import SinkHealth
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.configuration.environment import load_settings
from streams.journal.tail import JournalTail
from streams.journal.writer import JournalWriter
from streams.monitoring.activities import Activities, Phase
from streams.monitoring.health import Health
from streams.monitoring.watchdog import health_line, watched
from streams.monitoring.worker_health import BatchMetrics, worker_health_server
from tests.streams.stand_ins import EVICTED, OTHER, RECORDS, EmptyArchive, Worker, cancel_task
from tests.streams.test_waiting import SilentArchive, silent_server

CORE: Final = "streams.monitoring.activities"
ROOT: Final = Path(__file__).resolve().parents[2]
#: Asks where a thread stands, deep in calls, while each collection of garbage pauses and other threads come and go.
BUSY: Final = """
import gc, threading, time
from streams.monitoring.activities import Activities, Phase
from streams.monitoring.watchdog import health_line

def come_and_go():
    while True:
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()

def deep(calls, activities):
    return deep(calls - 1, activities) if calls else [health_line(activities) for _ in range(5)]

threading.Thread(target=come_and_go, daemon=True).start()
moments = iter([0.0])
activities = Activities(lambda: next(moments, 60.0))
with activities.during(Phase.IN_CODE, "deep calls"):
    gc.callbacks.append(lambda phase, info: time.sleep(0.0001))
    gc.set_threshold(1)
    found = deep(20, activities)
    gc.set_threshold(0)
assert all(found), found
"""
#: Longer than any of these takes.
IN_TIME_S: Final = 20.0


class Lines(logging.Handler):
    """The log, by line, as it comes from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._come = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        with self._come:
            self._lines.append(record.getMessage())
            self._come.notify_all()

    def wait(self, pattern: str) -> str:
        """Block until a line matches, and give it."""
        found: list[str] = []

        def is_there() -> bool:
            found.extend(line for line in self._lines if re.search(pattern, line))
            return bool(found)

        with self._come:
            assert self._come.wait_for(is_there, IN_TIME_S), f"{pattern} is not among {self._lines}"
        return found[0]

    async def come(self, pattern: str) -> str:
        """Wait until a line matches, and give it."""
        return await asyncio.to_thread(self.wait, pattern)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Give the log, with a watchdog that is in a hurry."""
    monkeypatch.setattr(f"{CORE}.STUCK_AFTER_S", 0.2)
    monkeypatch.setattr("streams.monitoring.watchdog.CHECK_EVERY_S", 0.02)
    found = Lines()
    logging.getLogger().addHandler(found)
    yield found
    logging.getLogger().removeHandler(found)


async def healthz(health: Health) -> tuple[int, str]:
    """Ask a part's `/healthz`."""
    port = await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status, await answer.text()
    finally:
        await health.stop()


async def test_a_clickhouse_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """While a batch waits for it, and once it does not any more; health is fine until a minute is over."""
    monkeypatch.setattr("streams.assignment.opened_partition.LOOK_UP_WITHIN_S", 2.0)
    async with silent_server() as server:
        worker = Worker(monkeypatch, SilentArchive(load_settings({"PULSSI_CLICKHOUSE_URL": server.url})))
        await worker.assign(EVICTED)
        with watched(worker.partitions.activities):
            batch = asyncio.ensure_future(worker.deliver(EVICTED))
            said = await lines.come("contacts.chat/0 is stuck")
            where = r"streams/clickhouse/archive\.py:\d+ _query"
            stuck = rf"contacts\.chat/0 is stuck looking up ClickHouse: \d s so far, at {where}"
            assert re.fullmatch(stuck, said)
            code, text = await healthz(worker_health_server(worker.partitions, BatchMetrics()))
            assert (code, re.fullmatch(f"ok\n{stuck}\n", text) is not None) == (200, True)
            await batch
            await lines.come("contacts.chat/0 is no longer stuck looking up ClickHouse: it failed after")
        await worker.partitions.close()


async def test_a_broker_that_never_answers_is_named(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """A partition cannot be opened; after its limit the worker is not healthy, and says why."""
    monkeypatch.setattr("streams.monitoring.worker_health.UNHEALTHY_AFTER_S", 0.3)
    async with silent_server() as server:
        brokers = {"PULSSI_KAFKA_BROKERS": server.url.removeprefix("http://")}
        partitions = AssignedPartitions(load_settings(brokers), Rules(), EmptyArchive())
        with watched(partitions.activities):
            settling = asyncio.ensure_future(partitions.assign(frozenset({OTHER})))
            await lines.come(
                r"contacts\.chat/1 is stuck asking Kafka for its topics: .*streams/kafka/cluster\.py:\d+ _query$"
            )
            while (answer := await healthz(worker_health_server(partitions, BatchMetrics())))[0] == 200:
                pass
            assert answer[0] == 503
            assert "contacts.chat/1 is stuck asking Kafka for its topics" in answer[1]
            await cancel_task(settling)
        await partitions.close()


class Agent:
    """Awaited by its `__await__`, as Faust's agents are."""

    def __init__(self, work: Coroutine[Any, Any, None]) -> None:
        self._work = work

    def __await__(self) -> Generator[Any, Any, None]:
        """Give the work's own."""
        return self._work.__await__()


async def test_the_line_of_code_is_found_through_what_awaits_it(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """Through an agent of Faust's, an async generator and a task: not the line of the library between."""
    worker = Worker(monkeypatch)
    await worker.assign(OTHER)

    async def batches() -> AsyncIterator[None]:
        await Agent(worker.deliver(OTHER))
        yield

    async def agent() -> None:
        with worker.partitions.activities.during(Phase.FETCHING, "an agent"):
            async for _ in batches():
                pass

    async def awaits_a_task() -> None:
        with worker.partitions.activities.during(Phase.FETCHING, "another"):
            await asyncio.ensure_future(agent())

    with watched(worker.partitions.activities):
        async with worker.opened(OTHER).lock:
            waiting = asyncio.ensure_future(awaits_a_task())
            for name in ("an agent", "another", "contacts.chat/1"):
                await lines.come(rf"{name} is stuck .*, at streams/assignment/opened_partition\.py:\d+ process_batch$")
        await waiting
    await worker.partitions.close()


async def test_code_of_no_file_does_not_end_the_watchdog(lines: Lines) -> None:
    """Whatever was compiled from a text: the line names who called it."""
    activities = Activities()
    code = compile("wait('a thread is stuck writing to ClickHouse: ')", "", "exec")

    def hangs() -> None:
        with activities.during(Phase.INSERTING, "a thread"):
            exec(code, {"wait": lines.wait})  # noqa: S102 - our own text

    with watched(activities):
        await asyncio.to_thread(hangs)


class Circle:
    """What its `__await__` gives refers to the task that waits for it."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()

    def __await__(self) -> Any:  # noqa: ANN401 - an iterator, not the generator that it should be
        """Give itself."""
        return self

    __iter__ = __await__

    def __next__(self) -> asyncio.Future[None]:
        """Wait, for ever."""
        forever = asyncio.get_running_loop().create_future()
        forever._asyncio_future_blocking = True  # noqa: SLF001 - what asyncio asks of whom a task waits for
        return forever


async def test_what_waits_for_itself_is_named(lines: Lines) -> None:
    """Whoever follows it comes to the task again, and goes round no second time."""

    async def waits(activities: Activities) -> None:
        with activities.during(Phase.FETCHING, "a circle"):
            await Circle()

    activities = Activities()
    with watched(activities):
        waiting = asyncio.ensure_future(waits(activities))
        await lines.come(r"a circle is stuck fetching: .* waits$")
        await cancel_task(waiting)


async def test_a_lock_that_is_not_given_back_is_named(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """Who waits for it, and in which function."""
    worker = Worker(monkeypatch)
    await worker.assign(OTHER)
    with watched(worker.partitions.activities):
        async with worker.opened(OTHER).lock:
            batch = asyncio.ensure_future(worker.deliver(OTHER))
            await lines.come(
                r"contacts\.chat/1 is stuck waiting for the partition's lock: .*/opened_partition\.py:\d+ process_batch"
            )
        await batch
        await lines.come("contacts.chat/1 is no longer stuck waiting")
    assert worker.records_written(OTHER) == len(RECORDS)
    await worker.partitions.close()


class HangsAtItsCommit:
    """A producer whose broker takes a step, and does not answer to its commit."""

    def transaction(self) -> Self:
        """Begin."""
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None:
        await asyncio.Event().wait()

    async def stop(self) -> None:
        """End."""


async def test_a_commit_that_hangs_is_named_and_ends_the_process_at_last(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """Above every time limit of what it waits for, only a new start helps: code 71."""
    worker = Worker(monkeypatch)
    await worker.assign(OTHER)
    monkeypatch.setattr(f"{CORE}.END_AFTER_S", 0.5)

    async def takes(*_: object) -> int:
        return 0

    writer: Any = JournalWriter(load_settings({}), *OTHER)
    monkeypatch.setattr(writer, "_producer", HangsAtItsCommit())
    monkeypatch.setattr(writer, "_write", takes)
    worker.opened(OTHER).writer = writer
    with watched(worker.partitions.activities):
        batch = asyncio.ensure_future(worker.deliver(OTHER))
        await lines.come(
            r"contacts\.chat/1 is stuck committing: .*/writer\.py:\d+ append: the process ends \(exit 71\), nothing is"
        )
        await cancel_task(batch)
    assert worker.ends
    assert set(worker.ends) == {Exit.STUCK}
    await worker.partitions.close()


async def test_code_that_does_not_wait_is_seen_from_another_thread(lines: Lines) -> None:
    """The event loop runs nothing meanwhile, so that `/healthz` is mute: the log has the whole stack."""

    def hangs_in_code() -> str:
        return lines.wait("the event loop's thread stands at")

    with watched(Activities()):
        await asyncio.sleep(0)
        stack = hangs_in_code()
        assert "in hangs_in_code" in stack
        assert lines.wait("the event loop is stuck in code that does not wait: ")
        await lines.come("the event loop is no longer stuck in code that does not wait")


async def test_a_sink_whose_events_do_not_come_is_named(monkeypatch: pytest.MonkeyPatch, lines: Lines) -> None:
    """It reads them before it writes a batch, which waits for them for as long as that takes."""

    async def records_below(_: object) -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    settings, health, store = load_settings({}), SinkHealth(), AsyncMock()
    archive = ArchiveWriter(settings, "test", store, health, JournalTail(settings))
    monkeypatch.setattr(archive, "sources", SimpleNamespace(records_below=records_below))
    with watched(health.activities):
        archiving = asyncio.ensure_future(archive.write_events(PendingBatch()))
        await lines.come(r"the archive is stuck fetching: .*write_events$")
        await cancel_task(archiving)


async def test_a_sink_whose_insert_hangs_is_named(lines: Lines) -> None:
    """By its thread's stack: the client blocks."""
    async with silent_server() as server:
        settings, health = load_settings({"PULSSI_CLICKHOUSE_URL": server.url}), SinkHealth()
        pipeline = Pipeline(settings, ClickHouseStore(settings), health)
        with watched(health.activities):
            starting = asyncio.ensure_future(pipeline.start())
            await lines.come(r"the sink is stuck writing to ClickHouse: .*/(store|connection)\.py:\d+ \w+$")
            code, text = await healthz(health.server())
            assert (code, "the sink is stuck" in text) == (200, True)
            await cancel_task(starting)


def test_a_stack_is_read_while_garbage_is_collected_and_threads_end() -> None:
    """In Python 3.11 a garbage collection that lets another thread run, while frames are listed, hangs the process."""
    subprocess.run([sys.executable, "-c", BUSY], check=True, timeout=IN_TIME_S, cwd=ROOT)


def test_a_thread_that_has_ended_stands_nowhere() -> None:
    """The line of an activity that was never ended must not name the place of another thread."""
    moments = iter([0.0])
    activities = Activities(lambda: next(moments, 60.0))
    with activities.during(Phase.IN_CODE, "a thread that ends") as activity:
        activity.thread = 0
        assert "its thread has ended" in (health_line(activities) or "")
