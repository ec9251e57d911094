"""Writes a few records now and then: it connects when it first writes, for there may never be anything to write."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from streams.kafka.brokers import BrokerUnreachableError

_LARGEST_REQUEST_OVER_BATCH: Final = 1024 * 1024


class WrittenRecord(NamedTuple):
    """A record of a topic; without a partition its key decides, without a time it is of now (UTC milliseconds)."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None
    at: int | None = None


class OccasionalWriter:
    """A writer whose records are acknowledged when `write` returns. `async with` ends its connection."""

    def __init__(self, settings: Settings, client: str, *, batch_bytes: int | None = None) -> None:
        """`client` names it to the broker; `batch_bytes`: room for records above Kafka's usual limit."""
        self._brokers = settings.kafka_brokers
        self._options: dict[str, Any] = {"client_id": f"{settings.application}-{client}"}
        if batch_bytes is not None:
            largest = batch_bytes + _LARGEST_REQUEST_OVER_BATCH
            self._options |= {"max_batch_size": batch_bytes, "max_request_size": largest}
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                await producer.stop()

    async def write_records(self, records: Iterable[WrittenRecord]) -> None:
        """Write records, and return once Kafka has acknowledged all of them. Raises BrokerUnreachableError."""
        try:
            producer = await self._connected()
            sent = [
                await producer.send(
                    each.topic,
                    each.value,
                    each.key,
                    headers=list(each.headers),
                    partition=each.partition,
                    timestamp_ms=each.at,
                )
                for each in records
            ]
            for each in sent:
                await each
        except (KafkaError, OSError):
            await self.__aexit__()
            raise BrokerUnreachableError(self._brokers, 0) from None

    async def _connected(self) -> Any:  # noqa: ANN401 - aiokafka carries no types
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._brokers, acks="all", enable_idempotence=True, **self._options
            )
            await producer.start()
            self._producer = producer
        return self._producer
