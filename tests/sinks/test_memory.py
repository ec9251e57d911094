"""The keeper in memory keeps the contract."""

from __future__ import annotations

from typing import Any

import pytest

from sinks.port import Keeper
from tests.sinks.contract import KeeperContract
from tests.sinks.memory import MemoryKeeper


class TestMemoryKeeper(KeeperContract):
    """The contract's cases in memory."""

    @pytest.fixture
    def keeper(self) -> Keeper:
        """Return an empty keeper."""
        return MemoryKeeper()

    def kept(self, keeper: Keeper, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Read by the keeper's own methods."""
        rows = getattr(keeper, table)()
        return [tuple(getattr(row, column) for column in columns) for row in rows]
