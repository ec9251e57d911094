"""Sends records to Kafka in batches, for the gateway's writes and for `EventProducer`.

Send one batch of a partition at a time, so that a retry keeps the order. A client that loses its sequence numbers is
replaced. The caller decides how long records wait, and what happens to one that Kafka refuses.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerResponseError, KafkaError, OutOfOrderSequenceNumber, UnknownProducerId

from schemas.settings import Settings

BATCH_BYTES: Final = 512 * 1024
#: Wait after a failed attempt.
RETRY_S: Final = 0.25
_STOP_WITHIN_S: Final = 3.0
#: The broker's errors that mean lost sequence numbers: the client is replaced.
_SEQUENCE_LOST: Final = (OutOfOrderSequenceNumber, UnknownProducerId)


Headers: TypeAlias = Sequence[tuple[str, bytes]]
#: Key, value, time in UTC milliseconds, and headers; a plain tuple for speed: an import sends 100,000s a second.
BatchRecord: TypeAlias = tuple[bytes, bytes, int, Headers]


class BatchRefusedError(RuntimeError):
    """Kafka refuses a batch, and would refuse it again; `count` is its number of records."""

    def __init__(self, count: int, error: BrokerResponseError) -> None:
        super().__init__(f"{error}")
        self.count = count
        #: The name of Kafka's error.
        self.kind = type(error).__name__


class BatchClient:
    """An idempotent Kafka client for all partitions that one producer writes."""

    def __init__(self, settings: Settings, client: str, request_timeout_s: float) -> None:
        self._brokers = settings.kafka_brokers
        self._client = f"{settings.application}-{client}"
        self._request_timeout_ms = round(request_timeout_s * 1000)
        self._producer: Any = None
        self._replacing = asyncio.Lock()

    async def start(self, within_s: float) -> None:
        """Connect. Raises KafkaError and TimeoutError."""
        self._producer = self._new()
        try:
            await asyncio.wait_for(self._producer.start(), within_s)
        except (KafkaError, TimeoutError):
            await self.stop()
            raise

    async def stop(self) -> None:
        """Disconnect. Waits a few seconds for what is under way, which never ends while the broker is away."""
        if self._producer is not None:
            with contextlib.suppress(TimeoutError, KafkaError):
                await asyncio.wait_for(self._producer.stop(), _STOP_WITHIN_S)

    async def send(self, topic: str, partition: int, records: Iterable[BatchRecord], at_most: int | None = None) -> int:
        """Send as many records as fit into a batch, at most `at_most`; returns how many Kafka has acknowledged.

        0: none, try again later. Raises BatchRefusedError.
        """
        client = self._producer
        batch = client.create_batch()
        count = 0
        for key, value, timestamp_ms, headers in records:
            if count == at_most or batch.append(key=key, value=value, timestamp=timestamp_ms, headers=headers) is None:
                break
            count += 1
        batch.close()
        try:
            await (await client.send_batch(batch, topic, partition=partition))
        except (KafkaError, AssertionError) as error:
            if not getattr(error, "retriable", False):
                if isinstance(error, BrokerResponseError) and not isinstance(error, _SEQUENCE_LOST):
                    raise BatchRefusedError(count, error) from None
                await self._replace(client)
            return 0
        return count

    async def _replace(self, failed: Any) -> None:  # noqa: ANN401 - aiokafka carries no types
        """Replace the client after it lost its sequence numbers; the first partition that notices does it for all."""
        async with self._replacing:
            if self._producer is failed:
                await self.stop()
                self._producer = self._new()
                with contextlib.suppress(KafkaError):  # no broker yet: sending fails as retriable, and tries again
                    await self._producer.start()

    def _new(self) -> Any:  # noqa: ANN401 - as above
        return AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            client_id=self._client,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=self._request_timeout_ms,
            linger_ms=0,
        )
