"""`make bench`: events a second from Kafka through the worker to durable output, beside idiomatic Faust in one run.

Both read the same records from the same broker: one worker process, events already there, timed from its first record
until its output is durable. Whole-machine noise hits both, so read the ratio. Options: --events N, --rounds N,
--kafka embedded|apache.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from schemas.settings import Settings, load
from schemas.topics import CONTACTS
from streams.topics import migrate_topics
from tests.bench.events import write_chats
from tests.kafka import jars
from tests.kafka.apache import ApacheKafka
from tests.kafka.embedded import EmbeddedKafka
from tests.kafka.server import KafkaServer
from tests.streams.flow import Feed, Journals, WorkerProcess

ROOT: Final = Path(__file__).parents[2]
TOPIC: Final = CONTACTS["chat"]
BASELINE_WITHIN_S: Final = 300
AS_FAST_AS_IT_GOES: Final = 1e9

_CONSOLE: Final = Console()


def _server(kind: str, folder: Path) -> KafkaServer:
    return EmbeddedKafka() if kind == "embedded" else ApacheKafka(folder / "kafka")


async def _ours(settings: Settings, server: KafkaServer, events: int, folder: Path) -> float:
    """Time one worker: from the moment its partitions are open until every head is in a committed step."""
    with WorkerProcess(server.settings_env(), folder / "worker.log") as worker:
        worker.start()
        async with Journals(settings) as journals:
            await journals.until(1, worker)
            first_step, began = journals.read, time.monotonic()
            await journals.until(events, worker)
            took = time.monotonic() - began
        worker.end(signal.SIGTERM)
    return (events - first_step) / took


def _idiomatic(settings: Settings, events: int) -> float:
    """Time the baseline: from its first event until its producer has flushed."""
    environment = {
        **os.environ,
        "BENCH_TOPIC": TOPIC,
        "BENCH_EVENTS": str(events),
        "BENCH_BROKER": settings.kafka_brokers,
        "BENCH_PARTITIONS": str(settings.partitions),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.idiomatic", "worker", "-l", "warn", "--without-web"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BASELINE_WITHIN_S,
        check=False,
    )
    figures = [line for line in done.stdout.splitlines() if line.replace(".", "", 1).isdigit()]
    if not figures:
        raise RuntimeError(f"the baseline printed no figure:\n{done.stdout[-1000:]}{done.stderr[-2000:]}")
    return events / float(figures[-1])


def _round(kind: str, events: list[dict[str, Any]]) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = _server(kind, folder)
        server.start()
        try:
            settings = load(server.settings_env())
            migrate_topics(settings)
            feed = Feed(settings, events, AS_FAST_AS_IT_GOES)
            feed.start()
            feed.join()
            baseline = _idiomatic(settings, len(events))
            ours = asyncio.run(_ours(settings, server, len(events), folder))
        finally:
            server.stop()
    return ours, baseline


def main() -> None:
    """Run the rounds and print a table."""
    words = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    words.add_argument("--events", type=int, default=60_000)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--kafka", choices=("embedded", "apache"), default="embedded" if jars.missing() else "apache")
    given = words.parse_args()
    events = write_chats(given.events)
    rounds = []
    for number in range(given.rounds):
        with _CONSOLE.status(f"round {number + 1} of {given.rounds}: {given.events:,} events on {given.kafka} Kafka"):
            rounds.append(_round(given.kafka, events))
    table = Table(title=f"{given.events:,} events, {given.kafka} Kafka, {os.cpu_count()} cores, {given.rounds} rounds")
    for column in ("", "events/s, median", "least", "most"):
        table.add_column(column, justify="right" if column else "left")
    for name, rates in (("Pulssi worker", [ours for ours, _ in rounds]), ("idiomatic Faust", [b for _, b in rounds])):
        table.add_row(name, *(f"{figure:,.0f}" for figure in (statistics.median(rates), min(rates), max(rates))))
    ratios = [ours / baseline for ours, baseline in rounds]
    table.add_row("ratio", *(f"{figure:.1f} x" for figure in (statistics.median(ratios), min(ratios), max(ratios))))
    _CONSOLE.print(table)


if __name__ == "__main__":
    main()
