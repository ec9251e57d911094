"""The dashboard *Channels and queues*: what enters each queue, how long it stays, and how it leaves."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import queries
from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.links import contacts_of_row
from dashboards.grafana_definitions.live_floor import (
    DIFFERENCE_COLUMN,
    FORMULA,
    QUANTILE,
    QUEUE,
    STACKED,
    STEP,
    WAITS,
    percentiles,
)
from dashboards.grafana_definitions.panels import CLOCK, SHARE, column, lines, stat, table
from dashboards.grafana_definitions.pieces import (
    IN_RANGE,
    LINE_NAME,
    SELECTED,
    in_range,
    largest_lines,
    seconds,
)
from dashboards.grafana_definitions.pieces import STEP as STEP_SQL
from dashboards.grafana_definitions.site import Json, Site

_ENTERED: Final = f"sample = 'entered' AND {SELECTED}"
ENTERED_BY_LINE: Final = f"""SELECT {STEP_SQL} AS time, {LINE_NAME} AS line, sum(n) AS entered
FROM panes
WHERE {IN_RANGE} AND {_ENTERED} AND {LINE_NAME} IN {largest_lines("panes", "pane_start", "sum(n)", _ENTERED)}
GROUP BY time, line
ORDER BY time, line"""

VISITS: Final = f"""SELECT channel, queue,
  sumIf(n, sample = 'entered') AS "Entered",
  sumIf(n, sample = 'queue_wait') AS "Left",
  {seconds("queue_wait", 0.5)} AS "Wait p50",
  {seconds("queue_wait", 0.9)} AS "Wait p90",
  sumIf(n, sample = 'transferred') AS "Transferred",
  sumIf(n, sample = 'handle') AS "Handled"
FROM panes
WHERE {IN_RANGE} AND sample IN ('entered', 'queue_wait', 'transferred', 'handle') AND {SELECTED}
GROUP BY channel, queue
ORDER BY "Wait p90" DESC NULLS LAST, channel, queue"""

OUTCOMES: Final = f"""SELECT channel, queue, outcome AS "Outcome", count() AS "Visits", avg(value_ms) / 1000 AS
  "Mean wait"
FROM samples
WHERE {in_range("at")} AND sample = 'queue_wait' AND {SELECTED}
GROUP BY channel, queue, outcome
ORDER BY "Visits" DESC, channel, queue, outcome
LIMIT 100"""

QUEUE_LEVEL: Final = f"""SELECT channel, queue, sum(answered) AS "Answered", sum(abandoned) AS "Abandoned",
  pulssi_service_level('short_excluded', sum(answered), sum(answered_within), sum(abandoned), sum(abandoned_within),
    sum(short)) AS "Level"
FROM queue_service_level
WHERE {IN_RANGE} AND {SELECTED}
GROUP BY channel, queue
ORDER BY "Level" ASC NULLS LAST, channel, queue"""

#: Why no queue has a level of its own.
NO_TARGET: Final = 'No queue has a target for its own wait; policies.toml sets one: metric = "queue_wait"'
NO_VISIT: Final = "In this range no visit ended in a queue that has a target for its own wait"


def queues(site: Site) -> Json:
    """Describe the dashboard."""
    by_queue = table(
        "In the range, by queue, the worst first",
        "Level: service level beside the objective of the queue's policy; difference: level minus objective. "
        f"{FORMULA}",
        queries.range_by_queue(site),
        (
            *QUEUE,
            column("Offered", links=[contacts_of_row("offered")]),
            column("Abandoned", links=[contacts_of_row("abandoned")]),
            column("Abandon rate", SHARE, title="Rate"),
            column("Service level", SHARE, title="Level"),
            column("Objective", SHARE),
            DIFFERENCE_COLUMN,
        ),
    )
    entered = lines(
        "Entered, by channel or queue",
        f"Queue visits that began in a step, transfers included, stacked; the eight with most. {STEP}",
        ENTERED_BY_LINE,
        step="10m",
        name="line",
        style=STACKED,
    )
    visits = table(
        "Queue visits, the longest waits first",
        f"Entered: visits that began; left: that ended, however. Waits are of visits that ended. {QUANTILE}",
        VISITS,
        (
            *QUEUE,
            column("Wait p50", CLOCK),
            column("Wait p90", CLOCK),
            column("Left", links=[contacts_of_row("queue_wait")]),
            column("Transferred", links=[contacts_of_row("transferred")]),
        ),
    )
    outcomes = table(
        "How visits ended",
        "answered, abandoned, moved to another queue, left (resolved or disconnected), or the reason of a dequeuing.",
        OUTCOMES,
        (*QUEUE, column("Mean wait", CLOCK)),
    )
    own = table(
        "Queues' own service level, the worst first",
        f"Of visits, in the minute in which they ended, held against the queue's own target. {FORMULA} The target is "
        'that of a policy with metric = "queue_wait" in policies.toml; a queue without one is left out. Queues that '
        "contacts are transferred to have a level here: elsewhere, only a contact's first response counts.",
        QUEUE_LEVEL,
        (*QUEUE, column("Level", SHARE)),
        empty=NO_VISIT if any(policy.metric == "queue_wait" for policy in site.policies()) else NO_TARGET,
    )
    answered = stat(
        "Answered", "Contacts that got their first response in the range.", queries.count_by_channel("first_response")
    )
    offered = stat("Offered", "Contacts that came in during the range.", queries.count_by_channel("offered"))
    level = stat("Service level", f"Over the range. {FORMULA}", queries.LEVEL_BY_CHANNEL, unit=SHARE)
    return dashboard(
        site,
        "pulssi-queues",
        "Channels and queues",
        "What enters each channel and queue, how long it waits, and how it leaves.",
        [
            row(4, (6, DATA_AS_OF), (6, offered), (6, answered), (6, level)),
            row(11, (24, by_queue)),
            row(9, (9, entered), (15, visits)),
            row(9, (14, outcomes), (10, own)),
            percentiles("Queue wait", "How long a visit of a queue lasted, however it ended.", "queue_wait", WAITS),
        ],
        ("channel", "queue", "priority", "team", "by"),
    )
