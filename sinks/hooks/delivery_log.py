"""Writes the topic `alert_deliveries`, the memory of the deliverer; one process at a time may write it.

Records of attempts that end at the same time are written together. The deliverer's own state is in the same transaction
as the deliveries that it belongs to, so no change is passed without its deliveries.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from schemas.alerts import ALERT_DELIVERIES, STATE_KEY, DeliveryRecord
from schemas.settings import Settings
from streams.alert_engine.leadership import SESSION_MS
from streams.kafka.fenced_topic import FencedTopic
from streams.tasks import run_to_completion
from streams.times import now_ms

#: For so long after a write no other deliverer can have taken over: Kafka waits for this one for a whole session.
CERTAIN_FOR_S: Final = SESSION_MS / 2_000
#: A transaction takes milliseconds; one that takes so long although Kafka answers is stuck.
STUCK_AFTER_S: Final = 60.0


class DeliveryLog:
    """The writer of the topic. After a failure it is of no further use: open another."""

    def __init__(self, settings: Settings) -> None:
        self._topic = FencedTopic(settings, ALERT_DELIVERIES, "hooks")
        self._waiting: list[tuple[list[DeliveryRecord], asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self._state = b""
        self._is_asked = False
        #: When the last write that Kafka took began, by the monotonic clock and in UTC milliseconds.
        self._certain_at = -CERTAIN_FOR_S, 0
        #: When the write under way began, by the monotonic clock.
        self._writes_since: float | None = None

    async def open(self, deliverer: str) -> dict[bytes, bytes]:
        """Fence every older deliverer and return all records by key. Raises KafkaError, OSError, TimeoutError."""
        return await self._topic.open(deliverer)

    async def put(self, records: Iterable[DeliveryRecord]) -> None:
        """Return once the records are written, with the deliverer's present or a later state."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((list(records), written))
        self._news.set()
        await written

    async def certify(self) -> None:
        """Return once it is certain that no other deliverer has taken over up to a moment ago.

        A process that was stopped for a while finds out here that another one took its place. Raises what `write` does,
        in the task that writes.
        """
        while not self._is_certain():
            self._is_asked = True
            await self.put([])

    def _is_certain(self) -> bool:
        # Either clock may stand still while a process is stopped, or a machine sleeps.
        since, at = self._certain_at
        return time.monotonic() - since < CERTAIN_FOR_S and abs(now_ms() - at) < CERTAIN_FOR_S * 1000

    def stuck(self) -> str | None:
        """Say that a write does not end; None: none is under way for long."""
        if self._writes_since is None or (lasts_s := time.monotonic() - self._writes_since) <= STUCK_AFTER_S:
            return None
        return f"a write to {ALERT_DELIVERIES} does not end, for {lasts_s:.0f} s"

    async def write(self, state: Callable[[], bytes]) -> None:
        """Write what is put, for ever. Raises what aiokafka does."""
        while True:
            await self._news.wait()
            self._news.clear()
            taken, self._waiting = self._waiting, []
            newest = {each.webhook_id: each for records, _ in taken for each in records}
            pairs = [(name.encode(), each.model_dump_json().encode()) for name, each in newest.items()]
            if (now := state()) != self._state or self._is_asked:
                pairs.append((STATE_KEY, now))  # at the end: the deliveries of the alerts that it names come before it
            if pairs:
                self._is_asked = False
                self._writes_since, begun_at = time.monotonic(), now_ms()
                await run_to_completion(self._topic.write(pairs))  # stopped within a write, a producer may hang
                self._certain_at, self._writes_since = (self._writes_since, begun_at), None
            self._state = now
            for _, written in taken:
                if not written.done():  # else nobody waits for it any more
                    written.set_result(None)

    async def stop(self) -> None:
        """End the producer. Never while something is being written."""
        await self._topic.stop()
