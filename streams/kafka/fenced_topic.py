"""A topic of one partition that one process at a time writes, and reads back when it opens it.

Records that are written together are one transaction, so a reader sees all of them or none. Only a write that is too
large for one transaction is cut into several. Opening fences every former writer, as opening a journal fences a worker:
Kafka refuses what a former one still writes.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from aiokafka import AIOKafkaProducer

from schemas.alerts import OPENING_KEY
from schemas.settings import Settings
from streams.kafka.topic_reader import read_newest

#: Short, because a dead writer's open transaction holds readers back until it ends.
TRANSACTION_TIMEOUT_MS: Final = 10_000
#: Records and bytes of one transaction at most: written within a second, on a slow machine too.
RECORDS_AT_MOST: Final = 2_000
BYTES_AT_MOST: Final = 8 * 1024 * 1024

#: Key and value of a record.
Record: TypeAlias = tuple[bytes, bytes | None]


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
        self._last_offset = -1
        #: Whether the topic was recreated since it was opened: what was written before is not there.
        self.is_recreated = False
        #: Other topics of `write` that were recreated since their first record.
        self.recreated_others: set[str] = set()
        self._last_of_others: dict[str, int] = {}

    async def open(self, writer: str) -> dict[bytes, bytes]:
        """Fence every former writer and return the newest value of each key. `writer` names this process for people.

        Raises KafkaError, OSError, TimeoutError.
        """
        await self._producer.start()
        async with self._producer.transaction():
            opened = await self._producer.send_and_wait(self._topic, writer.encode(), OPENING_KEY, partition=0)
        self._last_offset = opened.offset
        records = await read_newest(self._settings, self._topic, opened.offset + 1)
        records.pop(OPENING_KEY, None)
        return records

    async def write(
        self, records: Iterable[Record], others: Mapping[str, Iterable[Record]] = MappingProxyType({})
    ) -> None:
        """Write records (key, value; None removes the key) in order, all or none of each piece.

        A piece is one transaction: all records, or some of thousands. `others`: by topic, records of other topics of
        one partition, which are written with the last piece and fenced with it. Raises what aiokafka does.
        """
        *former, last = list(pieces(records)) or [[]]
        for piece in former:
            await self._write_piece(piece, {})
        await self._write_piece(last, others)

    async def _write_piece(self, piece: Iterable[Record], others: Mapping[str, Iterable[Record]]) -> None:
        async with self._producer.transaction():
            sent = [await self._producer.send(self._topic, value, key, partition=0) for key, value in piece]
            sent_to_others = {
                topic: [await self._producer.send(topic, value, key, partition=0) for key, value in pairs]
                for topic, pairs in others.items()
            }
            offsets = [each.offset for each in await asyncio.gather(*sent)]
            offsets_of_others = {
                topic: [each.offset for each in await asyncio.gather(*sent)] for topic, sent in sent_to_others.items()
            }
        if offsets:
            self.is_recreated = self.is_recreated or offsets[0] <= self._last_offset
            self._last_offset = offsets[-1]
        for topic, written in offsets_of_others.items():
            if written:
                if written[0] <= self._last_of_others.get(topic, -1):
                    self.recreated_others.add(topic)
                self._last_of_others[topic] = written[-1]

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._producer.stop()


def pieces(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Cut records into what one transaction takes, in order."""
    piece: list[Record] = []
    size = 0
    for record in records:
        if piece and (len(piece) == RECORDS_AT_MOST or size > BYTES_AT_MOST):
            yield piece
            piece, size = [], 0
        piece.append(record)
        size += len(record[0]) + len(record[1] or b"")
    if piece:
        yield piece
