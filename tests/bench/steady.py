"""A producer at a steady rate, as a process of its own; says at its end how far it fell behind its own timetable."""

from __future__ import annotations

import time
from typing import Final

import click
import orjson
from confluent_kafka import Producer

from tests.bench.events import write_chats
from tests.streams.flow import keyed

TICK_S: Final = 0.01
FLUSHED_WITHIN_S: Final = 60


@click.command()
@click.option("--broker", required=True)
@click.option("--rate", type=int, required=True)
@click.option("--seconds", type=int, required=True)
@click.option("--skip", type=int, default=0, help="Events that were produced before.")
def main(broker: str, rate: int, seconds: int, skip: int) -> None:
    """Produce, each tick what is due."""
    records = keyed(write_chats(skip + rate * seconds)[skip:])
    producer = Producer({"bootstrap.servers": broker, "partitioner": "murmur2_random", "linger.ms": 5, "log_level": 0})
    producer.list_topics(timeout=FLUSHED_WITHIN_S)  # connected before the clock runs
    began, done, behind = time.monotonic(), 0, 0.0
    while done < len(records):
        passed = time.monotonic() - began
        behind = max(behind, passed - done / rate)
        due = min(len(records), int(passed * rate))
        for topic, key, value in records[done:due]:
            producer.produce(topic, key=key, value=value)
        done = due
        producer.poll(0)
        time.sleep(TICK_S)
    took = time.monotonic() - began
    left = producer.flush(FLUSHED_WITHIN_S)
    click.echo(orjson.dumps({"rate": len(records) / took, "behind_s": behind, "left": left}))


if __name__ == "__main__":
    main()
