"""A producer at a steady rate, for a process of its own."""

import time
from typing import Final

from confluent_kafka import Producer

from tests.bench.events import write_chats
from tests.streams.flow import keyed

TICK_S: Final = 0.01
FLUSHED_WITHIN_S: Final = 60


def produce_steadily(brokers: str, rate: int, seconds: int, skip: int) -> float:
    """Produce each tick what is due, behind what was produced before; returns by how long it was late at most."""
    records = keyed(write_chats(skip + rate * seconds)[skip:])
    producer = Producer({"bootstrap.servers": brokers, "partitioner": "murmur2_random", "linger.ms": 5, "log_level": 0})
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
    producer.flush(FLUSHED_WITHIN_S)
    return behind
