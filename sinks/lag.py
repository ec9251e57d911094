"""How far ClickHouse is behind what was produced, by source partition.

Log ends come from fetch responses: the embedded broker's ListOffsets names the start of the last batch. Reading only;
nothing here may move a position or make a topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka.errors import OffsetOutOfRangeError

from schemas.settings import Settings
from schemas.topics import SOURCES
from sinks.rows import Progress
from streams.journal.tail import connect

#: A fetch of nothing answers within 100 ms; so long is waited for every partition's answer.
ANSWER_S: Final = 10.0
_POLL_MS: Final = 150

#: A source topic and a partition of it.
Place = tuple[str, int]


class Lag(NamedTuple):
    """One source partition: events below `end` were produced, those below `next` are in ClickHouse."""

    topic: str
    partition: int
    end: int
    next: int
    #: Contacts whose events are read and wait for ClickHouse.
    parked: int = 0

    @property
    def behind(self) -> int:
        """Offsets that are not in yet. A topic that was made anew, and is not known yet, is wholly behind."""
        return (self.end - self.next if self.next <= self.end else self.end) + self.parked


class Ends:
    """Asks for the source topics' ends."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._consumer: Any = None

    async def start(self) -> None:
        """Connect; waits for the broker and the topics."""
        self._consumer = await connect(self._settings, SOURCES)

    async def stop(self) -> None:
        """Close the connection."""
        if self._consumer is not None:
            await self._consumer.stop()

    async def lags(self, progress: Iterable[Progress]) -> list[Lag]:
        """Compare the ends as of now with what is in. Raises TimeoutError where the broker does not answer."""
        progress = list(progress)
        nexts = {(row.topic, row.partition): row.next for row in progress}
        parked = {(row.topic, row.partition): row.parked for row in progress}
        consumer, lags = self._consumer, []
        partitions = sorted(consumer.assignment())
        for tp in partitions:
            consumer.seek(tp, nexts.get((tp.topic, tp.partition), 0))
        unread = await self._ask(partitions)
        for tp in partitions:
            at = nexts.get((tp.topic, tp.partition), 0)
            end = consumer.highwater(tp) or 0
            # A log that ends with a transaction's marker, which is no event, is read to its end before it.
            if tp not in unread and at <= end <= await consumer.position(tp):
                end = at
            lags.append(Lag(tp.topic, tp.partition, end, at, parked.get((tp.topic, tp.partition), 0)))
        return lags

    async def ends(self, known: Mapping[Place, int]) -> dict[Place, int]:
        """Tell where each partition ends now; `known` are ends seen before. Raises TimeoutError."""
        consumer, partitions = self._consumer, sorted(self._consumer.assignment())
        for tp in partitions:
            consumer.seek(tp, known.get((tp.topic, tp.partition), 0))
        await self._ask(partitions)
        return {(tp.topic, tp.partition): consumer.highwater(tp) or 0 for tp in partitions}

    async def _ask(self, partitions: list[Any]) -> set[Any]:
        """Have every partition fetched once; returns those with records at or behind their positions."""
        consumer = self._consumer
        before = {tp: consumer.last_poll_timestamp(tp) for tp in partitions}
        unread: set[Any] = set()
        anew: set[Any] = set()
        async with asyncio.timeout(ANSWER_S):
            while any(consumer.last_poll_timestamp(tp) == before[tp] and tp not in anew for tp in partitions):
                try:
                    unread |= set(await consumer.getmany(timeout_ms=_POLL_MS))
                except OffsetOutOfRangeError as error:
                    anew |= set(error.args[0])
        return unread
