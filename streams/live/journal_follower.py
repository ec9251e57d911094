"""Following the journals for a view in memory: it is fed with every step, and how far it is to be trusted is known.

Started before the broker it waits for it. It never ends because the broker is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from aiokafka.errors import KafkaError

from schemas.journal import Head
from schemas.settings import Settings
from schemas.topics import SOURCES, SourcePartition, journal_of
from streams.journal.step_assembly import Step
from streams.journal.tail import JournalTail
from streams.kafka.log_ends import LogEnds
from streams.live.freshness import Freshness, FreshnessReading
from streams.times import now_ms

LOG_ENDS_EVERY_S: Final = 1.0
#: Numbers are stale soon after: the broker is asked once more before.
ANSWER_WITHIN_S: Final = 2.0
#: The journals are asked several times a second; a fetch and a slow machine take a few.
STUCK_AFTER_S: Final = 30.0
#: Records taken in at one go: others get their turn between.
RECORDS_AT_ONCE: Final = 4_000

_LOG: Final = logging.getLogger(__name__)


class Fed(Protocol):
    """A view that the steps go to."""

    @property
    def heads(self) -> Mapping[SourcePartition, Head]:
        """The newest head of each source partition."""

    def feed(self, steps: list[Step]) -> None:
        """Apply steps."""


class JournalFollower:
    """Reads the journals, and asks where the logs end."""

    def __init__(self, settings: Settings, view: Fed, news: Callable[[], None] = lambda: None) -> None:
        """`news` is called when the view was fed, and once when the journals are read to their ends."""
        self._settings = settings
        self._view = view
        self._news = news
        self.freshness = Freshness()
        self.tail = JournalTail(settings, sources=SOURCES)
        self.connected = False
        #: When the journals were last asked, by the monotonic clock: a part that hangs is seen by it.
        self.polled_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether the journals were read to their ends."""
        return self.connected and self.tail.caught_up()

    def unready(self) -> str | None:
        """Say why the view is not to be relied on yet; None: it is."""
        if self.ready:
            return self.tail.kafka.unready()
        return "reading the journals" if self.connected else "waiting for the Kafka broker and its topics"

    def stuck(self) -> str | None:
        """Say that nothing moves any more; None: it does, if only in waiting for the broker."""
        if not self.freshness.broker_answered(now_ms()):
            return None
        idle_s = time.monotonic() - self.polled_at
        return f"the journals were not asked for {idle_s:.0f} s" if idle_s > STUCK_AFTER_S else None

    def freshness_now(self) -> FreshnessReading:
        """Tell how far to trust the view now."""
        return self.freshness.reading(now_ms(), connected=self.connected, caught_up=self.ready)

    async def follow(self) -> None:
        """Read the journals for ever. Raises JournalVersionError."""
        await self.tail.start()
        self.connected = True
        _LOG.info("reading the journals at %s", self._settings.kafka_brokers)
        logged = False
        while True:
            self.polled_at = time.monotonic()
            steps = await self.tail.steps(timeout_ms=200, max_records=RECORDS_AT_ONCE)
            if steps:
                self._view.feed(steps)
                self.freshness.note_heads(now_ms(), self._next_offsets())
                self._news()
            if not logged and self.ready:
                logged = True
                _LOG.info("the journals are read to their ends")
                self._news()

    def _next_offsets(self) -> dict[SourcePartition, int]:
        return {partition: head.next for partition, head in self._view.heads.items()}

    async def poll_log_ends(self) -> None:
        """Ask the broker every second where its logs end."""
        ends = LogEnds(self._settings, ANSWER_WITHIN_S)
        try:
            while True:
                if self.connected:
                    await self._poll_log_ends(ends)
                else:
                    self.polled_at = time.monotonic()
                await asyncio.sleep(LOG_ENDS_EVERY_S)
        finally:
            await ends.close()

    async def _poll_log_ends(self, ends: LogEnds) -> None:
        asked_at, offsets = now_ms(), self._next_offsets()
        try:
            # As many source partitions as the journals have.
            found = await ends.ends(
                {
                    (source, tp.partition): offsets.get((source, tp.partition), 0)
                    for tp in self.tail.partitions
                    for source in SOURCES
                    if tp.topic == journal_of(source)
                }
            )
        except (KafkaError, OSError, TimeoutError):
            return  # the view's reader sees how old it is, and the tail that Kafka does not answer
        self.freshness.note_log_ends(asked_at, found)
        self.freshness.note_heads(now_ms(), self._next_offsets())

    async def stop(self) -> None:
        """Close the connections."""
        await self.tail.stop()
