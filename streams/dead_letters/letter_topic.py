"""Reads the dead letters, and what was done about them: the topic `contacts.dlq.handled`, a record for each letter.

The letters themselves are never changed or removed; their topic keeps them for its retention.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Final, Literal, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer, TopicPartition

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, DEAD_LETTERS_HANDLED
from streams.dead_letters.letter import Letter, letter_of
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer
from streams.kafka.topic_partitions import partitions_of
from streams.kafka.topic_reader import SILENT_FOR_S, read_newest
from streams.times import now_ms

What = Literal["replayed", "discarded"]

_POLL_MS: Final = 500
_AT_ONCE: Final = 500


class Handled(NamedTuple):
    """What was done about a letter: when (UTC milliseconds), and by whom."""

    what: What
    at: int
    by: str


async def read_handled(settings: Settings) -> dict[str, Handled]:
    """Return what was done about letters, by their ids. Raises what `read_newest` raises."""
    found = await read_newest(settings, DEAD_LETTERS_HANDLED)
    return {key.decode(): Handled(**orjson.loads(value)) for key, value in found.items()}


async def mark(settings: Settings, letters: Iterable[Letter], what: What, by: str) -> None:
    """Write down what was done about letters. Raises KafkaError."""
    value = orjson.dumps(Handled(what, now_ms(), by)._asdict())
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        sent = [await producer.send(DEAD_LETTERS_HANDLED, value, key=letter.id.encode()) for letter in letters]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[tuple[Any, list[TopicPartition]]]:
    consumer = committed_consumer(settings)
    await consumer.start()
    try:
        yield consumer, await partitions_of(consumer, [DEAD_LETTERS], settings.kafka_brokers)
    finally:
        await stop_consumer(consumer)


async def letters(settings: Settings, since: int | None = None) -> AsyncIterator[Letter]:
    """Yield the letters that are in the topic now, those of each partition in order, from a time on (UTC milliseconds).

    Raises KafkaError and OSError, TopicsMissingError, and TimeoutError if the broker stays silent.
    """
    async with _consumer(settings) as (consumer, partitions):
        ends = LogEnds(settings)
        try:
            stable = await ends.stable([(each.topic, each.partition) for each in partitions])
        finally:
            await ends.close()
        begins = await consumer.beginning_offsets(partitions)
        if since is not None:
            found = await consumer.offsets_for_times(dict.fromkeys(partitions, since))
            begins = {each: at.offset if (at := found[each]) else stable[tuple(each)] for each in partitions}
        left = [each for each in partitions if begins[each] < stable[tuple(each)]]
        consumer.assign(left)
        for each in left:
            consumer.seek(each, begins[each])
        async with asyncio.timeout(SILENT_FOR_S) as silence:
            while left:
                fetched = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=_AT_ONCE)
                for partition, records in fetched.items():
                    for record in records:
                        if record.offset < stable[tuple(partition)]:
                            yield _letter(record)
                if fetched:
                    silence.reschedule(asyncio.get_running_loop().time() + SILENT_FOR_S)
                left = [each for each in left if await consumer.position(each) < stable[tuple(each)]]


def _letter(record: Any) -> Letter:  # noqa: ANN401 - aiokafka carries no types
    headers = tuple((name, content or b"") for name, content in record.headers)
    return letter_of(record.partition, record.offset, record.timestamp, record.key, record.value, headers)
