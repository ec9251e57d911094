"""An archive that knows nothing: for workers beside which no ClickHouse ever was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager

from schemas.settings import Settings
from streams.archive import Archive, ArchiveAwayError
from streams.cluster import Cluster
from streams.log_ends import LogEnds
from streams.opening import Asked
from streams.past import Kept

#: What happens before an answer: what is asked, and of which partition or contacts.
Before = Callable[[str, tuple[str, int] | Collection[bytes]], Awaitable[None]]


class NoArchive:
    """For a worker beside which no ClickHouse ever was: nothing is kept, and nothing is ever evicted.

    Before it answers `before` is called, with what is asked; while it is `away` nothing is answered.
    """

    def __init__(self, before: Before | None = None, *, away: bool = False) -> None:
        self._before = before
        self.away = away

    async def _ask(self, what: str, of: tuple[str, int] | Collection[bytes]) -> None:
        if self.away:
            raise ArchiveAwayError("nobody listens")
        if self._before is not None:
            await self._before(what, of)

    async def epoch(self, source: str, partition: int) -> int:
        """No epoch is known."""
        await self._ask("epoch", (source, partition))
        return 0

    async def passed(self, source: str, partition: int, epoch: int) -> int:
        """No step was ever written."""
        del epoch
        await self._ask("passed", (source, partition))
        return -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, Kept]:
        """Nothing is known."""
        await self._ask("contacts", contact_ids)
        return {}


@asynccontextmanager
async def asked(settings: Settings, archive: Archive | None = None) -> AsyncIterator[Asked]:
    """Give whom an opening asks: a real cluster, and an archive that knows nothing unless another is given."""
    cluster, logs = Cluster(settings), LogEnds(settings)
    try:
        yield Asked(archive or NoArchive(), cluster, logs)
    finally:
        await logs.close()
        await cluster.stop()
