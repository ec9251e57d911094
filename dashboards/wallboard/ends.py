"""Asking the broker where the source partitions end: the page's proof that it is there and that nothing is uncounted.

Its own connection, so that a journal which has nothing to tell is never taken for a broker that is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from dashboards.wallboard.freshness import Partition
from schemas.settings import Settings

ANSWER_WITHIN_S: Final = 2.0
#: How long a record that is not counted may take to come, before it is taken for no record.
LOOK_FOR_S: Final = 0.3


class LogEnds:
    """The ends of source partitions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None

    async def read(
        self, partitions: Iterable[Partition], heads: Mapping[Partition, int]
    ) -> dict[Partition, int] | None:
        """Return the ends of the source partitions asked for; None where the broker does not answer in time.

        Behind a head there may stand nothing but a transaction's marker: that is no record, and not counted as one.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                return await self._read(partitions, heads)
        except (KafkaError, OSError, TimeoutError):
            await self.close()
            return None

    async def _read(self, partitions: Iterable[Partition], heads: Mapping[Partition, int]) -> dict[Partition, int]:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_brokers,
                enable_auto_commit=False,
                auto_offset_reset="none",
                isolation_level="read_committed" if self._settings.kafka_kind == "apache" else "read_uncommitted",
            )
            self._consumer = consumer
            await consumer.start()
        known = await self._consumer.topics()  # all: asking for one by name may make it
        there = [TopicPartition(*place) for place in partitions if place[0] in known]
        found = await self._consumer.end_offsets(there) if there else {}
        ends = {(tp.topic, tp.partition): int(end) for tp, end in found.items()}
        for place, end in ends.items():
            head = heads.get(place)
            if head is not None and end - head == 1 and not await self._stands(place, head):
                ends[place] = head
        return ends

    async def _stands(self, place: Partition, offset: int) -> bool:
        """Tell whether there is a record at an offset, and no marker."""
        tp = TopicPartition(*place)
        self._consumer.assign([tp])
        self._consumer.seek(tp, offset)
        try:
            return bool(await self._consumer.getmany(tp, timeout_ms=round(LOOK_FOR_S * 1000)))
        finally:
            self._consumer.assign([])

    async def close(self) -> None:
        """End the connection; `read` makes a new one."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    await consumer.stop()
