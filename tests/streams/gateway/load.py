"""Vendors that send hooks as long as a test wants, and remember which were answered with 2xx."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import aiohttp
import orjson

from schemas.settings import Settings
from schemas.topics import CONTACTS
from streams.tasks import cancel
from tests.streams.flow import read_all
from tests.streams.gateway.made import body, zendesk
from tests.until import until


class Load:
    """Hooks of many contacts; a hook that is not answered with 2xx is not sent again."""

    def __init__(self, url: str, size: int = 200) -> None:
        self._url = f"{url}/hooks/zendesk/acme"
        self._size = size
        self._numbers = itertools.count()
        #: The ids of events that are acknowledged.
        self.acknowledged: set[str] = set()
        #: How often each status came; 0: no answer.
        self.statuses: Counter[int] = Counter()

    async def send(self, session: aiohttp.ClientSession) -> int:
        """Send one hook; returns its status."""
        number = next(self._numbers)
        sent = body("message", f"contact-{number % 500}", message=number, text="x" * self._size)
        try:
            async with session.post(self._url, data=sent, headers=zendesk(sent, time.time())) as answer:
                status = answer.status
        except (aiohttp.ClientError, ConnectionError):
            status = 0
            await asyncio.sleep(0.02)
        self.statuses[status] += 1
        if status == 200:
            self.acknowledged.add(f"message:contact-{number % 500}:{number}")
        return status

    @asynccontextmanager
    async def running(self, vendors: int = 16) -> AsyncIterator[None]:
        """Send for the length of the block."""
        async with aiohttp.ClientSession() as session:

            async def forever() -> None:
                while True:
                    await self.send(session)

            tasks = [asyncio.create_task(forever()) for _ in range(vendors)]
            try:
                yield
            finally:
                await cancel(*tasks)

    async def until(self, status: int, more: int = 300, within_s: float = 90) -> None:
        """Wait until so many more were answered with a status."""
        wanted = self.statuses[status] + more
        await until(lambda: self.statuses[status] >= wanted, within_s)


def stored(settings: Settings, topics: Iterable[str] = CONTACTS.values()) -> Counter[str]:
    """Count the events in Kafka by their ids."""
    return Counter(orjson.loads(each.value())["event_id"] for topic in topics for each in read_all(settings, topic))
