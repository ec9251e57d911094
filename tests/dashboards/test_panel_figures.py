"""The figures of every panel, by its own question, against the oracle or against what was set up.

A new panel fails here until a check holds its figures (`tests/dashboards/figures/`), or a reason says why none does.
"""

from collections.abc import Iterator
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from dashboards.grafana_definitions.panels import COUNT, SHARE
from dashboards.grafana_definitions.site import Json
from tests.dashboards.figures import (  # noqa: F401 - each registers its checks
    live_floor,
    now_and_parts,
    planning,
    policies_and_queues,
    tags_and_contacts,
)
from tests.dashboards.figures.held import CHECKS, PANELS, Answer, Asked
from tests.dashboards.grafana_days import Days, simulated_days, simulated_past
from tests.dashboards.grafana_now import Now, simulated_now
from tests.fixtures.clickhouse import ClickHouseServer

#: Panels without figures of Pulssi's, and why.
WITHOUT_FIGURES: Final = {
    f"{dashboard} / Alerts of Grafana": "Grafana's own list, which asks ClickHouse nothing"
    for dashboard in ("Live floor", "SLA", "Pipeline health")
}


#: By which column each table is ordered, the largest first after a minus; or why by none.
ORDER: Final = {
    "Objectives now, the worst first": "missed ones first, then by difference: its check says so",
    "Now, by queue, the worst first": "-Breached",
    "In the range, by queue, the worst first": "Difference",
    "Against yesterday and last week": "three channels at most",
    "First response in the range, by queue": "-p90",
    "Handle time in the range, by queue": "-p90",
    "Burn rates by window, the fastest first": "-Burn rate",
    "Agents now, by group and status": "Available",
    "Agents' slots now, by group and channel": "Free",
    "Late now, the longest first": "-Beyond",
    "Late in the range, by policy": "-Late",
    "Service level by formula and queue, the worst first": "short_excluded",
    "Queue visits, the longest waits first": "-Wait p90",
    "How visits ended": "-Visits",
    "Queues' own service level, the worst first": "Level",
    "Volume per tag": "-Contacts",
    "Volume per tag, by queue": "-Contacts",
    "Shares": "-Contacts",
    "Growth, the largest first": "by contacts more than expected: its check says so",
    "Are contacts tagged?": "-Share untagged",
    "Surges in the range": "-Fired",
    "By queue, the longest first": "-AHT",
    "Forecast error by queue, the largest first": "-Error by day",
    "The busiest half hour of each queue, most positions first": "-Positions",
    "Not in the positions, and why": "-Forecast",
    "Offered by weekday and hour": "from Monday on",
    "Intervals of 30 minutes, the newest first": "-Interval",
    "By queue, the least satisfied first": "Satisfied",
    "Resolved at the first contact, the least first": "At first contact",
    "The slowest responses": "-Took",
    "By team, the least in time first": "In time",
    "The contact": "one row",
    "The contacts behind it": "-When",
    "Its events": "When",
    "Its samples": "When",
    "What was seen last": "-Last",
    "Alerts of Pulssi itself": "those that fire first: its check says so",
    "Deliveries in the range": "-Failed attempts",
    "Polled sources": "-Ago",
}
#: Units of Grafana that round thousands away: 2 K for 2,049. The first is its usual one.
ROUNDING_UNITS: Final = {"short", "sishort"}


def assert_in_order(by: str, rows: Answer) -> None:
    """Hold the order of an answer: what is not known comes last."""
    name = by.removeprefix("-")
    if rows and name in rows[0]:
        values = [row[name] for row in rows]
        known = [value for value in values if value is not None]
        assert values == [*sorted(known, reverse=by != name), *[None] * (len(values) - len(known))]
    else:
        assert not rows or " " in by


def assert_shown_whole(panel: Json, name: str, values: list[Any]) -> None:
    """Check a column's unit: counts are not shortened, and fractions are not shown as counts."""
    shown = dict(panel["fieldConfig"]["defaults"])
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            shown |= {change["id"]: change["value"] for change in override["properties"]}
    numbers = [value for value in values if isinstance(value, int | float)]
    assert not numbers or shown["unit"] not in ROUNDING_UNITS
    if shown["unit"] == COUNT and not shown["decimals"]:
        assert all(number == round(number) for number in numbers), name
    if shown["unit"] == SHARE and any(isinstance(number, int) and not isinstance(number, bool) for number in numbers):
        assert set(numbers) <= {0, 1}, name


@pytest.fixture(scope="module")
def days(clickhouse_server: ClickHouseServer) -> Iterator[Days]:
    """Give three days."""
    with simulated_days(clickhouse_server, "pulssi_figures") as found:
        yield found


@pytest.fixture(scope="module")
def weeks(clickhouse_server: ClickHouseServer) -> Iterator[Days]:
    """Give five weeks."""
    with simulated_past(clickhouse_server, "pulssi_past") as found:
        yield found


@pytest.fixture(scope="module")
def now(clickhouse_server: ClickHouseServer) -> Iterator[Now]:
    """Give the hours up to now."""
    with simulated_now(clickhouse_server, "pulssi_now") as found:
        yield found


def test_every_panel_is_held_or_says_why_not() -> None:
    """Each panel has either a check of its figures or a reason in WITHOUT_FIGURES."""
    assert set(PANELS) == CHECKS.keys() ^ WITHOUT_FIGURES.keys()
    assert {title for title, panel in PANELS.items() if "targets" not in panel} == set(WITHOUT_FIGURES)


@pytest.mark.parametrize("title", CHECKS)
def test_figures(request: pytest.FixtureRequest, title: str) -> None:
    """Its answer is what the oracle says, has something in each column, and is in order; no count is rounded."""
    asked = Asked(title, request.getfixturevalue(CHECKS[title].scene))
    CHECKS[title].check(asked)
    values = asked.values()
    assert values
    assert [name for name, of in values.items() if set(map(str, of)) <= {"None", ""}] == []
    panel = PANELS[title]
    if panel["type"] == "table":
        for rows in asked.answers:
            assert_in_order(ORDER[panel["title"]], rows)
    for name, of in values.items():
        assert_shown_whole(panel, name, of)


@pytest.mark.parametrize(
    "title",
    [
        title
        for title, one in PANELS.items()
        if one["type"] == "stat" and one["fieldConfig"]["defaults"]["unit"] == COUNT
    ]
    + ["Live floor / Longest wait now"],
)
def test_where_there_is_nothing_a_count_says_zero(client: Client, title: str) -> None:
    """Even in an empty database: `No data` would mean that the number is unknown."""
    days = Days([], [], client)
    rows = days.ask(PANELS[title]["targets"][0]["rawSql"])
    assert rows
    assert {value for row in rows for value in row.values() if not isinstance(value, str)} == {0}


def test_every_table_says_its_order() -> None:
    """What is worst, or newest, comes first; or a reason says why nothing is worse than another."""
    assert {panel["title"] for panel in PANELS.values() if panel["type"] == "table"} == ORDER.keys()
