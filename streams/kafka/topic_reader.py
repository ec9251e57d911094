"""Reading a topic of one partition that is ours alone: its newest records by key, or everything that comes in order.

The topics of alerts, commands and deliveries are small: whoever needs one reads it from its beginning.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

from aiokafka import TopicPartition

from schemas.settings import Settings
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer

#: A consumer whose broker is away brings nothing, for ever: reading ends after so long without a record.
SILENT_FOR_S: Final = 30.0
_POLL_MS: Final = 200


class TopicRecord(NamedTuple):
    """One committed record."""

    offset: int
    #: When its producer made it, in UTC milliseconds.
    timestamp: int
    key: bytes
    value: bytes | None


class TopicReader:
    """A reader of all committed records of a topic, in order."""

    def __init__(self, consumer: Any, partition: TopicPartition) -> None:  # noqa: ANN401 - aiokafka carries no types
        self._consumer = consumer
        self._partition = partition

    async def position(self) -> int:
        """Give the offset of the next record that could come."""
        return int(await self._consumer.position(self._partition))

    async def records(self, timeout_ms: int = _POLL_MS) -> list[TopicRecord]:
        """Return what comes within the time, or nothing. Raises KafkaError."""
        fetched = await self._consumer.getmany(self._partition, timeout_ms=timeout_ms)
        return [
            TopicRecord(record.offset, record.timestamp, record.key or b"", record.value)
            for record in fetched.get(self._partition, ())
        ]


@asynccontextmanager
async def reading(settings: Settings, topic: str, begin: int | None = None) -> AsyncIterator[TopicReader]:
    """Read a topic from an offset on, or from its beginning.

    Raises KafkaError and OSError where no broker answers, TopicsMissingError where the topic is not there.
    """
    consumer = committed_consumer(settings, fetch_max_wait_ms=_POLL_MS)
    await consumer.start()
    try:
        if topic not in await consumer.topics():  # all of them: a request for one by name may create it
            raise TopicsMissingError(settings.kafka_brokers, [topic])
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        first = (await consumer.beginning_offsets([partition]))[partition]
        consumer.seek(partition, first if begin is None else max(begin, first))
        yield TopicReader(consumer, partition)
    finally:
        await stop_consumer(consumer)


async def read_newest(settings: Settings, topic: str, end: int | None = None) -> dict[bytes, bytes]:
    """Return the newest value of each key below an offset, or of all that is committed; removed keys are left out.

    Raises what `reading` does, and TimeoutError where the broker stays silent.
    """
    if end is None:
        ends = LogEnds(settings)
        try:
            end = (await ends.stable([(topic, 0)])).get((topic, 0), 0)
        finally:
            await ends.close()
    newest: dict[bytes, bytes] = {}
    async with reading(settings, topic) as reader, asyncio.timeout(SILENT_FOR_S) as silence:
        while await reader.position() < end:
            for record in await reader.records():
                if record.offset >= end:
                    continue
                newest.pop(record.key, None)  # the order is that of the newest records
                if record.value is not None:
                    newest[record.key] = record.value
                silence.reschedule(asyncio.get_running_loop().time() + SILENT_FOR_S)
    return newest
