"""Counts recent dead letters: of the records of their topic only the times are kept."""

import asyncio
import time
from bisect import bisect_left
from contextlib import suppress
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import committed_consumer
from streams.kafka.topic_partitions import known_partitions, partitions_of
from streams.tasks import cancel

#: A judgement does not wait: what has been fetched by now is counted, the rest a second later.
_POLL_MS: Final = 0
#: A dead letter can be large, and only its time is wanted.
_FETCH_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 500
#: How often it is asked whether the topic was given partitions.
ADDED_EVERY_S: Final = 30.0


class DeadLetterCount:
    """A reader of the dead letters since a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = committed_consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
        #: Record times in order.
        self._times: list[int] = []
        self._asked_at = 0.0
        self._question: asyncio.Task[frozenset[int]] | None = None

    async def start(self, since: int) -> None:
        """Begin with the dead letters from a time on, in UTC milliseconds.

        Raises KafkaError, OSError and TopicsMissingError.
        """
        await self._consumer.start()
        partitions = await partitions_of(self._consumer, [DEAD_LETTERS], self._settings.kafka_brokers)
        self._consumer.assign(partitions)
        found = await self._consumer.offsets_for_times(dict.fromkeys(partitions, since))
        ends = await self._consumer.end_offsets(partitions)
        for partition in partitions:
            self._consumer.seek(partition, found[partition].offset if found[partition] else ends[partition])
        self._asked_at = time.monotonic()

    async def read(self) -> None:
        """Note what has come. Raises KafkaError."""
        await self._read_added()
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        if fetched:
            self._times = sorted([*self._times, *(each.timestamp for records in fetched.values() for each in records)])

    def since(self, at: int) -> int:
        """Count those from a time on; those before are forgotten."""
        del self._times[: bisect_left(self._times, at)]
        return len(self._times)

    async def stop(self) -> None:
        """Close the connection."""
        if self._question is not None:
            await cancel(self._question)
        await stop_consumer(self._consumer)

    async def _read_added(self) -> None:
        """Read partitions, too, that the topic was given since: from their beginning. Never waits for the answer."""
        if self._question is None:
            if time.monotonic() - self._asked_at >= ADDED_EVERY_S:
                self._question = asyncio.create_task(self._partitions())
            return
        if not self._question.done():
            return
        known, self._question, self._asked_at = self._question.result(), None, time.monotonic()
        positions = {partition: await self._consumer.position(partition) for partition in self._consumer.assignment()}
        added = {TopicPartition(DEAD_LETTERS, number) for number in known} - positions.keys()
        if not added:
            return
        self._consumer.assign([*positions, *added])  # which forgets positions
        for partition, offset in (positions | dict.fromkeys(added, 0)).items():
            self._consumer.seek(partition, offset)

    async def _partitions(self) -> frozenset[int]:
        """Ask for the topic's partitions; none where Kafka does not answer: it is asked again."""
        with suppress(KafkaError):
            return (await known_partitions(self._consumer)).get(DEAD_LETTERS, frozenset())
        return frozenset()
