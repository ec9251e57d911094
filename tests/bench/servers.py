"""The brokers that figures are measured on, and events already in them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
from confluent_kafka import Producer

from schemas.settings import Settings
from tests.kafka.apache import ApacheKafka
from tests.kafka.server import KafkaServer
from tests.streams.flow import topic_and_key

_PRODUCED_WITHIN_S: Final = 60


@contextlib.contextmanager
def broker() -> Iterator[KafkaServer]:
    """Run a new one."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = ApacheKafka(Path(folder) / "kafka")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def records_of(events: Sequence[Mapping[str, Any]]) -> list[tuple[str, bytes, bytes]]:
    """Write events as records: topic, key and value."""
    return [(*topic_and_key(event), orjson.dumps(event)) for event in events]


def produce(settings: Settings, records: Sequence[tuple[str, bytes, bytes]]) -> None:
    """Put all records into their topics, and return when they are there."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 0,
            "log_level": 0,
        }
    )
    for topic, key, value in records:
        producer.produce(topic, key=key, value=value)
    left = producer.flush(_PRODUCED_WITHIN_S)
    if left:
        raise RuntimeError(f"{left} of {len(records)} records did not get into Kafka")
