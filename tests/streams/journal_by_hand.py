"""Journals written by hand: steps as a worker would commit them."""

from types import TracebackType
from typing import Self

from aiokafka import AIOKafkaProducer

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, encode_head, encode_open
from schemas.settings import Settings
from schemas.topics import journal_of

Records = list[tuple[bytes, bytes | None]]


class JournalByHand:
    """Writes one journal partition, a transaction a step."""

    def __init__(self, settings: Settings, source: str, partition: int) -> None:
        self.source = source
        self.partition = partition
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_brokers,
            acks="all",
            max_batch_size=8 << 20,
            max_request_size=9 << 20,
            transactional_id=f"{settings.application}-{source}-{partition}",
        )

    async def __aenter__(self) -> Self:
        await self._producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def open(self) -> int:
        """Write an opening; returns its offset."""
        return await self._append([(OPEN_KEY, encode_open("hand"))])

    async def step(self, head: Head, records: Records) -> int:
        """Write a step; returns its head's offset."""
        return await self._append([*records, (HEAD_KEY, encode_head(head))])

    async def abort(self, records: Records) -> None:
        """Begin a step and abort it."""
        await self._producer.begin_transaction()
        await self._send(records)
        await self._producer.abort_transaction()

    async def _append(self, records: Records) -> int:
        async with self._producer.transaction():
            return await self._send(records)

    async def _send(self, records: Records) -> int:
        batch = self._producer.create_batch()
        for key, value in records:
            assert batch.append(key=key, value=value, timestamp=None) is not None, "a step above one record batch"
        sent = await self._producer.send_batch(batch, journal_of(self.source), partition=self.partition)
        return int((await sent).offset) + len(records) - 1
