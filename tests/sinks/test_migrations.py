"""The schema comes to be once, and stays what it is."""

from pathlib import Path
from typing import Final

import pytest
from clickhouse_connect.driver.client import Client

from schemas.exits import EndError
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate, statements
from sinks.clickhouse.store import TABLES, columns
from sinks.rows import EVENT_FIELDS
from streams.clickhouse.connection import connect
from tests.sinks.rows import types

#: Each view with the columns that others rely on: in `views.txt` they stand indented below its name.
CONTRACT: Final[dict[str, list[str]]] = {}
for _line in Path(__file__).with_name("views.txt").read_text("utf-8").splitlines():
    if _line.startswith(" "):
        CONTRACT[list(CONTRACT)[-1]] += _line.split()
    else:
        CONTRACT[_line] = []


def test_a_second_time_nothing_is_applied(empty_database: Settings) -> None:
    """Migrating is safe at any time, by any number of parts."""
    applied = migrate(empty_database)
    assert applied[0] == "0001_events"
    assert any(name.startswith("08_access") for name in applied)
    assert migrate(empty_database) == []


@pytest.mark.parametrize("view", CONTRACT)
def test_views_have_the_columns_that_others_rely_on(client: Client, view: str) -> None:
    """The views are the contract; more columns may be added, these stay. Times and durations have one type each."""
    found = types(client, view)
    assert set(CONTRACT[view]) <= set(found)
    assert {kind for name, kind in found.items() if name.endswith("_ms")} <= {"Int64", "Nullable(Int64)"}
    times = {
        kind for name, kind in found.items() if name.endswith(("_at", "_since", "_start")) or name in {"at", "from"}
    }
    assert times <= {"DateTime64(3, 'UTC')", "Nullable(DateTime64(3, 'UTC'))"}


def test_rows_and_tables_agree(client: Client) -> None:
    """Every table has exactly the columns of its rows."""
    for table, row in TABLES.items():
        assert set(types(client, table)) == set(columns(row)), table


def test_numbers_and_truths_of_events_may_be_null(client: Client) -> None:
    """What an event does not give is NULL in exactly the columns where a row has None."""
    kinds = types(client, "events_rows")
    nullable = {name for name in EVENT_FIELDS if kinds[name.rstrip("_")].startswith("Nullable(")}
    assert nullable == {name for name, empty in EVENT_FIELDS.items() if empty is None}


def test_another_time_zone_only_changes_what_depends_on_it(empty_database: Settings) -> None:
    """A changed setting brings the views that have it up to date."""
    migrate(empty_database)
    elsewhere = empty_database.model_copy(update={"time_zone": "Europe/Helsinki"})
    assert migrate(elsewhere) == ["07_intervals", "11_tags", "12_first_contact", "19_forecast"]
    assert migrate(elsewhere) == []


def test_a_newer_schema_is_refused(empty_database: Settings) -> None:
    """An older Pulssi does not write into what a newer one made, and says what to do."""
    migrate(empty_database)
    with connect(empty_database) as client:
        client.insert("schema_migrations", [["9999_later", "x"]], column_names=["name", "digest"])
    with pytest.raises(EndError, match=r"newer Pulssi .*upgrade"):
        migrate(empty_database)


def test_statements_are_split_at_line_ends() -> None:
    """A semicolon inside a line is text; comments are left out."""
    assert statements("-- one; two\nSELECT 'a;b';\n\nSELECT 2;\n") == ["SELECT 'a;b'", "SELECT 2"]
