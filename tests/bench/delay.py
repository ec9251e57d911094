"""From an event to the live view, and to a row in ClickHouse, at a steady rate: median and 99th percentile.

A record's own timestamp is when it was handed to its producer. It is in the live view once the view has been fed with
the step that holds it, and in ClickHouse once a query finds its row of the archive. The parts are the programs that
users run; the live view is fed here, as the wallboard feeds it.
"""

import asyncio
import multiprocessing
import os
import statistics
import tempfile
import time
from bisect import bisect_right
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

from clickhouse_connect.driver.client import Client

from deploy.embedded.stack_layout import ARCHIVE_NICENESS, pulssi_command
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from streams.clickhouse.connection import connect
from streams.journal.tail import JournalTail
from streams.live.live_view import LiveView
from tests.bench.contest import TOPIC
from tests.bench.events import EVENTS_A_CHAT, write_chats
from tests.bench.report import Part
from tests.bench.servers import broker
from tests.bench.steady import produce_steadily
from tests.deploy.program import Program, clean_environment
from tests.fixtures.clickhouse import ClickHouseServer
from tests.streams.flow import keyed, produce, read_all

WARM_UP: Final = 200 * EVENTS_A_CHAT
#: The first seconds of a rate are caches that fill, and a JVM that has just started and compiles what it runs.
SETTLING_S: Final = 60
#: How often ClickHouse is asked: what it says is late by as much at most.
ASK_EVERY_S: Final = 0.1
ARRIVES_WITHIN_S: Final = 120.0
#: Beyond this the rate was not the rate.
BEHIND_S: Final = 0.1
#: Beyond this in the median events queue up.
NOTABLE_MS: Final = 1_000
_ROWS: Final = (
    "SELECT `partition`, max(`offset`) + 1 FROM events_rows WHERE topic = {topic:String} GROUP BY `partition`"
)


class Sighting:
    """When each partition was seen to be how far, by UTC milliseconds."""

    def __init__(self) -> None:
        self._next: dict[int, list[int]] = {}
        self._at: dict[int, list[int]] = {}

    def note(self, partition: int, upto: int) -> None:
        """Note that all before an offset is there now."""
        seen = self._next.setdefault(partition, [])
        if not seen or upto > seen[-1]:
            seen.append(upto)
            self._at.setdefault(partition, []).append(_now())

    def total(self) -> int:
        """Count what is there."""
        return sum(seen[-1] for seen in self._next.values())

    def at(self, partition: int, offset: int) -> int:
        """Say when a record was first seen."""
        return self._at[partition][bisect_right(self._next[partition], offset)]


def _now() -> int:
    return time.time_ns() // 1_000_000


def _stand_back(pid: int) -> None:
    """Have a process go behind the others, as `pulssi up` does: each thread, for some run already."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), ARCHIVE_NICENESS)


async def _follow_journal(settings: Settings, sighting: Sighting) -> None:
    view = LiveView(settings.time_zone, _now)
    tail = JournalTail(settings)
    await tail.start()
    try:
        while True:
            steps = await tail.steps(timeout_ms=200)
            view.feed(steps)
            view.advance()
            for step in steps:
                if step.source == TOPIC:
                    sighting.note(step.partition, step.head.next)
    finally:
        await tail.stop()


async def _follow_rows(client: Client, sighting: Sighting) -> None:
    while True:
        answer = await asyncio.to_thread(client.query, _ROWS, {"topic": TOPIC})
        for partition, upto in answer.result_rows:
            sighting.note(partition, upto)
        await asyncio.sleep(ASK_EVERY_S)


async def _through(events: int, programs: list[Program], *sightings: Sighting) -> None:
    async with asyncio.timeout(ARRIVES_WITHIN_S):
        while any(sighting.total() < events for sighting in sightings):
            for program in programs:
                program.check()
            await asyncio.sleep(ASK_EVERY_S)


async def _measure(
    settings: Settings, programs: list[Program], rate: int, seconds: int
) -> tuple[Sighting, Sighting, float]:
    live, rows = Sighting(), Sighting()
    with connect(settings) as client:
        async with asyncio.TaskGroup() as following:
            tasks = [
                following.create_task(_follow_journal(settings, live)),
                following.create_task(_follow_rows(client, rows)),
            ]
            await asyncio.to_thread(produce, settings, keyed(write_chats(WARM_UP)))
            await _through(WARM_UP, programs, live, rows)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
                producing = partial(produce_steadily, settings.kafka_brokers, rate, seconds, WARM_UP)
                behind_s = await asyncio.get_running_loop().run_in_executor(process, producing)
            await _through(WARM_UP + rate * seconds, programs, live, rows)
            for task in tasks:
                task.cancel()
    return live, rows, behind_s


def _keeping_up(sighting: Sighting, records: list[tuple[int, int, int]]) -> str:
    """Say whether events queued up: then the rate was more than the machine had room for."""
    delays = [sighting.at(partition, offset) - at for partition, offset, at in records]
    if statistics.median(delays) < NOTABLE_MS:
        return "The worker kept up."
    return "The worker did not keep up: the machine had no room for this rate, and delays are of events that queued up."


def _told(sighting: Sighting, records: list[tuple[int, int, int]]) -> str:
    delays = sorted(sighting.at(partition, offset) - at for partition, offset, at in records)
    p50, p99 = (delays[int(len(delays) * share)] for share in (0.5, 0.99))
    return f"p50 {p50:,} ms, p99 {p99:,} ms"


def _run(rate: int, seconds: int) -> tuple[list[tuple[str, str]], str]:
    """Run the parts, produce for some seconds, and compare; returns rows, and how it went."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, broker() as kafka:
        folder = Path(name)
        with ClickHouseServer(folder / "clickhouse") as clickhouse:
            more = {"PULSSI_CLICKHOUSE_URL": clickhouse.url, "PULSSI_WORKER_PORT": "0", "PULSSI_SINK_PORT": "0"}
            settings = kafka.with_topics(**more)
            migrate(settings)
            clean = clean_environment(folder, **kafka.settings_env(), **more)
            with Program(pulssi_command("worker"), clean) as worker, Program(pulssi_command("sink"), clean) as sink:
                for pid in (clickhouse.pid, sink.process.pid):
                    _stand_back(pid)
                live, rows, behind_s = asyncio.run(_measure(settings, [worker, sink], rate, seconds))
            stamped = [(each.partition(), each.offset(), each.timestamp()[1]) for each in read_all(settings, TOPIC)]
    first = sorted(at for _, _, at in stamped)[WARM_UP]
    settled = [record for record in stamped if record[2] >= first + SETTLING_S * 1_000]
    late = f"At {rate:,} events/s the producer was at most {behind_s:.2f} s behind its timetable"
    held = "." if behind_s <= BEHIND_S else ", so what is told here is of bursts, not of a steady rate."
    told = [
        (f"event to live view, at {rate:,} events/s", _told(live, settled)),
        (f"event to its row in ClickHouse, at {rate:,} events/s", _told(rows, settled)),
    ]
    return told, f"{late}{held} {_keeping_up(live, settled)}"


def run(rates: Sequence[int], seconds: int) -> Part:
    """Measure at each rate, each time with parts that have just started."""
    rows, words = [], []
    for rate in rates:
        told, how = _run(rate, SETTLING_S + seconds)
        rows += told
        words.append(how)
    pace = f"Over {seconds} s, after {SETTLING_S} s that are left out."
    return Part(rows, ["Apache Kafka, ClickHouse, worker and sink on the same cores"], [pace, *words])
