"""The topic `alert_deliveries` from the deliverer's side: what is kept of deliveries, written by one process at a time.

Records of attempts that end at the same time are written together. The deliverer's own state goes with the records
that it belongs to, in one transaction: a change that counts as told has its deliveries.
"""

import asyncio
from collections.abc import Callable, Iterable

from schemas.alerts import ALERT_DELIVERIES, STATE_KEY, DeliveryRecord
from schemas.settings import Settings
from streams.kafka.fenced_topic import FencedTopic
from streams.tasks import run_to_completion


class DeliveryLog:
    """The writer of the topic. After a failure it is of no further use: open another."""

    def __init__(self, settings: Settings) -> None:
        self._topic = FencedTopic(settings, ALERT_DELIVERIES, "hooks")
        self._waiting: list[tuple[list[DeliveryRecord], asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self._state = b""

    async def open(self, deliverer: str) -> dict[bytes, bytes]:
        """Fence every older deliverer and return all records by key. Raises KafkaError, OSError, TimeoutError."""
        return await self._topic.open(deliverer)

    async def put(self, records: Iterable[DeliveryRecord]) -> None:
        """Have records written with the state as it is now or later, and return once they are."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append((list(records), written))
        self._news.set()
        await written

    async def write(self, state: Callable[[], bytes]) -> None:
        """Write what is put, for ever. Raises what aiokafka does."""
        while True:
            await self._news.wait()
            self._news.clear()
            taken, self._waiting = self._waiting, []
            newest = {each.webhook_id: each for records, _ in taken for each in records}
            pairs = [(name.encode(), each.model_dump_json().encode()) for name, each in newest.items()]
            if (now := state()) != self._state:
                pairs.append((STATE_KEY, now))
            if pairs:
                await run_to_completion(self._topic.write(pairs))  # stopped within a write, a producer may hang
            self._state = now
            for _, written in taken:
                if not written.done():  # else nobody waits for it any more
                    written.set_result(None)

    async def stop(self) -> None:
        """End the producer. Never while something is being written."""
        await self._topic.stop()
