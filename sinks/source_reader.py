"""Reading the source topics for the archive: up to where a step says that they are in, and no further.

What stands behind a committed head may still be refused or forwarded by the worker, so it is not archived yet. Records
that are gone, by retention or because the topic was recreated, are named and passed over: nothing may wait for them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from schemas.settings import Settings
from schemas.topics import SOURCES, SourcePartition
from streams.journal.tail import connect, show_lag

#: Records handed on at once.
CHUNK: Final = 5_000
POLL_MS: Final = 100
#: A log that ends below a committed head for so long is another log; a new leader takes a moment to know its end.
GONE_AFTER_MS: Final = 10_000
#: The broker tells the end several times a second; after a longer silence the time starts again.
SILENT_MS: Final = 3_000

_LOG: Final = logging.getLogger(__name__)


class SourceReader:
    """Every partition of the source topics; each stands at the first offset that is not archived."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._consumer: Any = None
        #: Records fetched beyond what was asked for.
        self._ahead: dict[TopicPartition, deque[Any]] = {}
        self._at: dict[TopicPartition, int] = {}
        #: Since when, and when last, the broker said that a log ends too early, UTC milliseconds.
        self._short: dict[TopicPartition, tuple[int, int]] = {}
        #: Partitions of which records were gone before they could be read; whoever sees to it empties it.
        self.gone: set[SourcePartition] = set()

    async def start(self, positions: Mapping[SourcePartition, int]) -> None:
        """Connect, waiting for broker and topics, and stand at the positions."""
        self._consumer = await connect(self._settings, SOURCES, self._group)
        for tp in self._consumer.assignment():
            self._stand(tp, positions.get((tp.topic, tp.partition), 0))
            self._consumer.pause(tp)

    def _stand(self, tp: TopicPartition, offset: int) -> None:
        self._ahead[tp] = deque()
        self._at[tp] = offset
        self._short.pop(tp, None)
        self._consumer.seek(tp, offset)

    def rewind(self, partition: SourcePartition) -> None:
        """Continue at offset 0: the topic was recreated."""
        tp = TopicPartition(*partition)
        if tp in self._at:
            self._stand(tp, 0)

    async def below(self, ends: Mapping[SourcePartition, int]) -> AsyncIterator[tuple[TopicPartition, list[Any]]]:
        """Yield the records below each end, in order per partition; returns when all were, or are gone.

        Waits while the broker is away.
        """
        wanted = {tp: end for of, end in ends.items() if self._at.get(tp := TopicPartition(*of), end) < end}
        for tp, end in wanted.items():
            if records := self._take(tp, end):
                yield tp, records
        wanted = {tp: end for tp, end in wanted.items() if self._at[tp] < end}
        self._consumer.resume(*wanted)
        try:
            while wanted:
                for tp, fetched in (await self._fetch(list(wanted))).items():
                    self._ahead[tp].extend(fetched)
                    if records := self._take(tp, wanted[tp]):
                        yield tp, records
                through = [tp for tp, end in wanted.items() if await self._is_through(tp, end)]
                self._consumer.pause(*through)
                wanted = {tp: end for tp, end in wanted.items() if tp not in through}
        finally:
            self._consumer.pause(*wanted)

    def _take(self, tp: TopicPartition, end: int) -> list[Any]:
        ahead, records = self._ahead[tp], []
        while ahead and ahead[0].offset < end:
            records.append(ahead.popleft())
        if records:
            self._at[tp] = records[-1].offset + 1
        if ahead:  # offsets between may hold no record
            self._at[tp] = max(self._at[tp], end)
        return records

    async def _fetch(self, tps: list[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        try:
            found = await self._consumer.getmany(*tps, timeout_ms=POLL_MS, max_records=CHUNK)
        except OffsetOutOfRangeError as error:
            await self._to_the_first(list(error.args[0]))
        except KafkaError as error:
            _LOG.warning("reading the events failed, trying again: %s", error)
            await asyncio.sleep(POLL_MS / 1000)
        return found

    async def _to_the_first(self, tps: list[TopicPartition]) -> None:
        """Stand at the first record that is still there."""
        try:
            first = await self._consumer.beginning_offsets(tps)
        except KafkaError as error:
            _LOG.warning("Kafka did not tell the first offsets of the source topics, trying again: %s", error)
            return
        for tp in tps:
            at = self._at[tp]
            if first[tp] > at:
                self.gone.add((tp.topic, tp.partition))
                _LOG.error(
                    "%s/%d: offsets %d to %d were deleted by retention before they were archived, and are archived"
                    " from the journal: raise retention_days",
                    *(tp.topic, tp.partition, at, first[tp] - 1),
                )
            self._stand(tp, first[tp])

    async def _is_through(self, tp: TopicPartition, end: int) -> bool:
        """Tell whether all below the end was read, or will never come."""
        if not self._ahead[tp]:
            self._at[tp] = max(self._at[tp], await self._consumer.position(tp))
        log_end = self._consumer.highwater(tp)
        if self._at[tp] >= end or log_end is None or log_end >= end:
            self._short.pop(tp, None)
            return self._at[tp] >= end
        if not self._stays_short(tp, self._consumer.last_poll_timestamp(tp) or 0):
            return False
        self.gone.add((tp.topic, tp.partition))
        _LOG.error(
            "%s/%d: offsets %d to %d were counted, but are no longer in the topic: archived from the journal",
            *(tp.topic, tp.partition, self._at[tp], end - 1),
        )
        self._at[tp] = end
        return True

    def _stays_short(self, tp: TopicPartition, told: int) -> bool:
        """Tell whether the broker has kept saying so for long: one that is away has said nothing."""
        since, last = self._short.get(tp, (told, told))
        if told - last > SILENT_MS:
            since = told
        self._short[tp] = since, told
        return told - since >= GONE_AFTER_MS

    async def commit(self, partitions: Iterable[SourcePartition]) -> None:
        """Show others how far the archive is."""
        offsets = {tp: self._at[tp] for partition in partitions if (tp := TopicPartition(*partition)) in self._at}
        await show_lag(self._consumer, offsets)

    async def stop(self) -> None:
        """Close the connection; a second call does nothing."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError):
                await consumer.stop()
