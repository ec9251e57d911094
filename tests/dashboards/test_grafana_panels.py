"""Every panel over simulated days: its answer has the columns, the types and the rows that it needs."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import pytest

from dashboards.grafana_definitions.catalogue import dashboards
from dashboards.grafana_definitions.panels import CLOCK, TIME
from dashboards.grafana_definitions.site import Json
from tests.dashboards.grafana_days import SITE, Days, simulated_days
from tests.dashboards.grafana_macros import ALL
from tests.fixtures.clickhouse import ClickHouseServer

#: A laptop's screen without Grafana's menu and margins; between panels; what a panel and a cell lose; in pixels.
PAGE: Final = 1_366 - 57 - 32
GAP: Final = 8
PANEL_EDGES: Final = 2 * 8
CELL_EDGES: Final = 15
#: Letters of the heads' font that are narrower or wider than most, and how wide each is, in pixels.
NARROW: Final = dict.fromkeys("fijlrt -", 5.0)
WIDE: Final = dict.fromkeys("mwMWO", 12.0)
LETTER: Final = 8.4
#: What only a running installation has: agents heard of today, alerts, deliveries, polled sources, who is late, gauges.
NOT_SIMULATED: Final = {
    *("Agents now, by group and status", "Agents' slots now, by group and channel", "Alerts of Pulssi itself"),
    *("Deliveries in the range", "Polled sources", "Surges in the range", "Critical alerts that fire", "Late now"),
    *("Queues' own service level", "Growth", "Forecast error by queue", "Positions needed"),
    *("The busiest half hour of each queue", "Not in the positions, and why"),
    *("Waiting ·", "Beyond the target ·", "Awaiting a reply ·"),
}


@pytest.fixture(scope="module")
def days(clickhouse_server: ClickHouseServer) -> Iterator[Days]:
    """Give the days."""
    with simulated_days(clickhouse_server, "pulssi_panels") as found:
        yield found


PANELS: Final = {
    f"{one['title']} / {panel['title']}": panel
    for one in dashboards(SITE)
    for panel in one["panels"]
    if "targets" in panel
}


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_gets_what_it_needs(days: Days, title: str) -> None:
    """Rows where the days have such; the columns that it names; a time first and in order, numbers, a name for each."""
    panel = PANELS[title]
    channel = ["call"] if "$channel" in title else [ALL]
    rows = days.ask(panel["targets"][0]["rawSql"], channel=channel)
    if not rows:
        assert any(f"/ {name}" in title for name in NOT_SIMULATED)
        return
    columns = list(rows[0])
    overrides = [each["matcher"] for each in panel["fieldConfig"]["overrides"]]
    named = {each["options"] for each in overrides if each["id"] == "byName"}
    assert named <= set(columns)
    _CHECKS[panel["type"]](panel, columns, rows)


#: How times and lengths of time are shown.
EXAMPLES: Final = {CLOCK: "00:00:00", TIME: "2026-11-30 22:32:41"}
TABLES: Final = {title: panel for title, panel in PANELS.items() if panel["type"] == "table"}


def _changes(panel: Json, name: str) -> dict[str, Any]:
    """What the panel says of a column: by Grafana's names."""
    own = [each for each in panel["fieldConfig"]["overrides"] if each["matcher"] == {"id": "byName", "options": name}]
    return {change["id"]: change["value"] for each in own for change in each["properties"]}


def _head_width(text: str) -> float:
    return CELL_EDGES + sum((NARROW | WIDE).get(letter, LETTER) for letter in text)


@pytest.mark.parametrize("title", TABLES)
def test_every_head_is_whole_on_a_laptop(days: Days, title: str) -> None:
    """At 1366 pixels all columns of a table are in sight, and none is narrower than its head or times.

    Columns without a width share what the others leave.
    """
    panel = TABLES[title]
    described = days.client.query(f"DESCRIBE TABLE ({days.expanded(panel['targets'][0]['rawSql'])})")
    columns = {name: _changes(panel, name) for name, *_ in described.result_rows}
    shown = {name: changes for name, changes in columns.items() if not changes.get("custom.hidden")}
    inside = panel["gridPos"]["w"] * (PAGE + GAP) / 24 - GAP - PANEL_EDGES
    fixed = {name: changes["custom.width"] for name, changes in shown.items() if "custom.width" in changes}
    shared = (inside - sum(fixed.values())) / max(1, len(shown) - len(fixed))
    least = panel["fieldConfig"]["defaults"]["custom"]["minWidth"]
    assert len(shown) == len(fixed) or shared >= least, f"{len(shown)} columns need more than {inside:.0f} pixels"
    heads = {name: shown[name].get("displayName", name) for name in shown}
    clipped = {head: fixed.get(name, shared) for name, head in heads.items()}
    assert {head: width for head, width in clipped.items() if _head_width(head) > width} == {}
    values = {name: EXAMPLES.get(str(changes.get("unit")), "") for name, changes in shown.items()}
    assert {name for name, value in values.items() if _head_width(value) > fixed.get(name, shared)} == set()


def _numbers(rows: list[dict[str, Any]], columns: list[str]) -> bool:
    return all(isinstance(row[column], int | float | None) for row in rows for column in columns)


def _stat(panel: Json, columns: list[str], rows: list[dict[str, Any]]) -> None:
    assert panel["options"]["reduceOptions"]["values"]
    assert isinstance(rows[0][columns[0]], str)
    assert _numbers(rows, columns[1:])
    assert len(columns) == 2


def _over_time(panel: Json, columns: list[str], rows: list[dict[str, Any]]) -> None:
    times = [row["time"] for row in rows]
    assert columns[0] == "time"
    assert all(isinstance(time, datetime) for time in times)
    assert times == sorted(times)
    name = panel["fieldConfig"]["defaults"].get("displayName", "").removeprefix("${__field.labels.").removesuffix("}")
    if name:
        assert len(columns) == 3
        assert columns[1] == name
        assert len({row[name] for row in rows}) <= 8
        assert len({(row["time"], row[name]) for row in rows}) == len(rows)
    else:
        assert len(set(times)) == len(times)
    assert _numbers(rows, columns[2:] if name else columns[1:])


def _table(panel: Json, columns: list[str], rows: list[dict[str, Any]]) -> None:
    units = {
        override["matcher"]["options"]
        for override in panel["fieldConfig"]["overrides"]
        if any(one["id"] == "unit" for one in override["properties"])
    }
    assert _numbers(rows, [column for column in columns if column in units])
    links = [
        link
        for override in panel["fieldConfig"]["overrides"]
        for link in override["properties"]
        if link["id"] == "links"
    ]
    for link in links:
        for one in link["value"]:
            fields = [part.split(":")[0].split("}")[0] for part in one["url"].split("${__data.fields.")[1:]]
            assert set(fields) <= set(columns)


_CHECKS: Final[dict[str, Callable[[Json, list[str], list[dict[str, Any]]], None]]] = {
    "stat": _stat,
    "timeseries": _over_time,
    "heatmap": _over_time,
    "table": _table,
}
