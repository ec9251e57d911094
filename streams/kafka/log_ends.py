"""Where logs end: the one place that asks a broker for end offsets.

A log's end here is the offset after its last committed record. A broker's end offset is larger where transaction
markers or aborted records follow: a reader that waited for that offset would wait for ever. While a transaction is
open, the records above its first one cannot be read yet, and count as produced. Nothing here moves the position of
another consumer, or creates a topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.settings import Settings
from schemas.topics import SourcePartition

#: How long one question may take, all partitions together.
ANSWER_WITHIN_S: Final = 10.0
#: How long a fetch waits at the broker where there is nothing to bring.
FETCH_WAIT_MS: Final = 20
#: A reader whose position moves and lags by more than this has records to read, not only markers.
LOOKED_AT_OFFSETS: Final = 5_000


def consumer_of(settings: Settings, **how: object) -> AIOKafkaConsumer:
    """Make a consumer that takes its positions from whoever made it, and sees what was committed, unless told else."""
    usual = {"isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "none"}
    return AIOKafkaConsumer(bootstrap_servers=settings.kafka_brokers, **usual | how)


class LogEnds:
    """A connection of its own for asking where partitions end. One question at a time."""

    def __init__(self, settings: Settings, within_s: float = ANSWER_WITHIN_S) -> None:
        self._settings = settings
        self._within_s = within_s
        #: Consumers: one sees the broker's end offsets, the other the last stable offsets (LSO).
        self._all: Any = None
        self._committed: Any = None
        #: By partition: a position, and the offset up to which no committed record follows it.
        self._nothing: dict[SourcePartition, tuple[int, int]] = {}
        self._positions: dict[SourcePartition, int] = {}
        self._asking = asyncio.Lock()

    async def stable(self, places: Iterable[SourcePartition]) -> dict[SourcePartition, int]:
        """Return the offsets below which every transaction is decided; topics that are missing are left out.

        Raises KafkaError, OSError and TimeoutError; the next question connects again.
        """
        async with self._connected():
            return await self._offsets(places, committed=True)

    async def ends(self, positions: Mapping[SourcePartition, int]) -> dict[SourcePartition, int]:
        """Return the ends of partitions that are read up to these positions; topics that are missing are left out.

        An end equal to the position means that all is read. A position above the end is left as it is. Raises as
        `stable`.
        """
        async with self._connected():
            return await self._ends(positions)

    async def bounds(self, places: Iterable[SourcePartition]) -> dict[SourcePartition, tuple[int, int]]:
        """Return the first offset and the broker's end offset; topics that are missing are left out.

        Raises as `stable`.
        """
        async with self._connected():
            ends = await self._offsets(places, committed=False)
            firsts = await self._all.beginning_offsets([TopicPartition(*place) for place in ends]) if ends else {}
            return {place: (int(firsts[TopicPartition(*place)]), end) for place, end in ends.items()}

    async def close(self) -> None:
        """Close the connections; a question opens them again."""
        consumers = [each for each in (self._all, self._committed) if each is not None]
        self._all = self._committed = None
        await self._stop(consumers)

    async def _stop(self, consumers: list[Any]) -> None:
        for consumer in consumers:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), self._within_s)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        async with self._asking:
            try:
                async with asyncio.timeout(self._within_s):
                    await self._connect()
                    yield
            except (KafkaError, OSError, AssertionError):  # aiokafka asserts where its state is bad
                await self.close()
                raise

    async def _connect(self) -> None:
        if self._all is None:
            consumers = [
                consumer_of(self._settings, isolation_level=level, fetch_max_wait_ms=FETCH_WAIT_MS)
                for level in ("read_uncommitted", "read_committed")
            ]
            try:
                for consumer in consumers:
                    await consumer.start()
            except BaseException:  # also where whoever asks is cancelled: the next one must not find half a connection
                await self._stop(consumers)
                raise
            self._all, self._committed = consumers

    async def _offsets(self, places: Iterable[SourcePartition], *, committed: bool) -> dict[SourcePartition, int]:
        consumer = self._committed if committed else self._all
        known = await consumer.topics()  # all of them: a request for one by name may create it
        there = [TopicPartition(*place) for place in places if place[0] in known]
        found = await consumer.end_offsets(there) if there else {}
        return {(tp.topic, tp.partition): int(end) for tp, end in found.items()}

    async def _ends(self, positions: Mapping[SourcePartition, int]) -> dict[SourcePartition, int]:
        broker_ends = await self._offsets(positions, committed=False)
        stable = await self._offsets(broker_ends, committed=True)
        before, self._positions = self._positions, dict(positions)
        ends: dict[SourcePartition, int] = {}
        looked_at: dict[SourcePartition, int] = {}
        for place, end in broker_ends.items():
            at = positions[place]
            decided = stable.get(place, end)
            ends[place] = max(end, decided)
            if decided < end or at >= end:
                continue  # an open transaction counts as produced; or all is read
            if self._nothing.get(place) == (at, decided):
                ends[place] = at
            elif decided - at <= LOOKED_AT_OFFSETS or before.get(place) == at:
                looked_at[place] = decided
        for place in await self._without_records(looked_at, positions):
            self._nothing[place] = positions[place], looked_at[place]
            ends[place] = positions[place]
        return ends

    async def _without_records(
        self, looked_at: Mapping[SourcePartition, int], positions: Mapping[SourcePartition, int]
    ) -> list[SourcePartition]:
        """Return the partitions that have no committed record between position and end."""
        if not looked_at:
            return []
        consumer = self._committed
        open_ = {TopicPartition(*place): end for place, end in looked_at.items()}
        consumer.assign(list(open_))
        for tp in open_:
            consumer.seek(tp, positions[tp.topic, tp.partition])
        nothing: list[SourcePartition] = []
        try:
            while open_:
                try:
                    fetched = await consumer.getmany(*open_, timeout_ms=FETCH_WAIT_MS, max_records=len(open_))
                except OffsetOutOfRangeError as error:  # the log begins behind the position: there may be records
                    fetched = dict.fromkeys(error.args[0], True)
                for tp in fetched:
                    open_.pop(tp, None)
                for tp, end in list(open_.items()):
                    if await consumer.position(tp) >= end:
                        nothing.append((tp.topic, tp.partition))
                        del open_[tp]
        finally:
            consumer.assign([])
        return nothing
