"""Dead letters on a real broker are counted by their time."""

import asyncio

import pytest

from schemas.topics import DEAD_LETTERS
from streams.alert_engine.dead_letter_count import DeadLetterCount
from streams.kafka.brokers import admin_client
from streams.times import now_ms
from tests.kafka.server import KafkaServer
from tests.streams.flow import produce


async def until(count: DeadLetterCount, begun: int, number: int) -> None:
    """Read until so many are counted."""
    async with asyncio.timeout(30):
        while count.since(begun - 60_000) < number:
            await count.read()
            await asyncio.sleep(0.01)  # it waits for nobody, and the consumer's own tasks have to run


async def test_dead_letters_are_counted(fresh_kafka: KafkaServer) -> None:
    """Those that were there since the time asked for, those that come, and none that are older."""
    settings = fresh_kafka.with_topics()
    begun = now_ms()
    produce(settings, [(DEAD_LETTERS, b"old", b"x")], timestamp=begun - 3_600_000)
    produce(settings, [(DEAD_LETTERS, b"%d" % number, b"x") for number in range(7)])
    count = DeadLetterCount(settings)
    await count.start(begun - 60_000)
    try:
        await until(count, begun, 7)
        produce(settings, [(DEAD_LETTERS, b"%d" % number, b"x") for number in range(5)])
        await until(count, begun, 12)
        assert count.since(begun - 60_000) == 12
    finally:
        await count.stop()


async def test_added_partitions_are_counted(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator gave the topic more while the engine judged: what is in them counts, and nothing twice."""
    monkeypatch.setattr("streams.alert_engine.dead_letter_count.ADDED_EVERY_S", 0.0)
    settings = fresh_kafka.with_topics()
    begun = now_ms()
    produce(settings, [(DEAD_LETTERS, b"%d" % number, b"x") for number in range(7)])
    count = DeadLetterCount(settings)
    await count.start(begun - 60_000)
    try:
        await until(count, begun, 7)
        with admin_client(settings.kafka_brokers) as admin:
            admin.create_partitions({DEAD_LETTERS: settings.partitions + 3})
            admin.wait_for_topics([DEAD_LETTERS])
        produce(settings, [(DEAD_LETTERS, b"old", b"x")], timestamp=begun - 3_600_000, partition=settings.partitions)
        produce(settings, [(DEAD_LETTERS, b"a", b"x"), (DEAD_LETTERS, b"b", b"x")], partition=settings.partitions + 2)
        produce(settings, [(DEAD_LETTERS, b"%d" % number, b"x") for number in range(5)], partition=0)
        await until(count, begun, 14)
        assert count.since(begun - 60_000) == 14
    finally:
        await count.stop()
