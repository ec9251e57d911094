"""The schema comes to be once, and stays what it is."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from sinks.clickhouse.migrations import SchemaError, migrate, statements
from sinks.clickhouse.store import TABLES, columns
from sinks.rows import EVENT_FIELDS
from streams.clickhouse.connection import connect
from tests.sinks.rows import types

#: Each view with the columns that others rely on.
CONTRACT = {
    "samples": "sample at contact_id channel queue priority team segment language agent_id tag outcome value_ms"
    " business_ms active_ms active_business_ms value policy target_ms within short satisfied partial in_hours instance"
    " caused_by",
    "panes": "pane_start channel queue priority team segment sample n n_target n_within n_short n_satisfied sum_ms"
    " business_sum_ms sum_value hist business_hist",
    "tag_panes": "pane_start channel queue tag known n",
    "contacts": "contact_id customer_id channel queue started_at first_response_at first_resolved_at resolved_at"
    " abandoned_at first_response_ms handle_ms first_resolution_ms resolution_ms tags reopens replies rating agents"
    " partial discarded",
    "events": "event_id type contact_id channel seq occurred_at source queue priority team language segment customer_id"
    " agent_id attributes direction initiated_by author public automatic text tags replace for reason into score"
    " scale_max form evaluator_id voids survey_id comment_present comment groups status capacity received_at topic"
    " partition offset epoch",
    "gauges": "at channel queue waiting oldest_waiting_since awaiting_reply oldest_awaiting_since at_risk breached open"
    " handling stale at_risk_next_response breached_next_response at_risk_resolution breached_resolution"
    " at_risk_queue_wait breached_queue_wait",
    "gauge_history": "at channel queue waiting oldest_waiting_since awaiting_reply oldest_awaiting_since at_risk"
    " breached open handling stale at_risk_next_response breached_next_response at_risk_resolution breached_resolution"
    " at_risk_queue_wait breached_queue_wait",
    "agent_states": "agent_id groups from to status reason capacity told_at",
    "agents": "agent_id status reason groups capacity told_at",
    "agent_groups": "at agent_group available busy wrap_up away offline",
    "agent_slots": "at agent_group channel capacity used free unknown",
    "service_level": "pane_start channel queue priority team segment short_excluded answered_only offered abandons_met"
    " excluding_abandoned_within",
    "intervals": "entered offered answered abandoned short n_within handled handle_sum_ms aht_ms answer_sum_ms asa_ms"
    " first_response_p80_ms first_response_p95_ms hist formula service_level channel queue team interval day",
}
CONTRACT["intervals_by_team"] = CONTRACT["intervals"]
CONTRACT["first_contacts"] = (
    "contact_id customer_id channel queue resolved_at reopens returned_at returned_to_queue_at first_contact"
    " first_contact_in_queue provisional"
)
CONTRACT["queue_service_level"] = (
    "pane_start channel queue priority team segment answered answered_within abandoned abandoned_within short"
    " short_excluded answered_only offered abandons_met excluding_abandoned_within"
)
CONTRACT["fcr"] = (
    "day channel queue resolved with_customer first_contacts first_contacts_in_queue fcr fcr_in_queue coverage"
    " provisional"
)
CONTRACT["email_service_level_by_arrival"] = (
    "pane_start channel queue arrived answered answered_within abandoned abandoned_within short unanswered breached"
    " short_excluded answered_only offered abandons_met excluding_abandoned_within short_excluded_live"
)


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
    assert set(CONTRACT[view].split()) <= set(found)
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
    assert migrate(elsewhere) == ["07_intervals", "11_tags", "12_first_contact"]
    assert migrate(elsewhere) == []


def test_no_such_time_zone(database: Settings) -> None:
    """A time zone that is none is named, and nothing of it reaches SQL."""
    with pytest.raises(SchemaError, match="no time zone"):
        migrate(database.model_copy(update={"time_zone": "Europe/'; DROP"}))


def test_a_newer_schema_is_refused(empty_database: Settings) -> None:
    """An older Pulssi does not write into what a newer one made, and says what to do."""
    migrate(empty_database)
    with connect(empty_database) as client:
        client.insert("schema_migrations", [["9999_later", "x"]], column_names=["name", "digest"])
    with pytest.raises(SchemaError, match=r"newer Pulssi .*upgrade"):
        migrate(empty_database)


def test_statements_are_split_at_line_ends() -> None:
    """A semicolon inside a line is text; comments are left out."""
    assert statements("-- one; two\nSELECT 'a;b';\n\nSELECT 2;\n") == ["SELECT 'a;b'", "SELECT 2"]
