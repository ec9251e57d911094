"""What stands in the source topics, read back by another client than the one that wrote it."""

import time
from dataclasses import dataclass
from typing import Final

from kafka import KafkaConsumer, TopicPartition

from schemas.topics import SOURCES

_PATIENCE_S: Final = 60.0
#: After the last record that is expected, none may come within this time.
_SILENCE_MS: Final = 400


@dataclass(frozen=True)
class ConsumedRecord:
    """One record. `timestamp` in UTC milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: int


def consumed(bootstrap: str, count: int, *, or_more: bool = False) -> list[ConsumedRecord]:
    """Return all records of the source topics, by topic and partition in order; fails unless there are `count`.

    `or_more`: a broker that was killed may have in its log what it did not acknowledge.
    """
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        places = [
            TopicPartition(topic, partition)
            for topic in SOURCES
            for partition in sorted(consumer.partitions_for_topic(topic) or ())
        ]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: list[ConsumedRecord] = []
        deadline = time.monotonic() + _PATIENCE_S
        while or_more or len(found) <= count:
            got = consumer.poll(timeout_ms=_SILENCE_MS, max_records=10_000)
            if not got and (len(found) >= count or time.monotonic() > deadline):
                break
            found += [
                ConsumedRecord(place.topic, place.partition, each.offset, each.key, each.value, each.timestamp)
                for place, records in got.items()
                for each in records
            ]
    finally:
        consumer.close()
    assert len(found) >= count if or_more else len(found) == count
    return sorted(found, key=lambda each: (each.topic, each.partition, each.offset))


def await_records(bootstrap: str, count: int) -> None:
    """Return once so many records at least are in the source topics."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    try:
        places = [TopicPartition(name, each) for name in SOURCES for each in consumer.partitions_for_topic(name) or ()]
        deadline = time.monotonic() + _PATIENCE_S
        while (found := sum(consumer.end_offsets(places).values())) < count:
            assert time.monotonic() < deadline, f"{found} of {count} records"
    finally:
        consumer.close()
