"""How far ClickHouse is behind what was produced, by source partition. Reading only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from schemas.settings import Settings
from schemas.topics import SOURCES, SourcePartition
from sinks.rows import Progress
from streams.journal.tail import connect
from streams.kafka.cluster import Cluster
from streams.kafka.log_ends import LogEnds


class Lag(NamedTuple):
    """One source partition: events below `end` were produced, those below `next` are in ClickHouse."""

    topic: str
    partition: int
    end: int
    next: int
    #: Contacts with parked events.
    parked: int = 0

    @property
    def behind(self) -> int:
        """Events that are not in ClickHouse yet. A topic that was recreated, and has no epoch yet, is wholly behind."""
        return (self.end - self.next if self.next <= self.end else self.end) + self.parked


class LagReader:
    """Compares the sink's progress with the ends of the source topics at the first call: later events do not count."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._cluster = Cluster(settings)
        self._ends = LogEnds(settings)
        self._first_ends: dict[SourcePartition, int] = {}

    async def start(self) -> None:
        """Wait for the broker and the topics, for as long as it takes."""
        await (await connect(self._settings, SOURCES)).stop()

    async def stop(self) -> None:
        """Close the connections."""
        await self._ends.close()
        await self._cluster.stop()

    async def read(self, progress: Iterable[Progress]) -> list[Lag]:
        """Compare the progress with the ends at the first call.

        Raises TimeoutError, OSError and KafkaError where the broker does not answer.
        """
        rows = {(row.topic, row.partition): row for row in progress}
        topics = await self._cluster.topics()
        partitions = [(name, number) for name in SOURCES if name in topics for number in range(topics[name].partitions)]
        nexts = {partition: rows[partition].next if partition in rows else 0 for partition in partitions}
        ends = await self._ends.ends(nexts)
        self._first_ends = ends | self._first_ends
        for partition, end in ends.items():
            if end >= (position := nexts[partition]):  # else the topic was recreated
                ends[partition] = max(position, min(end, self._first_ends[partition]))
        return [
            Lag(*partition, ends[partition], nexts[partition], rows[partition].parked if partition in rows else 0)
            for partition in partitions
            if partition in ends
        ]
