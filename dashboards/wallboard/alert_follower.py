"""Follows the topic `alerts`: keeps the alerts that fire in memory, and knows whether they are up to date.

They are up to date if everything is read that was committed when the broker was last asked, and an SLA engine runs:
without an engine nobody judges, and a topic without news says nothing. At each connection the topic is read from its
beginning, so that nothing of a recreated topic remains. The follower never ends because the broker is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from dashboards.wallboard.alert_list import AlertsReading, FiringAlerts
from schemas.alerts import ALERTS
from schemas.settings import Settings
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.log_ends import LogEnds
from streams.kafka.topic_reader import TopicReader, reading

#: What is known is stale after so long.
STALE_AFTER_S: Final = 5.0
_ENDS_EVERY_S: Final = 1.0
_ENGINE_EVERY_S: Final = 3.0
_ANSWER_WITHIN_S: Final = 2.0
#: Between two attempts to reach Kafka.
_AGAIN_S: Final = 1.0

_UNREACHABLE: Final = (KafkaError, OSError, TimeoutError)
_LOG: Final = logging.getLogger(__name__)


class AlertFollower:
    """Reads the topic `alerts`, for ever."""

    def __init__(self, settings: Settings, news: Callable[[], None] = lambda: None) -> None:
        """`news` is called when what fires has changed."""
        self._settings = settings
        self._news = news
        self.alerts = FiringAlerts()
        #: When all that was committed was known to be read, by the monotonic clock; None: not since the start.
        self._as_of: float | None = None
        #: When an engine was last seen; None: not since the start.
        self._engine_at: float | None = None
        self._answered_at: float | None = None

    def reading(self) -> AlertsReading:
        """Tell how far to trust the alerts now."""
        now = time.monotonic()

        def recent(at: float | None, within_s: float = STALE_AFTER_S) -> bool:
            return at is not None and now - at <= within_s

        if not recent(self._answered_at):
            reason = "the Kafka broker does not answer"
        elif not recent(self._as_of):
            reason = "the topic alerts is being read"
        elif not recent(self._engine_at, 2 * STALE_AFTER_S):
            reason = "nobody judges: does the SLA engine run?"
        elif self.alerts.unreadable:
            reason = f"{len(self.alerts.unreadable)} alerts were written by another version, which this one cannot read"
        else:
            return AlertsReading("live", "")
        return AlertsReading("waiting" if self._as_of is None else "stale", reason)

    async def follow(self) -> None:
        """Read the topic for ever; waits for Kafka and the topic, and says so."""
        waits = False
        while True:
            try:
                async with reading(self._settings, ALERTS) as reader:
                    waits = False
                    await self._read(reader)
            except (*_UNREACHABLE, TopicsMissingError) as error:
                if not waits:
                    _LOG.warning("alerts are not shown until Kafka answers: %s", str(error) or repr(error))
                waits = True
            await asyncio.sleep(_AGAIN_S)

    async def _read(self, reader: TopicReader) -> None:
        """Read from the beginning; what was known before stays until all of the topic is read."""
        alerts, ends = FiringAlerts(), LogEnds(self._settings, _ANSWER_WITHIN_S)
        alerts.version = self.alerts.version + 1
        asked_at, end = float("-inf"), None
        try:
            while True:
                if time.monotonic() - asked_at >= _ENDS_EVERY_S:
                    asked_at = time.monotonic()
                    end = await self._end(ends)
                records = await reader.records()
                alerts.apply(records)
                if end is not None and await reader.position() >= end:
                    self._as_of, end = asked_at, None
                    if alerts is not self.alerts:
                        self.alerts = alerts
                        self._news()
                if records and alerts is self.alerts:
                    self._news()
        finally:
            await ends.close()

    async def _end(self, ends: LogEnds) -> int | None:
        """Ask where the topic's committed records end; None where the broker does not answer."""
        try:
            end = (await ends.stable([(ALERTS, 0)])).get((ALERTS, 0))
        except _UNREACHABLE:
            return None
        if end is None:
            raise TopicsMissingError(self._settings.kafka_brokers, [ALERTS])
        self._answered_at = time.monotonic()
        return end

    async def watch_engine(self) -> None:
        """Check for ever whether an SLA engine runs: whether its consumer group has a member."""
        while True:
            admin: Any = AIOKafkaAdminClient(bootstrap_servers=self._settings.kafka_brokers)
            try:
                await admin.start()
                while True:
                    if await self._has_engine(admin):
                        self._engine_at = time.monotonic()
                    await asyncio.sleep(_ENGINE_EVERY_S)
            except _UNREACHABLE:
                pass  # the reader of the topic says that Kafka does not answer
            finally:
                await admin.close()
            await asyncio.sleep(_AGAIN_S)

    async def _has_engine(self, admin: Any) -> bool:  # noqa: ANN401 - aiokafka carries no types
        group = f"{self._settings.application}-alerts"
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            (answer,) = await admin.describe_consumer_groups([group])
        return any(described[5] for described in answer.groups)  # its members
