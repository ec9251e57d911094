"""The dashboard's questions to ClickHouse. Only the views are asked; counters and histograms are merged, not averages.

Grafana puts the dashboard's range in for `$__timeFilter`, the width of a step for `$__timeInterval` and
`$__interval_s`, and what the viewer chose for `channel`, `queue` and `by`.
"""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

#: The service-level formula that the dashboard shows.
FORMULA: Final = "short_excluded"

#: Percentiles by the name they are shown with.
PERCENTILES: Final = {"p50": 0.5, "p80": 0.8, "p90": 0.9, "p95": 0.95}

_SELECTED: Final = (
    "$__conditionalAll(channel IN (${channel:singlequote}), $channel)"
    " AND $__conditionalAll(queue IN (${queue:singlequote}), $queue)"
)
#: In a panel that is repeated by channel, `channel` is that panel's own.
_SELECTED_IN_PANEL: Final = (
    "channel IN (${channel:singlequote}) AND $__conditionalAll(queue IN (${queue:singlequote}), $queue)"
)
_IN_RANGE: Final = "$__timeFilter(pane_start)"
_LINE_NAME: Final = "if('${by}' = 'queue', concat(channel, ' · ', queue), channel)"
#: Steps without any pane count 0.
_FILL_STEPS: Final = (
    "WITH FILL FROM toDateTime(intDiv(toUInt32($__fromTime), $__interval_s) * $__interval_s)"
    " TO $__toTime STEP toIntervalSecond($__interval_s)"
)

CHANNELS: Final = "SELECT DISTINCT channel FROM panes WHERE pane_start >= now() - INTERVAL 7 DAY ORDER BY channel"
QUEUES: Final = """SELECT DISTINCT queue FROM panes
WHERE pane_start >= now() - INTERVAL 7 DAY
  AND $__conditionalAll(channel IN (${channel:singlequote}), $channel)
ORDER BY queue"""


def _seconds(sample: str, q: float) -> str:
    return f"pulssi_quantile(sumMapIf(hist, sample = '{sample}'), {q}) / 1000"


#: Queues of the range count 0 where nobody is in them now.
_NOW: Final = f"""(
  SELECT channel, queue, waiting, oldest_waiting_since, awaiting_reply, oldest_awaiting_since,
    at_risk, breached, open, handling
  FROM gauges
  UNION ALL
  SELECT DISTINCT channel, queue, 0, NULL, 0, NULL, 0, 0, 0, 0 FROM panes WHERE {_IN_RANGE}
)"""


def now_by_channel(value: str) -> str:
    """A gauge now, one row a channel; `value` is an aggregate over the gauges' columns."""
    return f"""SELECT channel, {value}
FROM {_NOW}
WHERE {_SELECTED}
GROUP BY channel
ORDER BY channel"""


WAITING: Final = now_by_channel("sum(waiting) AS waiting_now")
LONGEST_WAIT: Final = now_by_channel(
    "ifNull(dateDiff('second', min(oldest_waiting_since), now64(3, 'UTC')), 0) AS longest"
)

NOW_BY_QUEUE: Final = f"""SELECT channel, queue,
  sum(waiting) AS "Waiting",
  dateDiff('second', min(oldest_waiting_since), now64(3, 'UTC')) AS "Longest wait",
  sum(awaiting_reply) AS "Awaiting reply",
  dateDiff('second', min(oldest_awaiting_since), now64(3, 'UTC')) AS "Longest await",
  sum(at_risk) AS "At risk",
  sum(breached) AS "Breached",
  sum(open) AS "Open",
  sum(handling) AS "Handling"
FROM {_NOW}
WHERE {_SELECTED}
GROUP BY channel, queue
ORDER BY channel, queue"""


_GROUP: Final = "if(agent_group = '', 'no group', agent_group)"

AGENTS_NOW: Final = f"""SELECT {_GROUP} AS "Group",
  available AS "Available", busy AS "Busy", wrap_up AS "Wrap-up", away AS "Away", offline AS "Offline"
FROM agent_groups
ORDER BY "Group\""""

SLOTS_NOW: Final = f"""SELECT {_GROUP} AS "Group", channel,
  capacity AS "Slots", used AS "In use", free AS "Free", used / nullIf(capacity, 0) AS "Use", unknown AS "Unknown"
FROM agent_slots
WHERE $__conditionalAll(channel IN (${{channel:singlequote}}), $channel)
ORDER BY "Group", channel"""


def _by_channel(value: str, *samples: str) -> str:
    """A value over the range, one row a channel that has any of these samples."""
    named = ", ".join(f"'{sample}'" for sample in samples)
    return f"""SELECT channel, {value}
FROM panes
WHERE {_IN_RANGE} AND sample IN ({named}) AND {_SELECTED}
GROUP BY channel
ORDER BY channel"""


_OUTCOMES: Final = ("offered", "first_response", "abandoned")


def count_by_channel(sample: str) -> str:
    """How many samples of a kind in the range, one row a channel."""
    return _by_channel(f"sumIf(n, sample = '{sample}') AS contacts", *_OUTCOMES)


#: From counters by sample, as the view of the panes has them.
_LEVEL_OF_PANES: Final = f"""pulssi_service_level('{FORMULA}',
    sumIf(n_target, sample = 'first_response'), sumIf(n_within, sample = 'first_response'),
    sumIf(n_target, sample = 'abandoned'), sumIf(n_within, sample = 'abandoned'),
    sumIf(n_short, sample = 'abandoned'))"""

LEVEL_BY_CHANNEL: Final = _by_channel(f"{_LEVEL_OF_PANES} AS level", *_OUTCOMES)


def percentile_by_channel(sample: str, q: float) -> str:
    """A percentile in seconds over the range, one row a channel; empty for one that only had contacts offered."""
    return _by_channel(f"{_seconds(sample, q)} AS seconds", "offered", sample)


def _columns(sample: str, title: str) -> str:
    return ",\n  ".join(f'{_seconds(sample, q)} AS "{title} {name}"' for name, q in PERCENTILES.items())


_COUNTS: Final = """sumIf(n, sample = 'offered') AS "Offered",
  sumIf(n, sample = 'first_response') AS "Answered",
  sumIf(n, sample = 'abandoned') AS "Abandoned\""""

RANGE_BY_QUEUE: Final = f"""SELECT channel, queue,
  {_COUNTS},
  sumIf(n, sample = 'abandoned')
    / nullIf(sumIf(n, sample = 'first_response') + sumIf(n, sample = 'abandoned'), 0) AS "Abandon rate",
  {_LEVEL_OF_PANES} AS "Service level"
FROM panes
WHERE {_IN_RANGE} AND sample IN ('offered', 'first_response', 'abandoned') AND {_SELECTED}
GROUP BY channel, queue
ORDER BY channel, queue"""

TIMES_BY_QUEUE: Final = f"""SELECT channel, queue,
  sumIf(n, sample = 'first_response') AS "Answered",
  sumIf(sum_ms, sample = 'first_response') / nullIf("Answered", 0) / 1000 AS "Response mean",
  {_columns("first_response", "Response")},
  sumIf(n, sample = 'handle') AS "Handled",
  sumIf(sum_ms, sample = 'handle') / nullIf("Handled", 0) / 1000 AS "AHT",
  {_columns("handle", "Handle")}
FROM panes
WHERE {_IN_RANGE} AND sample IN ('first_response', 'handle') AND {_SELECTED}
GROUP BY channel, queue
ORDER BY channel, queue"""

VOLUMES: Final = f"""SELECT $__timeInterval(pane_start) AS time,
  {_COUNTS}
FROM panes
WHERE {_IN_RANGE} AND sample IN ('offered', 'first_response', 'abandoned') AND {_SELECTED}
GROUP BY time
ORDER BY time {_FILL_STEPS}"""

OFFERED_BY_LINE: Final = f"""SELECT $__timeInterval(pane_start) AS time, {_LINE_NAME} AS line, sum(n) AS offered
FROM panes
WHERE {_IN_RANGE} AND sample = 'offered' AND {_SELECTED}
GROUP BY time, line
ORDER BY time, line"""

_LEVEL: Final = (
    f"pulssi_service_level('{FORMULA}', sum(answered), sum(answered_within), sum(abandoned), "
    "sum(abandoned_within), sum(short))"
)
LEVEL_OVER_TIME: Final = f"""SELECT $__timeInterval(pane_start) AS time, {_LINE_NAME} AS line, {_LEVEL} AS level
FROM service_level
WHERE {_IN_RANGE} AND {_SELECTED}
GROUP BY time, line
ORDER BY time, line"""


def percentiles_over_time(sample: str) -> str:
    """The percentiles of a duration in seconds, a column each, for a panel that is repeated by channel."""
    columns = ",\n  ".join(f"pulssi_quantile(sumMap(hist), {q}) / 1000 AS {name}" for name, q in PERCENTILES.items())
    return f"""SELECT $__timeInterval(pane_start) AS time,
  {columns}
FROM panes
WHERE {_IN_RANGE} AND sample = '{sample}' AND {_SELECTED_IN_PANEL}
GROUP BY time
ORDER BY time"""


def gauge_over_time(gauge: str) -> str:
    """A gauge of each minute, the lines' queues added up; of a longer step the highest minute."""
    return f"""SELECT $__timeInterval(at) AS time, line, max(now) AS contacts
FROM (
  SELECT at, {_LINE_NAME} AS line, sum({gauge}) AS now
  FROM gauge_history
  WHERE $__timeFilter(at) AND {_SELECTED}
  GROUP BY at, line
)
GROUP BY time, line
ORDER BY time, line"""


_TAG: Final = "if(known, tag, concat(tag, ' (not in the taxonomy)'))"

TAGS: Final = f"""SELECT {_TAG} AS named, sum(n) AS "Contacts"
FROM tag_panes
WHERE {_IN_RANGE} AND {_SELECTED}
GROUP BY named
ORDER BY "Contacts" DESC, named
LIMIT 12"""

TAGS_OVER_TIME: Final = f"""SELECT $__timeInterval(pane_start) AS time, {_TAG} AS named, sum(n) AS contacts
FROM tag_panes
WHERE {_IN_RANGE} AND {_SELECTED}
  AND tag IN (
    SELECT tag FROM tag_panes WHERE {_IN_RANGE} AND {_SELECTED} GROUP BY tag ORDER BY sum(n) DESC LIMIT 8
  )
GROUP BY time, named
ORDER BY time, named"""

TAGS_BY_QUEUE: Final = f"""SELECT channel, queue, {_TAG} AS "Tag", sum(n) AS "Contacts"
FROM tag_panes
WHERE {_IN_RANGE} AND {_SELECTED}
GROUP BY channel, queue, "Tag"
ORDER BY "Contacts" DESC, channel, queue, "Tag"
LIMIT 50"""
