"""Counts recent dead letters: of the records of their topic only the times are kept."""

from bisect import bisect_left
from typing import Any, Final

from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import committed_consumer
from streams.kafka.topic_partitions import partitions_of

#: A judgement does not wait: what has been fetched by now is counted, the rest a second later.
_POLL_MS: Final = 0
#: A dead letter can be large, and only its time is wanted.
_FETCH_BYTES: Final = 1024 * 1024
_AT_ONCE: Final = 500


class DeadLetterCount:
    """A reader of the dead letters since a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = committed_consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
        #: Record times in order.
        self._times: list[int] = []

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

    async def read(self) -> None:
        """Note what has come. Raises KafkaError."""
        fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_AT_ONCE)
        if fetched:
            self._times = sorted([*self._times, *(each.timestamp for records in fetched.values() for each in records)])

    def since(self, at: int) -> int:
        """Count those from a time on; those before are forgotten."""
        del self._times[: bisect_left(self._times, at)]
        return len(self._times)

    async def stop(self) -> None:
        """Close the connection."""
        await stop_consumer(self._consumer)
