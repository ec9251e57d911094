"""The dashboard *Teams*: what each team answered and handled, and who is there now."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.live_floor import AGENTS, CHANNEL, HANDLE, QUANTILE, STACKED, STEP
from dashboards.grafana_definitions.panels import CLOCK, SHARE, column, lines, table
from dashboards.grafana_definitions.pieces import IN_RANGE, SELECTED, TEAM, seconds
from dashboards.grafana_definitions.pieces import STEP as STEP_SQL
from dashboards.grafana_definitions.site import Json, Site

BY_TEAM: Final = f"""SELECT {TEAM} AS "Team", channel,
  sumIf(n, sample = 'first_response') AS "Answered",
  sumIf(n_within, sample = 'first_response') / nullIf(sumIf(n_target, sample = 'first_response'), 0) AS "In time",
  {seconds("first_response", 0.8)} AS "Response p80",
  sumIf(n, sample = 'handle') AS "Handled",
  sumIf(sum_ms, sample = 'handle') / nullIf("Handled", 0) / 1000 AS "AHT",
  {seconds("handle", 0.9)} AS "Handle p90",
  sumIf(n, sample = 'transferred') AS "Transferred",
  sumIf(n_satisfied, sample = 'rated') / nullIf(sumIf(n, sample = 'rated'), 0) AS "Satisfied"
FROM panes
WHERE {IN_RANGE} AND sample IN ('first_response', 'handle', 'transferred', 'rated') AND {SELECTED}
GROUP BY "Team", channel
ORDER BY "In time" ASC NULLS LAST, "Team", channel"""

HANDLED: Final = f"""SELECT {STEP_SQL} AS time, {TEAM} AS of_team, sum(n) AS handled
FROM panes
WHERE {IN_RANGE} AND sample = 'handle' AND {SELECTED} AND team IN (
  SELECT team FROM panes WHERE {IN_RANGE} AND sample = 'handle' AND {SELECTED} GROUP BY team ORDER BY sum(n) DESC,
    team LIMIT 8
)
GROUP BY time, of_team
ORDER BY time, of_team"""


def teams(site: Site) -> Json:
    """Describe the dashboard."""
    by_team = table(
        "By team, the least in time first",
        "In time: first responses within their target, of those with one (answered_only). Customers leave before any "
        f"team is known, so a team has no abandonments. {HANDLE} {QUANTILE}",
        BY_TEAM,
        (
            column("Team"),
            CHANNEL,
            column("In time", SHARE),
            column("Response p80", CLOCK, width=114),
            *(column(name, CLOCK) for name in ("AHT", "Handle p90")),
            column("Satisfied", SHARE),
        ),
    )
    handled = lines(
        "Handled by team",
        f"Segments that closed in a step, stacked; the eight teams with most. {STEP}",
        HANDLED,
        step="30m",
        name="of_team",
        style=STACKED,
    )
    return dashboard(
        site,
        "pulssi-teams",
        "Teams",
        "What each team answered and handled, and who is there now.",
        [row(10, (4, DATA_AS_OF), (20, by_team)), AGENTS, row(10, (24, handled))],
        ("channel", "queue", "priority", "team"),
    )
