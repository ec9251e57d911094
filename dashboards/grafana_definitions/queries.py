"""The live floor's questions to ClickHouse: now, and how the range went, by channel and queue."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.pieces import (
    AS_OF,
    EVERY_CHANNEL,
    EVERY_STEP,
    FORMULA,
    IN_RANGE,
    LAST_MOMENT,
    LEVEL_OF_PANES,
    LINE_NAME,
    PERCENTILES,
    PLACE,
    PLACE_IN_PANEL,
    SELECTED,
    STEP,
    TIME_ZONE,
    among_chosen,
    largest_lines,
    of_place,
    seconds,
    step_of,
)
from dashboards.grafana_definitions.site import Site

#: Queues of the range count 0 where nobody is in them now.
_NOW: Final = f"""(
  SELECT channel, queue, waiting, oldest_waiting_since, awaiting_reply, oldest_awaiting_since,
    at_risk, breached, open, handling
  FROM gauges
  UNION ALL
  SELECT DISTINCT channel, queue, 0, NULL, 0, NULL, 0, 0, 0, 0 FROM panes WHERE {IN_RANGE}
)"""


def now_by_channel(value: str) -> str:
    """A gauge now, one row a channel; `value` is an aggregate over the gauges' columns."""
    return f"""SELECT channel, {value}
FROM (
  SELECT channel, waiting, oldest_waiting_since FROM gauges WHERE {PLACE}
  UNION ALL
  SELECT {EVERY_CHANNEL} AS channel, 0, NULL
)
GROUP BY channel
ORDER BY channel"""


def _waited(since: str) -> str:
    """NULL where nobody waits: `greatest` alone says so in some releases of ClickHouse, and 0 in others."""
    return f"if(min({since}) IS NULL, NULL, greatest(0, dateDiff('second', min({since}), {AS_OF})))"


WAITING: Final = now_by_channel("sum(waiting) AS waiting_now")
LONGEST_WAIT: Final = now_by_channel(f"ifNull({_waited('oldest_waiting_since')}, 0) AS longest")

NOW_BY_QUEUE: Final = f"""SELECT channel, queue,
  sum(waiting) AS "Waiting",
  {_waited("oldest_waiting_since")} AS "Longest wait",
  sum(awaiting_reply) AS "Awaiting reply",
  {_waited("oldest_awaiting_since")} AS "Longest await",
  sum(at_risk) AS "At risk",
  sum(breached) AS "Breached",
  sum(open) AS "Open",
  sum(handling) AS "Handling"
FROM {_NOW}
WHERE {PLACE}
GROUP BY channel, queue
ORDER BY "Breached" DESC, "At risk" DESC, "Longest wait" DESC NULLS LAST, channel, queue"""


_GROUP: Final = "if(agent_group = '', 'no group', agent_group)"

AGENTS_NOW: Final = f"""SELECT {_GROUP} AS "Group",
  available AS "Available", busy AS "Busy", wrap_up AS "Wrap-up", away AS "Away", offline AS "Offline"
FROM agent_groups
ORDER BY "Available", "Group\""""

SLOTS_NOW: Final = f"""SELECT {_GROUP} AS "Group", channel,
  capacity AS "Slots", used AS "In use", free AS "Free", used / nullIf(capacity, 0) AS "Use", unknown AS "Unknown"
FROM agent_slots
WHERE {among_chosen("channel")}
ORDER BY "Free" ASC NULLS LAST, "Group", channel"""


def _by_channel(value: str, *samples: str) -> str:
    """A value over the range, one row a channel that has any of these samples."""
    named = ", ".join(f"'{sample}'" for sample in samples)
    return f"""SELECT channel, {value}
FROM panes
WHERE {IN_RANGE} AND sample IN ({named}) AND {SELECTED}
GROUP BY channel
ORDER BY channel"""


_OUTCOMES: Final = ("offered", "first_response", "abandoned")


def count_by_channel(sample: str) -> str:
    """How many samples of a kind in the range, one row a channel that may be chosen: 0 where there were none."""
    return f"""SELECT channel, sum(n) AS contacts
FROM (
  SELECT channel, n FROM panes WHERE {IN_RANGE} AND sample = '{sample}' AND {SELECTED}
  UNION ALL
  SELECT {EVERY_CHANNEL} AS channel, 0
)
GROUP BY channel
ORDER BY channel"""


LEVEL_BY_CHANNEL: Final = _by_channel(f"{LEVEL_OF_PANES} AS level", *_OUTCOMES)


def percentile_by_channel(sample: str, q: float) -> str:
    """A percentile in seconds over the range, one row a channel; empty for one that only had contacts offered."""
    return _by_channel(f"{seconds(sample, q)} AS seconds", "offered", sample)


_COUNTS: Final = """sumIf(n, sample = 'offered') AS "Offered",
  sumIf(n, sample = 'first_response') AS "Answered",
  sumIf(n, sample = 'abandoned') AS "Abandoned\""""


def range_by_queue(site: Site) -> str:
    """Every queue of the range, the one furthest below its objective first."""
    return f"""SELECT channel, queue,
  {_COUNTS},
  sumIf(n, sample = 'abandoned')
    / nullIf(sumIf(n, sample = 'first_response') + sumIf(n, sample = 'abandoned'), 0) AS "Abandon rate",
  {LEVEL_OF_PANES} AS "Service level",
  {of_place(site, "objective", LAST_MOMENT)} AS "Objective",
  "Service level" - "Objective" AS "Difference"
FROM panes
WHERE {IN_RANGE} AND sample IN ('offered', 'first_response', 'abandoned') AND {SELECTED}
GROUP BY channel, queue
ORDER BY "Difference" ASC NULLS LAST, channel, queue"""


def _times_by_queue(sample: str, count: str) -> str:
    """The mean and the percentiles of a duration, a row a queue, the slowest first."""
    columns = ",\n  ".join(f'{seconds(sample, q)} AS "{name}"' for name, q in PERCENTILES.items())
    return f"""SELECT channel, queue,
  sum(n) AS "{count}",
  sum(sum_ms) / nullIf("{count}", 0) / 1000 AS "Mean",
  {columns}
FROM panes
WHERE {IN_RANGE} AND sample = '{sample}' AND {SELECTED}
GROUP BY channel, queue
ORDER BY "p90" DESC NULLS LAST, channel, queue"""


RESPONSES_BY_QUEUE: Final = _times_by_queue("first_response", "Answered")
HANDLES_BY_QUEUE: Final = _times_by_queue("handle", "Handled")


def _days_before(value: str, days: int) -> str:
    """A value over the range as it was some days before, by the wall clock."""
    shifted = (
        f"pane_start >= subtractDays(toTimeZone($__fromTime, {TIME_ZONE}), {days})"
        f" AND pane_start <= subtractDays(toTimeZone($__toTime, {TIME_ZONE}), {days})"
    )
    return value.format(when=shifted)


_OFFERED_WHEN: Final = "sumIf(n, sample = 'offered' AND {when})"
_LEVEL_WHEN: Final = (
    f"pulssi_service_level('{FORMULA}',"
    " sumIf(n_target, sample = 'first_response' AND {when}), sumIf(n_within, sample = 'first_response' AND {when}),"
    " sumIf(n_target, sample = 'abandoned' AND {when}), sumIf(n_within, sample = 'abandoned' AND {when}),"
    " sumIf(n_short, sample = 'abandoned' AND {when}))"
)

COMPARED: Final = f"""SELECT channel,
  {_days_before(_OFFERED_WHEN, 0)} AS "Offered",
  {_days_before(_OFFERED_WHEN, 1)} AS "A day before",
  {_days_before(_OFFERED_WHEN, 7)} AS "A week before",
  {_days_before(_LEVEL_WHEN, 0)} AS "Level",
  {_days_before(_LEVEL_WHEN, 1)} AS "Level a day before",
  {_days_before(_LEVEL_WHEN, 7)} AS "Level a week before"
FROM panes
WHERE pane_start >= subtractDays($__fromTime, 8) AND pane_start <= $__toTime
  AND sample IN ('offered', 'first_response', 'abandoned') AND {SELECTED}
GROUP BY channel
ORDER BY channel"""

#: A time in each step of the range.
_STEPS: Final = (
    "arrayPushBack(range(toUnixTimestamp($__fromTime), toUnixTimestamp($__toTime), toUInt32($__interval_s)),"
    " toUnixTimestamp($__toTime))"
)
#: Every step, with zeros where nothing came; `since` and `until` say when it counted, for the way to its contacts: the
#: first step of a range counts from the beginning of the range on.
VOLUMES: Final = f"""SELECT {STEP} AS time,
  {_COUNTS},
  1000 * greatest(toUnixTimestamp(time), toUnixTimestamp($__fromTime)) AS since,
  1000 * greatest(toUnixTimestamp(time), toUnixTimestamp(maxIf(toDateTime(pane_start), sample != ''))) + 59999 AS until
FROM (
  SELECT pane_start, sample, n FROM panes
  WHERE {IN_RANGE} AND sample IN ('offered', 'first_response', 'abandoned') AND {SELECTED}
  UNION ALL
  SELECT toDateTime64(arrayJoin({_STEPS}), 3, 'UTC') AS pane_start, '', 0
)
GROUP BY time
ORDER BY time"""

_OFFERED: Final = f"sample = 'offered' AND {SELECTED}"
OFFERED_BY_LINE: Final = f"""SELECT {STEP} AS time, {LINE_NAME} AS line, sum(n) AS offered
FROM panes
WHERE {IN_RANGE} AND {_OFFERED} AND {LINE_NAME} IN {largest_lines("panes", "pane_start", "sum(n)", _OFFERED)}
GROUP BY time, line
ORDER BY time, line"""

_LEVEL: Final = (
    f"pulssi_service_level('{FORMULA}', sum(answered), sum(answered_within), sum(abandoned), "
    "sum(abandoned_within), sum(short))"
)
_LEVEL_LINES: Final = largest_lines("service_level", "pane_start", "sum(answered) + sum(abandoned)", SELECTED)
LEVEL_OVER_TIME: Final = f"""SELECT {STEP} AS time, {LINE_NAME} AS line, {_LEVEL} AS level
FROM service_level
WHERE {IN_RANGE} AND {SELECTED} AND {LINE_NAME} IN {_LEVEL_LINES}
GROUP BY time, line
ORDER BY time, line"""


def percentiles_over_time(sample: str, channel: str, of_ms: int) -> str:
    """The percentiles of a duration in a channel, a column each, in units of so many milliseconds."""
    columns = ",\n  ".join(f"pulssi_quantile(sumMap(hist), {q}) / {of_ms} AS {name}" for name, q in PERCENTILES.items())
    return f"""SELECT {STEP} AS time,
  {columns}
FROM panes
WHERE {IN_RANGE} AND sample = '{sample}' AND channel = '{channel}' AND {SELECTED}
GROUP BY time
ORDER BY time"""


def gauge_over_time(gauge: str) -> str:
    """A gauge of each minute, a line a queue, for a panel that is repeated by channel; of a longer step the highest.

    A step that nobody looked at is NULL.
    """
    largest = (
        f"(SELECT queue FROM gauge_history WHERE $__timeFilter(at) AND {PLACE_IN_PANEL}"
        f" GROUP BY queue ORDER BY max({gauge}) DESC, queue LIMIT 8)"
    )
    return f"""SELECT time, queue, max(minute) AS contacts
FROM (
  SELECT {step_of("at")} AS time, queue, toNullable({gauge}) AS minute
  FROM gauge_history
  WHERE $__timeFilter(at) AND {PLACE_IN_PANEL} AND queue IN {largest}
  UNION ALL
  SELECT time, queue, NULL
  FROM {EVERY_STEP} AS steps CROSS JOIN {largest} AS queues
)
GROUP BY time, queue
ORDER BY time, queue"""
