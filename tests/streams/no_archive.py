"""An archive that knows nothing: for workers beside which no ClickHouse ever was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from schemas.settings import Settings
from streams.archive import Archive
from streams.cluster import Cluster
from streams.log_ends import LogEnds
from streams.opening import Asked
from streams.past import Kept


class NoArchive:
    """For a worker beside which no ClickHouse ever was: nothing is kept, and nothing is ever evicted."""

    async def epoch(self, source: str, partition: int) -> int:
        """No epoch is known."""
        del source, partition
        return 0

    async def passed(self, source: str, partition: int, epoch: int) -> int:
        """No step was ever written."""
        del source, partition, epoch
        return -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, Kept]:
        """Nothing is known."""
        del contact_ids
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
