"""A dashboard: rows of panels on the grid, what may be chosen, and the links between dashboards."""

# ruff: noqa: S608 - this query is written to files: nothing that a user types goes in here

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from dashboards.grafana_definitions import variables
from dashboards.grafana_definitions.panels import CLOCK, stat, thresholds
from dashboards.grafana_definitions.pieces import TIME_ZONE
from dashboards.grafana_definitions.site import Json, Site

#: Columns of Grafana's grid.
WIDTH: Final = 24
#: Every dashboard, by which each leads to the others.
TAG: Final = "pulssi"

_AGE_SQL: Final = f"""SELECT if(data_at IS NULL, 'not known', concat('as of ', formatDateTime(data_at, '%H:%i',
  {TIME_ZONE}))) AS as_of,
  round(age_ms / 1000) AS age
FROM freshness"""

DATA_AS_OF: Final = stat(
    "Data as of",
    "Up to when everything is in, and how long ago that is: below a minute and a half in a sound installation. Red: "
    "all figures here are old, and waits are those at that time.",
    _AGE_SQL,
    unit=CLOCK,
    colours=thresholds("text", (90, "orange"), (150, "red")),
)


class Row(NamedTuple):
    """Panels beside one another, each with its width; all of a row have the same height."""

    height: int
    panels: tuple[tuple[int, Json], ...]


def row(height: int, *panels: tuple[int, Json]) -> Row:
    """Put panels beside one another."""
    return Row(height, panels)


def repeated(panel: Json, variable: str = "channel", beside: int = 3) -> Json:
    """Show a panel once for each value of a variable, at most `beside` in a line."""
    return {**panel, "repeat": variable, "repeatDirection": "h", "maxPerRow": beside}


def _placed(rows: Sequence[Row]) -> list[Json]:
    panels: list[Json] = []
    y = 0
    for height, beside in rows:
        x = 0
        for width, panel in beside:
            place = {"x": x, "y": y, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, **panel, "gridPos": place})
            x += width
        y += height
    return panels


def dashboard(
    site: Site,
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Row],
    choices: Sequence[str],
    *,
    since: str = "now-24h",
    until: str = "now",
    refresh: str = "1m",
) -> Json:
    """Describe a dashboard; `choices` names its variables, besides the time zone, which each has."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": 37,
        "version": 1,
        "editable": True,
        "timezone": site.rules.time_zone,
        "time": {"from": since, "to": until},
        "refresh": refresh,
        "timepicker": {"refresh_intervals": ["5s", "10s", "30s", "1m", "5m"]},
        "templating": {"list": [variables.variable(name, site) for name in (*choices, "tz")]},
        "annotations": {"list": []},
        "links": _links(site),
        "panels": _placed(rows),
    }


def _links(site: Site) -> list[Json]:
    """Describe the way to the other dashboards, and the boards of the configuration as choices on the live floor."""
    common = {"icon": "dashboard", "targetBlank": False, "keepTime": True, "tooltip": ""}
    others = {**common, "type": "dashboards", "title": "Pulssi", "tags": [TAG], "asDropdown": True, "includeVars": True}
    boards = [
        {
            **common,
            "type": "link",
            "title": board.title,
            "tags": [],
            "asDropdown": False,
            "includeVars": False,
            "url": "/d/pulssi-live-floor/live-floor?"
            + urlencode(
                [
                    *(("var-channel", one) for one in board.channels or ("$__all",)),
                    *(("var-queue", one) for one in board.queues or ("$__all",)),
                ]
            ),
        }
        for board in site.boards.boards
        if board.channels is not None or board.queues is not None
    ]
    return [others, *boards]
