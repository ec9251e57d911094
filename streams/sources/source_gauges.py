"""Writes source gauges, the states of queues that polled sources give, into the topic `source_gauges`."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.source_gauges import SOURCE_GAUGES, SourceGauge
from streams.kafka.brokers import BrokerUnreachableError


class SourceGauges:
    """A writer that connects when it first writes. `async with` ends the connection."""

    def __init__(self, settings: Settings, client: str) -> None:
        self._settings = settings
        self._client = f"{settings.application}-{client}"
        self._producer: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                await producer.stop()

    async def write(self, gauges: Iterable[SourceGauge]) -> None:
        """Write states, and return once Kafka has acknowledged them. Raises BrokerUnreachableError."""
        try:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._settings.kafka_brokers,
                    client_id=self._client,
                    acks="all",
                    enable_idempotence=True,
                )
                await producer.start()
                self._producer = producer
            sent = [
                await self._producer.send(
                    SOURCE_GAUGES, each.model_dump_json().encode(), each.key, partition=0, timestamp_ms=each.at
                )
                for each in gauges
            ]
            await asyncio.gather(*sent)
        except (KafkaError, OSError):
            await self.__aexit__()
            raise BrokerUnreachableError(self._settings.kafka_brokers, 0) from None
