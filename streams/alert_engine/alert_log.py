"""The topic `alerts` from the engine's side: written by one engine at a time, and read back when an engine opens it.

The changes of one judgement are one transaction, so a reader sees all of them or none. Opening fences every older
engine, as opening a journal fences a worker: what a former one still writes is refused by Kafka.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer

from schemas.alerts import ALERTS, OPENING_KEY, Alert, decode_alert
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.kafka.topic_reader import read_newest

#: Short, because a dead engine's open transaction holds readers back until it ends.
TRANSACTION_TIMEOUT_MS: Final = 10_000


class AlertLog:
    """The producer of the topic `alerts`. After any failure of `write` it is of no further use: open another."""

    def __init__(self, settings: Settings, timeout_ms: int = TRANSACTION_TIMEOUT_MS) -> None:
        self._settings = settings
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_brokers,
            acks="all",
            transactional_id=f"{settings.application}.alerts",
            transaction_timeout_ms=timeout_ms,
        )

    async def open(self, engine: str) -> dict[str, Alert]:
        """Fence every older engine and return all alerts by key. `engine` names this process for people.

        Raises KafkaError, OSError, TimeoutError; EndError where another version of Pulssi wrote an alert.
        """
        await self._producer.start()
        async with self._producer.transaction():
            opened = await self._producer.send_and_wait(ALERTS, engine.encode(), OPENING_KEY, partition=0)
        records = await read_newest(self._settings, ALERTS, opened.offset + 1)
        try:
            return {key.decode(): decode_alert(value) for key, value in records.items() if key != OPENING_KEY}
        except ValueError:
            raise EndError(
                f"the topic {ALERTS} has an alert that this version cannot read: run the version that wrote it, or"
                f" delete the topic, and run `pulssi migrate`",
                Exit.NO,
            ) from None

    async def write(self, changed: Iterable[Alert], ended: Iterable[str] = ()) -> None:
        """Write the alerts that changed, in order, and remove those that are over (keys). Raises what aiokafka does."""
        records: list[tuple[str, bytes | None]] = [(each.key, each.model_dump_json().encode()) for each in changed]
        records += [(key, None) for key in ended]
        if not records:
            return
        async with self._producer.transaction():
            sent = [await self._producer.send(ALERTS, value, key.encode(), partition=0) for key, value in records]
            await asyncio.gather(*sent)

    async def stop(self) -> None:
        """End the producer. Never while something is being written: that can hang it."""
        await self._producer.stop()
