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


def test_materialized_views_final_windows_and_functions(client: Client) -> None:
    """The SQL that the schema and the views are made of."""
    for statement in (
        "CREATE TABLE panes (queue String, n UInt64, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY queue",
        "CREATE TABLE totals (queue String, n UInt64) ENGINE = SummingMergeTree ORDER BY queue",
        "CREATE MATERIALIZED VIEW to_totals TO totals AS SELECT queue, n FROM panes",
        "CREATE VIEW latest AS SELECT queue, n FROM panes FINAL",
    ):
        client.command(statement)
    for version, n in ((1, 5), (3, 9), (2, 7)):
        client.insert("panes", [["billing", n, version]])
    assert client.query("SELECT queue, n FROM latest").result_rows == [("billing", 9)]
    assert client.query("SELECT sum(n) FROM totals").result_rows == [(21,)]
    running = "SELECT number, sum(number) OVER (ORDER BY number ROWS 1 PRECEDING) FROM numbers(4) ORDER BY number"
    assert client.query(running).result_rows == [(0, 0), (1, 1), (2, 3), (3, 5)]
    name = f"f_{uuid.uuid4().hex[:12]}"
    client.command(f"CREATE FUNCTION {name} AS (x, y) -> x * 100 + y")
    assert client.command(f"SELECT {name}(4, 2)") == 402
    client.command(f"DROP FUNCTION {name}")


def test_a_view_over_much_data_answers(client: Client) -> None:
    """A grouping over two million rows through a view, sorted and joined."""
    client.command(
        "CREATE TABLE many (id UInt64, queue LowCardinality(String), v Int64) ENGINE = MergeTree ORDER BY id"
    )
    client.command("INSERT INTO many SELECT number, concat('q', toString(number % 50)), number FROM numbers(2000000)")
    client.command("CREATE VIEW by_queue AS SELECT queue, count() AS n, quantile(0.9)(v) AS p FROM many GROUP BY queue")
    rows = client.query("SELECT a.queue, a.n FROM by_queue a JOIN by_queue b USING queue ORDER BY queue").result_rows
    assert len(rows) == 50
    assert {n for _, n in rows} == {40_000}


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
