"""An archive that knows nothing: for workers beside which no ClickHouse ever was."""

from __future__ import annotations

from collections.abc import Collection

from streams.past import Kept, Past


class NoArchive:
    """For a worker beside which no ClickHouse ever was: nothing is kept, and nothing is ever evicted."""

    async def past(self, source: str, partition: int) -> Past:
        """No epoch has ended."""
        del source, partition
        return Past(0, [], [], [])

    async def passed(self, source: str, partition: int, epoch: int) -> int:
        """No step was ever written."""
        del source, partition, epoch
        return -1

    async def contacts(self, contact_ids: Collection[bytes]) -> dict[bytes, Kept]:
        """Nothing is known."""
        del contact_ids
        return {}
