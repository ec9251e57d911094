"""Whether a source topic is still the one that was read: by its log's ends, and by the last record that is in.

A topic can be made anew (the embedded broker forgets, a cluster is replaced, an operator deletes it). What is gone by
retention is no new life of it, and a broker that does not answer says nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.journal import Head
from schemas.settings import Settings
from streams.steps import hash_of

#: A source topic and a partition of it.
Place = tuple[str, int]

#: How long a broker may take to answer; one partition without an answer is not waited for longer.
LOOK_S: Final = 5.0
_POLL_MS: Final = 100

_LOG: Final = logging.getLogger(__name__)


class Sighting(NamedTuple):
    """What was seen of a source partition."""

    #: `same`: the last record that is in is where it was; `anew`: it is not; `gone`: retention took it.
    life: Literal["same", "anew", "gone"]
    #: First offset that is still there, where it was asked for (`gone`).
    first: int = 0


class Sightings:
    """A reader of its own for looking at source partitions."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None
        self._looking = asyncio.Lock()

    async def look(self, heads: Mapping[Place, Head]) -> dict[Place, Sighting]:
        """Look at partitions of which something is in; those without an answer are left out. Raises KafkaError."""
        wanted = {TopicPartition(*place): head for place, head in heads.items() if head.next > 0 and head.last}
        if not wanted:
            return {}
        async with self._looking:
            return await self._look_at(wanted)

    async def _look_at(self, wanted: Mapping[TopicPartition, Head]) -> dict[Place, Sighting]:
        consumer = await self._connected()
        consumer.assign(list(wanted))
        for tp, head in wanted.items():
            consumer.seek(tp, head.next - 1)
        found: dict[TopicPartition, Sighting] = {}
        try:
            async with asyncio.timeout(LOOK_S):
                while left := wanted.keys() - found.keys():
                    found |= await self._look(left, wanted)
        except TimeoutError:
            pass
        return {(tp.topic, tp.partition): sighting for tp, sighting in found.items()}

    async def _look(self, left: Any, wanted: Mapping[TopicPartition, Head]) -> dict[TopicPartition, Sighting]:  # noqa: ANN401
        found: dict[TopicPartition, Sighting] = {}
        try:
            fetched = await self._consumer.getmany(*left, timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as error:
            return await self._out_of_range([tp for tp in error.args[0] if tp in wanted], wanted)
        for tp, records in fetched.items():
            head, first = wanted[tp], records[0]
            if first.offset != head.next - 1:
                found[tp] = Sighting("gone", first.offset)
            else:
                found[tp] = Sighting("same" if hash_of(first) == head.last else "anew")
        for tp in left - found.keys():
            end = self._consumer.highwater(tp)
            if end is not None and 0 <= end < wanted[tp].next:
                found[tp] = Sighting("anew")
        return found

    async def _out_of_range(
        self, tps: list[TopicPartition], wanted: Mapping[TopicPartition, Head]
    ) -> dict[TopicPartition, Sighting]:
        """Tell retention from a new life: the one moves the beginning on, the other the end back."""
        firsts = await self._consumer.beginning_offsets(tps)
        return {tp: Sighting("gone", firsts[tp]) if firsts[tp] >= wanted[tp].next else Sighting("anew") for tp in tps}

    async def _connected(self) -> Any:  # noqa: ANN401 - aiokafka is untyped
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_brokers,
                isolation_level="read_uncommitted",
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_partition_fetch_bytes=64 * 1024,
                fetch_max_wait_ms=_POLL_MS,
            )
            try:
                await consumer.start()
            except BaseException:
                await consumer.stop()
                raise
            self._consumer = consumer
        return self._consumer

    async def stop(self) -> None:
        """Close the connection; a second call does nothing."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            try:
                await consumer.stop()
            except KafkaError as error:
                _LOG.info("the reader of source topics stopped badly: %r", error)
