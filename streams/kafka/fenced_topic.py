"""A topic of one partition that one process at a time writes, and reads back when it opens it.

What is written together is one transaction, so a reader sees all of it or nothing. Opening fences every former writer,
as opening a journal fences a worker: what a former one still writes is refused by Kafka.
"""

import asyncio
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer

from schemas.alerts import OPENING_KEY
from schemas.settings import Settings
from streams.kafka.topic_reader import read_newest

#: Short, because a dead writer's open transaction holds readers back until it ends.
TRANSACTION_TIMEOUT_MS: Final = 10_000

#: Key and value of a record.
Pair: TypeAlias = tuple[bytes, bytes | None]


class FencedTopic:
    """The producer of a topic. After any failure of `write` it is of no further use: open another."""

    def __init__(self, settings: Settings, topic: str, part: str, timeout_ms: int = TRANSACTION_TIMEOUT_MS) -> None:
        """`part` is the part of Pulssi that alone writes the topic."""
        self._settings = settings
        self._topic = topic
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_brokers,
            acks="all",
            transactional_id=f"{settings.application}.{part}",
            transaction_timeout_ms=timeout_ms,
        )

    async def open(self, writer: str) -> dict[bytes, bytes]:
        """Fence every former writer and return the newest value of each key. `writer` names this process for people.

        Raises KafkaError, OSError, TimeoutError.
        """
        await self._producer.start()
        async with self._producer.transaction():
            opened = await self._producer.send_and_wait(self._topic, writer.encode(), OPENING_KEY, partition=0)
        records = await read_newest(self._settings, self._topic, opened.offset + 1)
        records.pop(OPENING_KEY, None)
        return records

    async def write(self, records: Iterable[Pair], beside: Mapping[str, Iterable[Pair]] = MappingProxyType({})) -> None:
        """Write records (key, value; None removes the key) in order, all or none. Raises what aiokafka does.

        `beside`: by topic, records of other topics of one partition that belong to them, and are fenced with them.
        """
        async with self._producer.transaction():
            sent = [
                await self._producer.send(topic, value, key, partition=0)
                for topic, pairs in {self._topic: records, **beside}.items()
                for key, value in pairs
            ]
            await asyncio.gather(*sent)

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._producer.stop()
