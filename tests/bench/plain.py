"""A plain loop: confluent-kafka, pydantic and dictionaries. Nothing is durable: a crash forgets every contact.

No library promises less, so none should be quicker in Python on one core.
"""

import os
from typing import Any, Final

import orjson
from confluent_kafka import Consumer, Producer

from tests.bench import job

BATCH: Final = 1_000


def main() -> None:
    """Read, fold, and write the panes that a batch changed."""
    broker, results = os.environ["BENCH_BROKER"], os.environ["BENCH_RESULTS"]
    consumer = Consumer(
        {
            "bootstrap.servers": broker,
            "group.id": "bench-plain",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 5})
    consumer.subscribe([os.environ["BENCH_TOPIC"]])
    contacts: dict[bytes, dict[str, Any]] = {}
    panes: dict[str, job.Pane] = {}
    while True:
        changed = set()
        for message in consumer.consume(BATCH, 0.1):
            if message.error():
                raise RuntimeError(message.error())
            event = job.read(message.value())
            for fact in job.fold(contacts.setdefault(message.key(), {}), event):
                panes[fact.pane] = job.add(panes.get(fact.pane, job.EMPTY), fact)
                changed.add(fact.pane)
        for pane in changed:
            producer.produce(results, key=pane, value=orjson.dumps(panes[pane]))
        producer.poll(0)


if __name__ == "__main__":
    main()
