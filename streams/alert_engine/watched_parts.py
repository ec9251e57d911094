"""Watches the sink and the deliverer of hooks through Kafka: when each was last seen, and its oldest unread record.

It runs at the same time as the judgements and delays none: each judgement uses the latest readings. A part that was
never seen, such as a deliverer in an installation without hooks, is not watched. While Kafka does not answer, nothing
is known, and no part counts as away.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from pydantic import ValidationError

from schemas.alerts import ALERT_DELIVERIES, ALERTS, STATE_KEY, DelivererState
from schemas.settings import Settings
from schemas.topics import SOURCES, SourcePartition, journal_of
from streams.alerts.pipeline_rules import PartReading
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.cluster import Cluster
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer
from streams.kafka.topic_reader import reading
from streams.times import now_ms

#: Twice as often as a part shows that it is there, and far below `pipeline.away`.
EVERY_S: Final = 5.0
#: Reading the first unread records of a few dozen partitions takes a fraction of it.
_WITHIN_S: Final = 5.0
_POLL_MS: Final = 200

_LOG: Final = logging.getLogger(__name__)

Positions = Mapping[SourcePartition, int]


class _Watched:
    """One part."""

    def __init__(self) -> None:
        #: When the part was last seen, and when Kafka was last asked about it, UTC milliseconds.
        self._seen_at = 0
        self._asked_at = 0
        #: What was seen of it, such as the offsets that it committed: a change is a sign of life.
        self._sign: object = None
        #: When its oldest unread record was written, UTC milliseconds; None: there is none.
        self.unread_since: int | None = None

    def note(self, sign: object, now: int) -> None:
        """Note what was seen of a part; None: nothing, because it never ran or has ended."""
        if sign is not None and sign != self._sign:
            self._sign, self._seen_at = sign, now
        self._asked_at = now

    def reading(self, now: int) -> PartReading | None:
        """Return what is known of it; None: it was never seen."""
        if not self._seen_at:
            return None
        behind_ms = 0 if self.unread_since is None else max(0, now - self.unread_since)
        return PartReading(now - (self._asked_at - self._seen_at), behind_ms)


class WatchedParts:
    """The latest readings of the sink and of the deliverer."""

    def __init__(self, settings: Settings, every_s: float = EVERY_S) -> None:
        self._settings = settings
        self._every_s = every_s
        self._parts = {"sink": _Watched(), "hooks": _Watched()}
        #: How far the deliverer has read the topic of alerts.
        self._told_to: int | None = None

    def readings(self, now: int) -> dict[str, PartReading]:
        """Return the reading of each part that was ever seen."""
        found = {name: part.reading(now) for name, part in self._parts.items()}
        return {name: reading for name, reading in found.items() if reading is not None}

    async def watch(self) -> None:
        """Ask Kafka again and again, for ever; it may be away."""
        following = asyncio.ensure_future(self._follow_deliveries())
        cluster = Cluster(self._settings, _WITHIN_S)
        ends = LogEnds(self._settings, _WITHIN_S)
        try:
            while True:
                try:
                    await self.look(cluster, ends)
                except (KafkaError, OSError) as error:  # of the cluster and of time limits, too
                    _LOG.debug("the sink and the deliverer are not seen: %r", error)
                await asyncio.sleep(self._every_s)
        finally:
            following.cancel()
            await asyncio.wait([following])
            await ends.close()
            await cluster.stop()

    async def look(self, cluster: Cluster, ends: LogEnds) -> None:
        """Ask once. Raises KafkaError, OSError and TimeoutError."""
        offsets = await cluster.group_offsets(f"{self._settings.application}-sink")
        self._parts["sink"].note(offsets or None, now_ms())
        members = await cluster.members(f"{self._settings.application}-hooks")
        now = now_ms()
        self._parts["hooks"].note((now, members) if members else None, now)  # each time they are there is a sign
        journals = {journal_of(source) for source in SOURCES}
        by_part: dict[str, Positions] = {
            "sink": {partition: offset for partition, (offset, _) in offsets.items() if partition[0] in journals},
            "hooks": {} if self._told_to is None else {(ALERTS, 0): self._told_to},
        }
        for name, positions in by_part.items():
            unread = await ends.unread(positions) if positions else {}
            self._parts[name].unread_since = (
                await self._oldest({of: positions[of] for of in unread}) if unread else None
            )

    async def _oldest(self, positions: Positions) -> int | None:
        """Return the time of the oldest of the first records from these offsets on; None if no record comes."""
        oldest: int | None = None
        wanted = {TopicPartition(*of): offset for of, offset in positions.items()}
        async with _consumer(self._settings) as consumer, asyncio.timeout(_WITHIN_S):
            consumer.assign(list(wanted))
            for partition, offset in wanted.items():
                consumer.seek(partition, offset)
            while wanted:
                try:
                    fetched = await consumer.getmany(*wanted, timeout_ms=_POLL_MS, max_records=len(wanted))
                except OffsetOutOfRangeError as error:  # the log begins later, or is another one
                    fetched = dict.fromkeys(error.args[0], ())
                for partition, records in fetched.items():
                    wanted.pop(partition, None)
                    times = [record.timestamp for record in records]
                    oldest = min([*times, *([] if oldest is None else [oldest])], default=None)
        return oldest

    async def _follow_deliveries(self) -> None:
        """Follow the deliverer's position in the topic `alerts`, for ever: its own record has it."""
        while True:
            try:
                async with reading(self._settings, ALERT_DELIVERIES) as records:
                    while True:
                        for record in await records.records():
                            if record.key == STATE_KEY and record.value is not None:
                                self._told_to = DelivererState.model_validate_json(record.value).position
            except (KafkaError, OSError, TopicsMissingError, ValidationError) as error:
                _LOG.debug("how far the deliverer is is not known: %r", error)
            await asyncio.sleep(self._every_s)


@asynccontextmanager
async def _consumer(settings: Settings) -> AsyncIterator[Any]:
    async with AsyncExitStack() as stack:
        consumer = committed_consumer(settings, fetch_max_wait_ms=_POLL_MS)
        stack.push_async_callback(stop_consumer, consumer)
        await consumer.start()
        yield consumer
