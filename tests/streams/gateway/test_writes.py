"""Acknowledged writes on a real broker: each record in its partition, what is refused alone, and bounded memory."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, OutOfOrderSequenceNumber

from schemas.settings import Settings
from schemas.topics import CONTACTS, DEAD_LETTERS
from streams.gateway import writes as module
from streams.gateway.records import NotTakenError, Record, RecordRefusedError
from streams.gateway.writes import AcknowledgedWrites
from streams.kafka import batch_client
from streams.kafka.partitioner import partition_of
from streams.tasks import cancel
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.until import until

CHAT = CONTACTS["chat"]


@asynccontextmanager
async def writing(settings: Settings) -> AsyncIterator[AcknowledgedWrites]:
    """Have writes that are connected."""
    writes = AcknowledgedWrites(settings, "test")
    task = asyncio.create_task(writes.run())
    try:
        await until(lambda: writes.unready() is None, 60)
        yield writes
    finally:
        await cancel(task)


async def test_a_group_is_done_when_all_of_it_is_stored(fresh_kafka: KafkaServer) -> None:
    """In the partition of the key, in order, with its headers; nothing waits afterwards."""
    settings = fresh_kafka.with_topics()
    async with writing(settings) as writes:
        groups = [
            [
                Record(CHAT, b"contact-%d" % (number % 7), b"%d" % number),
                Record(DEAD_LETTERS, b"a/b", b"x", (("h", b"1"),)),
            ]
            for number in range(200)
        ]
        await asyncio.gather(*(writes.write(group) for group in groups))
        assert (writes.waiting, writes.bytes) == (0, 0)
        assert writes.acknowledged == {CHAT: 200, DEAD_LETTERS: 200}
        assert writes.stuck() is None
    found = read_all(settings, CHAT)
    assert all(each.partition() == partition_of(each.key(), settings.partitions) for each in found)
    assert sorted(int(each.value()) for each in found) == list(range(200))
    assert [each.headers() for each in read_all(settings, DEAD_LETTERS)] == [[("h", b"1")]] * 200


async def test_a_record_that_kafka_refuses_is_refused_alone(
    fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those beside it in the same batch are stored."""
    monkeypatch.setattr(batch_client, "BATCH_BYTES", 8 * 1024 * 1024)
    settings = fresh_kafka.with_topics()
    async with writing(settings) as writes:
        good = [writes.write([Record(CHAT, b"contact", b"%d" % number)]) for number in range(5)]
        refused = writes.write([Record(CHAT, b"contact", b"x" * 5_000_000)])
        good += [writes.write([Record(CHAT, b"contact", b"%d" % number)]) for number in range(5, 10)]
        await asyncio.gather(*good)
        with pytest.raises(RecordRefusedError, match="MessageSizeTooLarge"):
            await refused
        assert writes.waiting == 0
    assert [int(each.value()) for each in read_all(settings, CHAT)] == list(range(10))


async def test_no_more_is_taken_than_fits(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """In records and in bytes, while Kafka is away; once it is silent, nothing at all; all that was taken is stored."""
    settings = fresh_kafka.with_topics()
    monkeypatch.setattr(module, "SILENT_AFTER_S", 0.5)
    async with writing(settings) as writes:
        await asyncio.to_thread(fresh_kafka.kill)
        monkeypatch.setattr(module, "RECORDS_AT_MOST", 3)
        taken = [writes.write([Record(CHAT, b"contact", b"1")]) for _ in range(3)]
        with pytest.raises(NotTakenError, match="too much waits"):
            writes.write([Record(CHAT, b"contact", b"2")])
        monkeypatch.setattr(module, "RECORDS_AT_MOST", 100)
        monkeypatch.setattr(module, "BYTES_AT_MOST", 1_000)
        with pytest.raises(NotTakenError, match="too much waits"):
            writes.write([Record(CHAT, b"contact", b"x" * 1_000)])
        await until(lambda: writes.unready() is not None)
        with pytest.raises(NotTakenError, match="does not answer"):
            writes.write([Record(CHAT, b"contact", b"3")])
        taken[0].cancel()  # nobody waits for it any more: it is written all the same
        await asyncio.to_thread(fresh_kafka.start)
        await asyncio.wait_for(asyncio.gather(*taken[1:]), 60)
        assert (writes.waiting, writes.bytes, writes.unready()) == (0, 0, None)
    assert len(read_all(settings, CHAT)) >= 3


async def test_a_client_that_lost_count_is_replaced(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not acknowledged goes again, with another client."""
    failing = [OutOfOrderSequenceNumber(), KafkaTimeoutError(), AssertionError()]
    made: list[AIOKafkaProducer] = []

    class Confused(AIOKafkaProducer):  # type: ignore[misc]  # aiokafka carries no types
        def __init__(self, **settings: Any) -> None:  # noqa: ANN401 - as above
            super().__init__(**settings)
            made.append(self)

        async def send_batch(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - as above
            if failing:
                raise failing.pop(0)
            return await super().send_batch(*arguments, **named)

    monkeypatch.setattr(batch_client, "AIOKafkaProducer", Confused)
    settings = fresh_kafka.with_topics()
    async with writing(settings) as writes:
        await asyncio.gather(*(writes.write([Record(CHAT, b"contact", b"%d" % number)]) for number in range(50)))
    assert [int(each.value()) for each in read_all(settings, CHAT)] == list(range(50))
    assert len(made) >= 2
