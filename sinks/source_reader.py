"""Reads the source topics for the archive, up to the offsets that a step has counted and no further.

The worker may still set aside records after a committed head, so they are not archived yet. Records that were lost, by
retention or because the topic was recreated, are logged and skipped: nothing may wait for them.
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
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.topic_partitions import known_partitions

#: Records in one fetch.
FETCH_RECORDS: Final = 5_000
POLL_MS: Final = 100
#: A log that ends below a committed head for so long was recreated; a new leader needs a moment to know its end.
LOST_AFTER_MS: Final = 10_000
#: The broker reports the end several times a second; after a longer silence the time is measured again.
SILENT_MS: Final = 3_000

_LOG: Final = logging.getLogger(__name__)


class SourceReader:
    """All partitions of the source topics, each read from the first offset that is not archived."""

    def __init__(self, settings: Settings, group: str) -> None:
        self._settings = settings
        self._group = group
        self._consumer: Any = None
        #: Records that were fetched and not returned yet.
        self._fetched: dict[TopicPartition, deque[Any]] = {}
        #: The next offset to return.
        self._next: dict[TopicPartition, int] = {}
        #: Of a log that ends too early: when the broker first and last said so, UTC milliseconds.
        self._short_since: dict[TopicPartition, tuple[int, int]] = {}
        #: Partitions with records that were lost before they were read; the caller removes what it has handled.
        self.lost: set[SourcePartition] = set()

    async def start(self, positions: Mapping[SourcePartition, int]) -> None:
        """Connect, waiting for broker and topics, and seek to the positions."""
        self._consumer = await connect(self._settings, SOURCES, self._group)
        for tp in self._consumer.assignment():
            self._seek(tp, positions.get((tp.topic, tp.partition), 0))
            self._consumer.pause(tp)

    def _seek(self, tp: TopicPartition, offset: int) -> None:
        self._fetched[tp] = deque()
        self._next[tp] = offset
        self._short_since.pop(tp, None)
        self._consumer.seek(tp, offset)

    def rewind(self, partition: SourcePartition) -> None:
        """Continue at offset 0: the topic was recreated."""
        tp = TopicPartition(*partition)
        if tp in self._next:
            self._seek(tp, 0)

    async def records_below(
        self, ends: Mapping[SourcePartition, int]
    ) -> AsyncIterator[tuple[TopicPartition, list[Any]]]:
        """Yield the records below each end, in order per partition; returns once all were yielded or are lost.

        Waits while the broker is away.
        """
        await self._read_added({TopicPartition(*of) for of in ends} - self._next.keys())
        wanted = {tp: end for of, end in ends.items() if self._next.get(tp := TopicPartition(*of), end) < end}
        for tp, end in wanted.items():
            if records := self._pop_below(tp, end):
                yield tp, records
        wanted = {tp: end for tp, end in wanted.items() if self._next[tp] < end}
        self._consumer.resume(*wanted)
        try:
            while wanted:
                for tp, fetched in (await self._fetch(list(wanted))).items():
                    self._fetched[tp].extend(fetched)
                    if records := self._pop_below(tp, wanted[tp]):
                        yield tp, records
                done = [tp for tp, end in wanted.items() if await self._is_done(tp, end)]
                self._consumer.pause(*done)
                wanted = {tp: end for tp, end in wanted.items() if tp not in done}
        finally:
            self._consumer.pause(*wanted)

    async def _read_added(self, unknown: set[TopicPartition]) -> None:
        """Read partitions, too, that a topic was given since; a journal may have some that its source lost."""
        added: list[TopicPartition] = []
        while unknown:
            try:
                known = await known_partitions(self._consumer)
                added = [tp for tp in unknown if tp.partition in known.get(tp.topic, ())]
                break
            except KafkaError as error:
                _LOG.warning("Kafka did not tell the partitions of the source topics, trying again: %s", error)
                await asyncio.sleep(POLL_MS / 1000)
        if not added:
            return
        positions = self._next | dict.fromkeys(added, 0)
        self._consumer.assign(list(positions))
        for tp, offset in positions.items():
            self._seek(tp, offset)
            self._consumer.pause(tp)

    def _pop_below(self, tp: TopicPartition, end: int) -> list[Any]:
        fetched, records = self._fetched[tp], []
        while fetched and fetched[0].offset < end:
            records.append(fetched.popleft())
        if records:
            self._next[tp] = records[-1].offset + 1
        if fetched:  # offsets between may hold no record
            self._next[tp] = max(self._next[tp], end)
        return records

    async def _fetch(self, tps: list[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        found: dict[TopicPartition, list[Any]] = {}
        try:
            found = await self._consumer.getmany(*tps, timeout_ms=POLL_MS, max_records=FETCH_RECORDS)
        except OffsetOutOfRangeError as error:
            await self._skip_deleted(list(error.args[0]))
        except KafkaError as error:
            _LOG.warning("reading the events failed, trying again: %s", error)
            await asyncio.sleep(POLL_MS / 1000)
        return found

    async def _skip_deleted(self, tps: list[TopicPartition]) -> None:
        """Seek to the first records that are still there."""
        try:
            first = await self._consumer.beginning_offsets(tps)
        except KafkaError as error:
            _LOG.warning("Kafka did not tell the first offsets of the source topics, trying again: %s", error)
            return
        for tp in tps:
            at = self._next[tp]
            if first[tp] > at:
                self.lost.add((tp.topic, tp.partition))
                _LOG.error(
                    "%s/%d: offsets %d to %d were deleted by retention before they were archived, and are archived"
                    " from the journal: raise retention_days",
                    *(tp.topic, tp.partition, at, first[tp] - 1),
                )
            self._seek(tp, first[tp])

    async def _is_done(self, tp: TopicPartition, end: int) -> bool:
        """Tell whether all records below the end were read, or are lost."""
        if not self._fetched[tp]:
            self._next[tp] = max(self._next[tp], await self._consumer.position(tp))
        log_end = self._consumer.highwater(tp)
        if self._next[tp] >= end or log_end is None or log_end >= end:
            self._short_since.pop(tp, None)
            return self._next[tp] >= end
        if not self._stays_short(tp, self._consumer.last_poll_timestamp(tp) or 0):
            return False
        self.lost.add((tp.topic, tp.partition))
        _LOG.error(
            "%s/%d: offsets %d to %d were counted, but are no longer in the topic: archived from the journal",
            *(tp.topic, tp.partition, self._next[tp], end - 1),
        )
        self._next[tp] = end
        return True

    def _stays_short(self, tp: TopicPartition, answered_at: int) -> bool:
        """Tell whether the broker has said so for long enough; one that does not answer has said nothing."""
        since, last = self._short_since.get(tp, (answered_at, answered_at))
        if answered_at - last > SILENT_MS:
            since = answered_at
        self._short_since[tp] = since, answered_at
        return answered_at - since >= LOST_AFTER_MS

    async def commit(self, partitions: Iterable[SourcePartition]) -> None:
        """Show others how far the archive is."""
        offsets = {tp: self._next[tp] for partition in partitions if (tp := TopicPartition(*partition)) in self._next}
        await show_lag(self._consumer, offsets)

    async def stop(self) -> None:
        """Close the connection; a second call does nothing."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError):
                await stop_consumer(consumer)
