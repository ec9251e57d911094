"""Where logs end: the one place that asks a broker for end offsets.

A log's end here is the offset after its last committed record. A broker's end offset is larger where transaction
markers or aborted records follow: a reader that waited for that offset would wait for ever. While a transaction is
open, the records above its first one cannot be read yet, and count as produced. Nothing here moves the position of
another consumer, or creates a topic.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.settings import Settings
from schemas.topics import SourcePartition
from streams.kafka.consumer_end import free_fetched, stop_consumer
from streams.kafka.topic_partitions import known_partitions

#: How long one question may take, all partitions together.
ANSWER_WITHIN_S: Final = 10.0
#: How long a fetch waits at the broker where there is nothing to bring.
FETCH_WAIT_MS: Final = 20
#: A reader whose position moves and lags by more than this has records to read, not only markers.
PROBED_OFFSETS: Final = 5_000


def committed_consumer(settings: Settings, **options: object) -> AIOKafkaConsumer:
    """Make a consumer without a position or auto-commit that reads committed records; `options` override this."""
    defaults = {"isolation_level": "read_committed", "enable_auto_commit": False, "auto_offset_reset": "none"}
    return AIOKafkaConsumer(bootstrap_servers=settings.kafka_brokers, **defaults | options)


class LogEnds:
    """A connection of its own for asking where partitions end. One question at a time."""

    def __init__(self, settings: Settings, within_s: float = ANSWER_WITHIN_S) -> None:
        self._settings = settings
        self._within_s = within_s
        #: Consumers: one sees the broker's end offsets, the other the last stable offsets (LSO).
        self._uncommitted: Any = None
        self._committed: Any = None
        #: By partition: a position, and the offset up to which no committed record follows it.
        self._ends_without_records: dict[SourcePartition, tuple[int, int]] = {}
        self._positions: dict[SourcePartition, int] = {}
        self._lock = asyncio.Lock()

    async def stable(self, partitions: Iterable[SourcePartition]) -> dict[SourcePartition, int]:
        """Return the offsets below which every transaction is decided; partitions that are missing are left out.

        Raises KafkaError, OSError and TimeoutError; the next question connects again.
        """
        async with self._connected():
            return await self._offsets(partitions, committed=True)

    async def ends(self, positions: Mapping[SourcePartition, int]) -> dict[SourcePartition, int]:
        """Return the ends of partitions that are read up to these positions; those that are missing are left out.

        An end equal to the position means that all is read. A position above the end is left as it is. Raises as
        `stable`.
        """
        async with self._connected():
            return await self._ends(positions)

    async def unread(self, positions: Mapping[SourcePartition, int]) -> dict[SourcePartition, int]:
        """Return the ends of partitions that have committed records from these positions on. Raises as `stable`.

        What an open transaction holds back does not count: a reader cannot have it yet.
        """
        async with self._connected():
            stable = await self._offsets(positions, committed=True)
            ends = {partition: end for partition, end in stable.items() if end > positions[partition]}
            without_records = await self._without_records(ends, positions)
            return {partition: end for partition, end in ends.items() if partition not in without_records}

    async def bounds(self, partitions: Iterable[SourcePartition]) -> dict[SourcePartition, tuple[int, int]]:
        """Return first offsets and the broker's end offsets; missing partitions are left out. Raises as `stable`."""
        async with self._connected():
            ends = await self._offsets(partitions, committed=False)
            asked = [TopicPartition(*partition) for partition in ends]
            firsts = await self._uncommitted.beginning_offsets(asked) if asked else {}
            return {partition: (int(firsts[TopicPartition(*partition)]), end) for partition, end in ends.items()}

    async def close(self) -> None:
        """Close the connections; a question opens them again."""
        consumers = [each for each in (self._uncommitted, self._committed) if each is not None]
        self._uncommitted = self._committed = None
        await self._stop(consumers)

    async def _stop(self, consumers: list[Any]) -> None:
        for consumer in consumers:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(stop_consumer(consumer), self._within_s)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                async with asyncio.timeout(self._within_s):
                    await self._connect()
                    yield
            except (KafkaError, OSError, AssertionError):  # aiokafka asserts where its state is bad
                await self.close()
                raise

    async def _connect(self) -> None:
        if self._uncommitted is None:
            consumers = [
                committed_consumer(self._settings, isolation_level=level, fetch_max_wait_ms=FETCH_WAIT_MS)
                for level in ("read_uncommitted", "read_committed")
            ]
            try:
                for consumer in consumers:
                    await consumer.start()
            except BaseException:  # also cancellation: the next caller must not find half a connection
                await self._stop(consumers)
                raise
            self._uncommitted, self._committed = consumers

    async def _offsets(self, partitions: Iterable[SourcePartition], *, committed: bool) -> dict[SourcePartition, int]:
        consumer = self._committed if committed else self._uncommitted
        known = await known_partitions(consumer)  # of others the client would wait for an end in vain
        existing = [TopicPartition(*each) for each in partitions if each[1] in known.get(each[0], ())]
        found = await consumer.end_offsets(existing) if existing else {}
        return {(tp.topic, tp.partition): int(end) for tp, end in found.items()}

    async def _ends(self, positions: Mapping[SourcePartition, int]) -> dict[SourcePartition, int]:
        broker_ends = await self._offsets(positions, committed=False)
        stable = await self._offsets(broker_ends, committed=True)
        before, self._positions = self._positions, dict(positions)
        ends: dict[SourcePartition, int] = {}
        probed: dict[SourcePartition, int] = {}
        for partition, end in broker_ends.items():
            position = positions[partition]
            decided = stable.get(partition, end)
            ends[partition] = max(end, decided)
            if decided < end or position >= end:
                continue  # an open transaction counts as produced; or all is read
            if self._ends_without_records.get(partition) == (position, decided):
                ends[partition] = position
            elif decided - position <= PROBED_OFFSETS or before.get(partition) == position:
                probed[partition] = decided
        for partition in await self._without_records(probed, positions):
            self._ends_without_records[partition] = positions[partition], probed[partition]
            ends[partition] = positions[partition]
        return ends

    async def _without_records(
        self, probed: Mapping[SourcePartition, int], positions: Mapping[SourcePartition, int]
    ) -> list[SourcePartition]:
        """Return the partitions that have no committed record between position and end."""
        if not probed:
            return []
        consumer = self._committed
        pending = {TopicPartition(*partition): end for partition, end in probed.items()}
        consumer.assign(list(pending))
        for tp in pending:
            consumer.seek(tp, positions[tp.topic, tp.partition])
        without_records: list[SourcePartition] = []
        try:
            while pending:
                try:
                    fetched = await consumer.getmany(*pending, timeout_ms=FETCH_WAIT_MS, max_records=len(pending))
                except OffsetOutOfRangeError as error:  # the log begins behind the position: there may be records
                    fetched = dict.fromkeys(error.args[0], True)
                for tp in fetched:
                    pending.pop(tp, None)
                for tp, end in list(pending.items()):
                    if await consumer.position(tp) >= end:
                        without_records.append((tp.topic, tp.partition))
                        del pending[tp]
        finally:
            free_fetched(consumer)
            consumer.assign([])
        return without_records
