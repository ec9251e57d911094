"""clickhouse-connect, the only client in Pulssi's code, on the embedded ClickHouse: what sink and views need."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.fixtures.clickhouse import ClickHouseServer


@pytest.fixture
def client(clickhouse_server: ClickHouseServer) -> Iterator[Client]:
    """Give a client with a database of its own."""
    name = f"client_{uuid.uuid4().hex[:12]}"
    with clickhouse_server.client() as first:
        first.command(f"CREATE DATABASE {name}")
        with clickhouse_server.client(database=name) as client:
            yield client
        first.command(f"DROP DATABASE {name}")


def test_values_of_all_kinds_come_back(client: Client) -> None:
    """Native both ways, packed both ways: what was inserted is what is read."""
    client.command(
        "CREATE TABLE kinds (id UInt64, at DateTime64(3, 'UTC'), queue LowCardinality(String), tags Array(String),"
        " hist Map(Int32, UInt64), agent Nullable(String), share Decimal(18, 6), within Nullable(Bool), value Int64)"
        " ENGINE = MergeTree ORDER BY id"
    )
    at = dt.datetime(2026, 3, 1, 8, 30, 15, 125_000, tzinfo=dt.UTC)
    rows = [
        [2**64 - 1, at, "billing", ["a", "ä"], {-3: 4}, None, Decimal("0.250000"), None, -5],
        [1, at, "billing", [], {}, "agent-1", Decimal("1.000000"), True, 2**62],
    ]
    summary = client.insert("kinds", rows).summary
    assert summary["written_rows"] == "2"
    read = client.query("SELECT * FROM kinds ORDER BY id DESC", tz_mode="aware").result_rows
    assert [list(row) for row in read] == rows


def test_columns_of_no_rows_are_known(client: Client) -> None:
    """LIMIT 0 gives names; a query without rows gives none and does not fail."""
    assert client.query("SELECT 1 AS one, 'x' AS two LIMIT 0").column_names == ("one", "two")
    assert client.query("SELECT 1 WHERE 0").result_rows == []


def test_parameters_settings_and_streams(client: Client) -> None:
    """What a client may send beside a statement."""
    asked = client.query("SELECT {queue:String}, {ids:Array(UInt8)}", parameters={"queue": "it's\n", "ids": [1, 2]})
    assert asked.result_rows == [("it's\n", [1, 2])]
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    with client.query_rows_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(row[0] for row in stream) == 300_000 * 299_999 // 2


def test_errors_carry_code_and_name(client: Client) -> None:
    """What the code branches on."""
    with pytest.raises(DatabaseError) as raised:
        client.query("SELECT * FROM no_such_table")
    assert (raised.value.code, raised.value.name) == (60, "UNKNOWN_TABLE")


def test_inserts_and_queries_at_once(clickhouse_server: ClickHouseServer, client: Client) -> None:
    """Eight clients in the same moment: nobody sees another's settings, and no row is lost."""
    client.command("CREATE TABLE shared (who UInt8, n UInt64) ENGINE = MergeTree ORDER BY (who, n)")

    def work(who: int) -> int:
        with clickhouse_server.client(database=str(client.database)) as own:
            for batch in range(5):
                own.insert("shared", [[who, batch * 1000 + at] for at in range(1000)])
                threads = own.query("SELECT getSetting('max_threads')", settings={"max_threads": who + 1}).result_rows
                assert threads == [(who + 1,)]
            return int(str(own.command("SELECT count() FROM shared WHERE who = {who:UInt8}", parameters={"who": who})))

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(work, range(8))) == [5000] * 8
