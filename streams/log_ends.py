"""Where logs end: the one place that asks a broker, for whatever compares a position with what was produced.

A log's end is the first offset above which no committed record stands. Transaction markers and aborted records take
offsets too, so the offset that a broker calls the end is not it; whoever compared with that would wait for ever for a
record that does not exist. While a transaction is open, records above its first one cannot be read yet, and count as
produced. Nothing here may move a position of anybody, or make a topic.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.settings import Settings

Answer = TypeVar("Answer")

#: A topic and a partition of it.
Place = tuple[str, int]

#: How long one question may take, all partitions together.
ANSWER_WITHIN_S: Final = 10.0
#: How long a fetch waits at the broker where there is nothing to bring.
FETCH_WAIT_MS: Final = 20
#: A position that moves, and is further behind than this, has records before it, not only markers.
LOOKED_AT_OFFSETS: Final = 5_000


class LogEnds:
    """A connection of its own for asking where partitions end. One question at a time."""

    def __init__(self, settings: Settings, within_s: float = ANSWER_WITHIN_S) -> None:
        self._settings = settings
        self._within_s = within_s
        #: One that sees the ends that the broker tells, one that sees what is decided.
        self._all: Any = None
        self._committed: Any = None
        #: By partition: a position, and the offset up to which no record stands behind it.
        self._nothing: dict[Place, tuple[int, int]] = {}
        self._positions: dict[Place, int] = {}
        self._asking = asyncio.Lock()

    async def stable(self, places: Iterable[Place]) -> dict[Place, int]:
        """Return the offsets below which every transaction is decided; topics that are missing are left out.

        Raises KafkaError, OSError and TimeoutError; the next question connects again.
        """
        return await self._ask(lambda: self._offsets(places, committed=True))

    async def ends(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        """Return the ends of partitions that are read up to these positions; topics that are missing are left out.

        An end equal to the position means that all is read. A position above the end is left as it is. Raises as
        `stable`.
        """
        return await self._ask(lambda: self._ends(positions))

    async def bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """Return the first offset and the end, as the broker tells it; topics that are missing are left out.

        Raises as `stable`.
        """
        return await self._ask(lambda: self._bounds(places))

    async def close(self) -> None:
        """Close the connections; a question opens them again."""
        consumers = (self._all, self._committed)
        self._all = self._committed = None
        for consumer in consumers:
            if consumer is not None:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    await asyncio.wait_for(consumer.stop(), self._within_s)

    async def _ask(self, question: Callable[[], Awaitable[Answer]]) -> Answer:
        async with self._asking:
            try:
                async with asyncio.timeout(self._within_s):
                    await self._connect()
                    return await question()
            except (KafkaError, OSError, TimeoutError):
                await self.close()
                raise

    async def _connect(self) -> None:
        if self._all is None:
            self._all = self._consumer("read_uncommitted")
            self._committed = self._consumer("read_committed")
            await self._all.start()
            await self._committed.start()

    def _consumer(self, isolation_level: str) -> Any:  # noqa: ANN401 - aiokafka is untyped
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_brokers,
            isolation_level=isolation_level,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )

    async def _offsets(self, places: Iterable[Place], *, committed: bool) -> dict[Place, int]:
        consumer = self._committed if committed else self._all
        known = await consumer.topics()  # all: asking for one by name may make it
        there = [TopicPartition(*place) for place in places if place[0] in known]
        found = await consumer.end_offsets(there) if there else {}
        return {(tp.topic, tp.partition): int(end) for tp, end in found.items()}

    async def _bounds(self, places: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        ends = await self._offsets(places, committed=False)
        firsts = await self._all.beginning_offsets([TopicPartition(*place) for place in ends]) if ends else {}
        return {place: (int(firsts[TopicPartition(*place)]), end) for place, end in ends.items()}

    async def _ends(self, positions: Mapping[Place, int]) -> dict[Place, int]:
        told = await self._offsets(positions, committed=False)
        stable = await self._offsets(told, committed=True)
        before, self._positions = self._positions, dict(positions)
        ends: dict[Place, int] = {}
        looked_at: dict[Place, int] = {}
        for place, end in told.items():
            at = positions[place]
            decided = stable.get(place, end)
            ends[place] = max(end, decided)
            if decided < end or at >= end:
                continue  # what is not decided counts as produced; or there is nothing behind
            if self._nothing.get(place) == (at, decided):
                ends[place] = at
            elif decided - at <= LOOKED_AT_OFFSETS or before.get(place) == at:
                looked_at[place] = decided
        for place in await self._without_records(looked_at, positions):
            self._nothing[place] = positions[place], looked_at[place]
            ends[place] = positions[place]
        return ends

    async def _without_records(self, looked_at: Mapping[Place, int], positions: Mapping[Place, int]) -> list[Place]:
        """Return the partitions that have no committed record between position and end."""
        if not looked_at:
            return []
        consumer = self._committed
        open_ = {TopicPartition(*place): end for place, end in looked_at.items()}
        consumer.assign(list(open_))
        for tp in open_:
            consumer.seek(tp, positions[tp.topic, tp.partition])
        nothing: list[Place] = []
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
