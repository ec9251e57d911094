"""The producer of events on real brokers: each record once, in order, in its partition; and a broker that is away."""

import asyncio
import time
from collections import defaultdict
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, OutOfOrderSequenceNumber
from kafka.partitioner.default import murmur2

from schemas.settings import Settings
from schemas.topics import CONTACTS, SOURCES
from streams.configuration.environment import load_settings
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.partitioner import partition_of
from streams.kafka.topic_migration import migrate_topics
from streams.sources.event_producer import EventProducer
from tests.kafka.server import KafkaServer
from tests.streams.sources.consumed import consumed


def settings(server: KafkaServer) -> Settings:
    """Return settings for a broker; topics have several partitions."""
    return load_settings({**server.settings_env(), "PULSSI_PARTITIONS": "3"})


@pytest.fixture
def topics(fresh_kafka: KafkaServer) -> KafkaServer:
    """Return a broker with the topics made."""
    migrate_topics(settings(fresh_kafka), wait_s=30.0)
    return fresh_kafka


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_the_partition_is_that_of_kafkas_own_clients(key: str, hashed: int) -> None:
    """The hashes are those of Apache Kafka's own tests; the sign is cut off."""
    assert partition_of(key.encode(), 7) == (hashed & 0x7FFFFFFF) % 7
    assert murmur2(key.encode()) & 0xFFFFFFFF == hashed & 0xFFFFFFFF


async def test_each_record_once_and_in_order(topics: KafkaServer) -> None:
    """What is sent to each topic is there once, by key in order, with a timestamp of now."""
    began = int(time.time() * 1000)
    async with EventProducer(settings(topics), pytest.fail, client="test") as producer:
        for number in range(6_000):
            key = b"contact-%d" % (number % 97)
            await producer.send(SOURCES[number % len(SOURCES)], key, b"%d" % number)
        await producer.flush()
        assert producer.waiting == 0
    assert sum(producer.sent.values()) == 6_000
    found = await asyncio.to_thread(consumed, topics.bootstrap, 6_000)
    by_key: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for record in found:
        assert record.partition == partition_of(record.key, 3)
        assert began <= record.timestamp <= time.time() * 1000
        by_key[record.topic, record.key].append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert sorted(int(record.value) for record in found) == list(range(6_000))


async def test_more_than_fits_waits(topics: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Taking records waits while too many are on their way, so memory stays bounded."""
    monkeypatch.setattr("streams.sources.event_producer.BUFFERED", 500)
    async with EventProducer(settings(topics), pytest.fail, client="test") as producer:
        for number in range(5_000):
            await producer.send(CONTACTS["chat"], b"%d" % number, b"x" * 100)
            assert producer.waiting < 500
    assert producer.sent[CONTACTS["chat"]] == 5_000


async def test_many_at_once(topics: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that are queued together are all there, by key in order, and wait for room as single ones do."""
    monkeypatch.setattr("streams.sources.event_producer.BUFFERED", 500)
    async with EventProducer(settings(topics), pytest.fail, client="test") as producer:
        for begin in range(0, 3_000, 300):
            numbers = range(begin, begin + 300)
            await producer.send_all((CONTACTS["call"], b"contact-%d" % (each % 50), b"%d" % each) for each in numbers)
            assert producer.waiting < 800
    found = await asyncio.to_thread(consumed, topics.bootstrap, 3_000)
    by_key: dict[bytes, list[int]] = defaultdict(list)
    for record in found:
        assert record.partition == partition_of(record.key, 3)
        by_key[record.key].append(int(record.value))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    assert producer.sent.total() == 3_000


async def test_missing_topics_are_named(fresh_kafka: KafkaServer) -> None:
    """No topic is made by producing to it: the broker's defaults would be the wrong partitions."""
    with pytest.raises(TopicsMissingError, match=r"contacts\.chat.*pulssi migrate"):
        async with EventProducer(settings(fresh_kafka), pytest.fail, client="test"):
            pass


async def test_a_broker_that_comes_back_gets_everything(topics: KafkaServer) -> None:
    """Killed in mid-stream and started again: every record once, none lost."""
    said: list[str] = []
    async with EventProducer(settings(topics), said.append, client="test") as producer:
        for number in range(1_500):
            await producer.send(CONTACTS["call"], b"contact-%d" % (number % 50), b"%d" % number)
        await asyncio.to_thread(topics.kill)
        back = asyncio.create_task(asyncio.to_thread(topics.start))
        for number in range(1_500, 3_000):
            await producer.send(CONTACTS["call"], b"contact-%d" % (number % 50), b"%d" % number)
        await back
        await producer.flush()
    found = await asyncio.to_thread(consumed, topics.bootstrap, 3_000)
    assert sorted(int(record.value) for record in found) == list(range(3_000))
    assert producer.sent.total() == 3_000


async def test_a_client_that_lost_count_is_replaced(topics: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch's number may be none that the broker expects after an outage: what is not acknowledged goes again."""
    failing = [OutOfOrderSequenceNumber(), KafkaTimeoutError(), AssertionError()]
    made: list[AIOKafkaProducer] = []

    class Confused(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka carries no types
        def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as above
            super().__init__(**settings)
            made.append(self)

        async def send_batch(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
            if failing and len(made) + len(failing) == 4:
                raise failing.pop(0)
            return await super().send_batch(*arguments, **named)

    monkeypatch.setattr("streams.kafka.batch_client.AIOKafkaProducer", Confused)
    async with EventProducer(settings(topics), pytest.fail, client="test") as producer:
        for number in range(300):
            await producer.send(CONTACTS["chat"], b"contact-%d" % (number % 50), b"%d" % number, f"file-{number % 2}")
    found = await asyncio.to_thread(consumed, topics.bootstrap, 300)
    assert sorted(int(record.value) for record in found) == list(range(300))
    assert producer.sent_by_origin == {"file-0": 150, "file-1": 150}
    assert len(made) == 4
