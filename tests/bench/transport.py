"""Faust with an agent that only counts: records a second one by one, as Faust brings them, and in batches as here.

Run as a program it is what is measured: `python -m tests.bench.transport worker`. Nothing is decoded, kept or written.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import faust

from schemas.topics import SourcePartition
from streams.assignment.assigned_partitions import Position
from streams.kafka.faust_transport import BatchTransport
from streams.monitoring.activities import Activities
from streams.worker import BATCH_RECORDS, BATCHES_AHEAD, FETCH_BYTES
from tests.bench.contest import STARTS_WITHIN_S, TOPIC
from tests.bench.events import write_chats
from tests.bench.report import Part, spread, times
from tests.bench.servers import broker
from tests.deploy.program import Program, clean_environment
from tests.kafka.server import KafkaServer
from tests.streams.flow import keyed, produce

_RATE: Final = " records/s"
#: Faust redirects Python's own.
_STDOUT: Final = 1


class _FromTheBeginning:
    """In place of a worker's partitions: each is read from its first record."""

    seek: Any = None
    activities = Activities()

    async def assign(self, assigned: Iterable[SourcePartition]) -> dict[SourcePartition, Position]:
        return dict.fromkeys(assigned, Position(0, 1))


def _program() -> None:
    batches, wanted = os.environ["BENCH_TRANSPORT"] == "batches", int(os.environ["BENCH_EVENTS"])
    app = faust.App(
        f"bench-{os.environ['BENCH_TRANSPORT']}",
        broker=f"kafka://{os.environ['PULSSI_KAFKA_BROKERS']}",
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        broker_max_poll_records=BATCH_RECORDS,
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_auto_offset_reset="earliest",
        datadir=os.environ["BENCH_FOLDER"],
        **({"stream_buffer_maxsize": BATCHES_AHEAD} if batches else {}),
    )
    if batches:
        app.partitions = _FromTheBeginning()
        app.transport = BatchTransport(app.conf.broker_consumer, app, app.loop)

    async def count(stream: Any) -> None:  # noqa: ANN401 - Faust is untyped
        first = seen = 0
        began = time.monotonic()
        async for value in stream:
            seen += len(value) if batches else 1
            if not first:
                first, began = seen, time.monotonic()
            if seen == wanted:
                rate = (seen - first) / max(time.monotonic() - began, 0.001)
                os.write(_STDOUT, f"{rate:.0f}{_RATE}\n".encode())

    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    app.agent(app.topic(TOPIC, **raw))(count)
    app.main()


def rate_of(transport: str, server: KafkaServer, events: int) -> float:
    """Return the records a second with `idiomatic` Faust or in `batches`; the topic holds all `events`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = clean_environment(
            Path(folder),
            **server.settings_env(),
            BENCH_TRANSPORT=transport,
            BENCH_EVENTS=str(events),
            BENCH_FOLDER=folder,
        )
        command = [sys.executable, "-m", "tests.bench.transport", "worker", "-l", "warn", "--without-web"]
        with Program(command, environment) as program:
            return float(program.await_line(_RATE, STARTS_WITHIN_S).removesuffix(_RATE))


def run(events: int, rounds: int) -> Part:
    """Measure both, in turn."""
    records = keyed(write_chats(events))
    rates: dict[str, list[float]] = {"idiomatic": [], "batches": []}
    for _ in range(rounds):
        with broker() as server:
            produce(server.with_topics(), records)
            for transport, found in rates.items():
                found.append(rate_of(transport, server, events))
    ratios = [many / one for one, many in zip(rates["idiomatic"], rates["batches"], strict=True)]
    rows = [
        ("idiomatic Faust: `async for` one record", spread(rates["idiomatic"]), "1"),
        ("Pulssi's transport: a fetch's records at a time", spread(rates["batches"]), spread(ratios, "{:.1f}")),
    ]
    where = "Apache Kafka on the same cores", f"{events:,} events", times(rounds)
    return Part(rows, where, columns=("an agent that only counts", "events/s", "to idiomatic Faust"))


if __name__ == "__main__":
    _program()
