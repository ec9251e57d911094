"""Both keepers keep the contract, and ClickHouse's says what is wrong where it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.ports import any_free
from schemas.settings import Settings, load
from sinks.clickhouse.keeper import ClickHouseKeeper
from sinks.port import Batch, Keeper, KeeperAwayError, KeeperUnfitError
from tests.sinks.contract import KeeperContract, event, pane, sample, tag_pane
from tests.sinks.memory import MemoryKeeper

MONTH_MS = 31 * 24 * 3600 * 1000


class TestMemoryKeeper(KeeperContract):
    """The contract's cases in memory."""

    @pytest.fixture
    def keeper(self) -> Keeper:
        """Return an empty keeper."""
        return MemoryKeeper()

    def kept(self, keeper: Keeper, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Read by the keeper's own methods."""
        return [tuple(getattr(row, column) for column in columns) for row in getattr(keeper, table)()]


class TestClickHouseKeeper(KeeperContract):
    """The contract's cases on the real engine, read through the views."""

    @pytest.fixture
    def keeper(self, database: Settings) -> Iterator[Keeper]:
        """Return a keeper of an empty database."""
        keeper = ClickHouseKeeper(database)
        keeper.setup()
        yield keeper
        keeper.close()

    @pytest.fixture(autouse=True)
    def _reader(self, client: Client) -> None:
        self._client = client

    def kept(self, keeper: Keeper, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Ask the view."""
        del keeper
        names = ", ".join(f"`{column}`" for column in columns)
        return [tuple(row) for row in self._client.query(f"SELECT {names} FROM {table}").result_rows]  # noqa: S608 - our own names

    def test_panes_of_partitions_add_up(self, keeper: Keeper) -> None:
        """The views add source partitions and epochs, histograms included."""
        keeper.write(Batch(panes=[pane(1, 5), pane(1, 2, partition=1), pane(9, 1, epoch=2)]))
        keeper.write(Batch(panes=[pane(2, 4)], tag_panes=[tag_pane(1, 3), tag_pane(1, 4, partition=1)]))
        assert self.kept(keeper, "panes", "n", "sum_ms", "hist") == [(7, 70, {3: 7})]
        assert self.kept(keeper, "tag_panes", "n", "known") == [(7, True)]

    def test_years_of_history_in_one_batch(self, keeper: Keeper) -> None:
        """A replay may touch more months than a server takes at once by its defaults."""
        months = [event(f"e{n}", occurred_at=n * MONTH_MS) for n in range(130)]
        keeper.write(Batch(events=months))
        assert len(self.kept(keeper, "events", "event_id")) == 130

    def test_times_keep_their_milliseconds(self, keeper: Keeper) -> None:
        """What is read is what was written, in UTC."""
        keeper.write(Batch(samples=[sample(1, at=1_790_000_000_789)]))
        text = self._client.query("SELECT toString(at) FROM samples").result_rows[0][0]
        assert text == "2026-09-21 14:13:20.789"


def test_without_tables_it_names_the_way_out(empty_database: Settings) -> None:
    """A database that is not there, or has no tables, is refused with the command that makes them."""
    with pytest.raises(KeeperUnfitError, match="pulssi migrate"):
        ClickHouseKeeper(empty_database).setup()


def test_nobody_there_is_away_and_no_secret_is_told() -> None:
    """A server that does not answer is waited for; its password is in no message."""
    settings = load({"PULSSI_CLICKHOUSE_URL": f"http://someone:hush@127.0.0.1:{any_free('127.0.0.1')}"})
    with pytest.raises(KeeperAwayError, match=r"127\.0\.0\.1") as caught:
        ClickHouseKeeper(settings).setup()
    assert "hush" not in str(caught.value)
