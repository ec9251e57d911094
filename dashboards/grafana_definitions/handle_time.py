"""The dashboard *Handle time*: how long agents work on a contact, and what of that is talk, hold and wrap-up."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import contacts_of_row
from dashboards.grafana_definitions.live_floor import HANDLE, QUANTILE, QUEUE, STEP, WAITS, percentiles
from dashboards.grafana_definitions.panels import CLOCK, MINUTES, SHARE, column, heat_map, stat, table
from dashboards.grafana_definitions.pieces import IN_RANGE, SELECTED, percentile_columns
from dashboards.grafana_definitions.pieces import STEP as STEP_SQL
from dashboards.grafana_definitions.site import Json, Site

#: Upper bounds of the heat map's classes, in seconds.
CLASSES: Final = (30, 60, 120, 180, 300, 600, 1_200, 1_800, 3_600, 7_200, 28_800)
#: The value in milliseconds that a bucket of a histogram stands for, as `pulssi_quantile` has it.
_VALUE: Final = "if(b = 0, 0., 2 * pow(1.01 / 0.99, toInt32(b) - 1) / (1.01 / 0.99 + 1))"


def _spoken(seconds: int) -> str:
    for unit, length in (("h", 3_600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"


def _class(low: int, high: int | None) -> str:
    above = f"{_VALUE} > {low * 1_000}" if low else "true"
    below = f"{_VALUE} <= {high * 1_000}" if high is not None else "true"
    name = "longer" if high is None else f"to {_spoken(high)}"
    return (
        f"arraySum(arrayMap((b, times) -> if({above} AND {below}, times, 0), mapKeys(merged), mapValues(merged)))"
        f' AS "{name}"'
    )


HEAT: Final = f"""SELECT time,
  {(", " + chr(10) + "  ").join(map(_class, (0, *CLASSES), (*CLASSES, None)))}
FROM (
  SELECT {STEP_SQL} AS time, sumMap(hist) AS merged
  FROM panes
  WHERE {IN_RANGE} AND sample = 'handle' AND {SELECTED}
  GROUP BY time
)
ORDER BY time"""

PARTS: Final = f"""SELECT channel, queue,
  sumIf(n, sample = 'handle') AS "Segments",
  sumIf(sum_ms, sample = 'handle') / nullIf("Segments", 0) / 1000 AS "AHT",
  sumIf(sum_ms, sample = 'talk') / nullIf("Segments", 0) / 1000 AS "Talk",
  sumIf(sum_ms, sample = 'hold') / nullIf("Segments", 0) / 1000 AS "Hold",
  sumIf(sum_ms, sample = 'wrap') / nullIf("Segments", 0) / 1000 AS "Wrap-up",
  sumIf(sum_ms, sample = 'hold') / nullIf(sumIf(sum_ms, sample = 'handle'), 0) AS "Share hold",
  sumIf(sum_ms, sample = 'wrap') / nullIf(sumIf(sum_ms, sample = 'handle'), 0) AS "Share wrap-up",
  {percentile_columns("handle", "Handle")}
FROM panes
WHERE {IN_RANGE} AND sample IN ('handle', 'talk', 'hold', 'wrap') AND {SELECTED}
GROUP BY channel, queue
ORDER BY "AHT" DESC NULLS LAST, channel, queue"""


def handle_time(site: Site) -> Json:
    """Describe the dashboard."""
    clocks = ("AHT", "Talk", "Hold", "Wrap-up", *(f"Handle {name}" for name in ("p50", "p80", "p90", "p95")))
    parts = table(
        "By queue, the longest first",
        f"{HANDLE} AHT, talk, hold and wrap-up: sums / segments. {QUANTILE}",
        PARTS,
        (
            *QUEUE,
            column("Segments", links=[contacts_of_row("handle")]),
            *(column(name, CLOCK) for name in clocks),
            column("Share hold", SHARE, title="Hold share"),
            column("Share wrap-up", SHARE, title="Wrap share"),
        ),
    )
    heat = heat_map(
        "How long segments took",
        f"Segments that closed in a step, by their length: each row up to its bound. {HANDLE} {QUANTILE} {STEP}",
        HEAT,
        step="30m",
    )
    half = stat(
        "Handle time p50",
        f"Half of the segments took no longer. {HANDLE} {QUANTILE}",
        queries.percentile_by_channel("handle", 0.5),
        unit=CLOCK,
    )
    most = stat(
        "Handle time p90",
        f"Nine of ten segments took no longer. {HANDLE} {QUANTILE}",
        queries.percentile_by_channel("handle", 0.9),
        unit=CLOCK,
    )
    return dashboard(
        site,
        "pulssi-handle-time",
        "Handle time",
        "How long agents work on a contact: percentiles, a heat map, talk, hold and wrap-up.",
        [
            row(4, (6, DATA_AS_OF), (9, half), (9, most)),
            row(11, (24, parts)),
            row(10, (24, heat)),
            percentiles("Handle time", HANDLE, "handle", dict.fromkeys(WAITS, MINUTES)),
        ],
        ("channel", "queue", "priority", "team"),
    )
