"""The dashboard *Pipeline health*: whether the figures can be trusted, as far as ClickHouse knows."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.live_floor import FIRING, RED_FROM_1
from dashboards.grafana_definitions.panels import CLOCK, TIME, column, lines, stat, table
from dashboards.grafana_definitions.pieces import step_of
from dashboards.grafana_definitions.site import Json, Site

#: The minutes of a step in which gauges were saved: those in which a queue had something to count.
SAVED: Final = f"""SELECT {step_of("at")} AS time, uniqExact(at) AS "Minutes saved"
FROM gauge_history
WHERE $__timeFilter(at)
GROUP BY time
ORDER BY time"""

LAST_CHANGES: Final = """SELECT what, toUnixTimestamp64Milli(last) AS "Last", dateDiff('second', last, now64(3,
  'UTC')) AS "Ago"
FROM (
  SELECT 'everything is in' AS what, data_at AS last FROM freshness
  UNION ALL SELECT 'a contact changed', maxOrNull(last_at) FROM contacts WHERE last_at <= now64(3, 'UTC')
  UNION ALL SELECT 'a pane counted', toDateTime64(maxOrNull(pane_start), 3, 'UTC') FROM panes
    WHERE pane_start >= now() - INTERVAL 8 DAY AND pane_start <= now()
  UNION ALL SELECT 'gauges were saved', maxOrNull(at) FROM gauge_history WHERE at >= now() - INTERVAL 8 DAY
  UNION ALL SELECT 'an objective changed', maxOrNull(at) FROM objectives
  UNION ALL SELECT 'an alert changed', maxOrNull(at) FROM alert_changes WHERE at >= now() - INTERVAL 8 DAY
)
ORDER BY "Last" DESC NULLS LAST, what"""

ALERTS: Final = """SELECT policy AS "Alert", severity AS "Severity", state AS "State", value AS "Measured",
  `limit` AS "Limit", unit AS "Unit", toUnixTimestamp64Milli(fired_at) AS "Fired",
    toUnixTimestamp64Milli(resolved_at) AS "Resolved"
FROM alerts
WHERE kind = 'pipeline' AND ($__timeFilter(fired_at) OR state = 'firing')
ORDER BY state = 'firing' DESC, fired_at DESC
LIMIT 100"""

FIRING_NOW: Final = """SELECT kind, countIf(severity = 'critical') AS critical
FROM (
  SELECT kind, severity FROM alerts WHERE state = 'firing'
  UNION ALL
  SELECT arrayJoin(['contact', 'objective', 'floor', 'pipeline']) AS kind, ''
)
GROUP BY kind
ORDER BY kind"""

DELIVERIES: Final = """SELECT destination AS "Destination", countIf(status = 'delivered') AS "Delivered",
  countIf(status != 'delivered') AS "Failed attempts", toUnixTimestamp64Milli(max(at)) AS "Last"
FROM alert_deliveries
WHERE $__timeFilter(at)
GROUP BY destination
ORDER BY "Failed attempts" DESC, destination"""

SOURCES: Final = """SELECT source AS "Source", account AS "Account", count() AS "Queues",
  toUnixTimestamp64Milli(max(at)) AS "Last asked", dateDiff('second', max(at), now64(3, 'UTC')) AS "Ago"
FROM source_gauges
GROUP BY source, account
ORDER BY "Ago" DESC, source, account"""


def pipeline(site: Site) -> Json:
    """Describe the dashboard."""
    last = table(
        "What was seen last",
        "When each part of ClickHouse last changed. Only *everything is in* has to be new at all times: the others "
        "change when something happens.",
        LAST_CHANGES,
        (column("what", title="What"), column("Last", TIME), column("Ago", CLOCK)),
    )
    saved = lines(
        "Minutes in which gauges were saved",
        "In a step of a minute 1, of an hour 60, while any queue has something to count. Less: ClickHouse was away, "
        "or the sink was behind.",
        SAVED,
        style={"drawStyle": "bars", "fillOpacity": 60, "lineWidth": 0},
    )
    alerts = table(
        "Alerts of Pulssi itself",
        "No events, a part behind or away, dead letters, as the SLA engine judges them. While the sink stands still, "
        "they cannot come here: `pulssi alerts list` and hooks have them, and *Figures are old* fires.",
        ALERTS,
        (column("Alert", width=200), column("Fired", TIME), column("Resolved", TIME)),
        empty="ClickHouse has none of this range",
    )
    deliveries = table(
        "Deliveries in the range",
        "What the deliverer of hooks sent to each destination of hooks.toml.",
        DELIVERIES,
        (column("Failed attempts", colours=RED_FROM_1), column("Last", TIME)),
        empty="No hook was sent in this range",
    )
    sources = table(
        "Polled sources",
        "When each account of a source that is polled was last asked. Empty where none is.",
        SOURCES,
        (column("Last asked", TIME), column("Ago", CLOCK)),
        empty="No source is polled",
    )
    firing = stat(
        "Critical alerts that fire",
        "Of Pulssi's own engine, by kind: contacts, objectives, the floor, and Pulssi itself.",
        FIRING_NOW,
        colours=RED_FROM_1,
    )
    return dashboard(
        site,
        "pulssi-pipeline",
        "Pipeline health",
        "Whether the figures can be trusted. Lag and dead letters by part are metrics of Prometheus: "
        "docs/prometheus.md.",
        [
            row(6, (5, DATA_AS_OF), (6, firing), (13, FIRING)),
            row(9, (10, last), (14, saved)),
            row(8, (24, alerts)),
            row(8, (12, deliveries), (12, sources)),
        ],
        (),
        refresh="30s",
    )
