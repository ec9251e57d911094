"""Queries about the forecast and the agents that it needs, by ClickHouse's view `forecast` and its Erlang C functions.

They contain what differs between installations: the days that calendars close, and the target of each queue's policy.
"""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from datetime import date
from typing import Final

from dashboards.grafana_definitions.pieces import PLACE, chosen, of_place, quote
from dashboards.grafana_definitions.site import Site
from schemas.calendars import Calendar, days_unlike_their_weekday

_WEEKS: Final = f"toUInt8({chosen('weeks')})"
_OCCUPANCY: Final = f"toFloat64({chosen('occupancy')})"
_SHRINKAGE: Final = f"toFloat64({chosen('shrinkage')})"
#: How many past days the error of the forecast is computed over.
JUDGED_DAYS: Final = 28


def _day(site: Site, at: str) -> str:
    """Write the local date of a time: of the centre, as the view's are, whatever zone is chosen."""
    return f"toDate32({at}, {quote(site.rules.time_zone)})"


def closed_days(site: Site) -> str:
    """Write the view's argument: by queue, the days of last, this and next year that are unlike their weekday."""
    calendars = {"": site.rules.calendar, **site.rules.queue_calendars}
    parts = [f"{quote(queue)}, [{_days(calendar, site.today.year)}]" for queue, calendar in sorted(calendars.items())]
    return f"map({', '.join(parts)})"


def _days(calendar: Calendar | None, year: int) -> str:
    if calendar is None:
        return ""
    days = days_unlike_their_weekday(calendar, date(year - 1, 1, 1), date(year + 1, 12, 31))
    return ", ".join(quote(day.isoformat()) for day in days)


def _forecast(site: Site, first: str, last: str) -> str:
    return f"forecast(first_day = {first}, last_day = {last}, weeks = {_WEEKS}, closed_days = {closed_days(site)})"


def entered_and_expected(site: Site) -> str:
    """Query the contacts that entered and the forecast, by half hour."""
    return f"""SELECT toDateTime(interval_start, 'UTC') AS time,
  sumOrNull(entered) AS "Entered", sumOrNull(expected) AS "Forecast"
FROM {_forecast(site, _day(site, "$__fromTime"), _day(site, "$__toTime"))}
WHERE $__timeFilter(interval_start) AND {PLACE}
GROUP BY time
ORDER BY time"""


def forecast_errors(site: Site) -> str:
    """Query the error of the forecast by queue, over half hours and over days that have a forecast."""
    last = f"least({_day(site, 'now()')}, addDays({_day(site, '$__toTime')}, 1)) - 1"
    return f"""SELECT channel, queue, sum(came) AS "Entered", sum(forecast) AS "Forecast",
  "Forecast" / nullIf("Entered", 0) - 1 AS "Bias",
  sum(abs(forecast - came)) / nullIf("Entered", 0) AS "Error by day",
  sum(off) / nullIf("Entered", 0) AS "Error by half hour"
FROM (
  SELECT day, channel, queue, sum(assumeNotNull(entered)) AS came, sum(assumeNotNull(expected)) AS forecast,
    sum(abs(assumeNotNull(expected) - assumeNotNull(entered))) AS off
  FROM {_forecast(site, f"{last} - {JUDGED_DAYS - 1}", last)}
  WHERE entered IS NOT NULL AND expected IS NOT NULL AND {PLACE}
  GROUP BY day, channel, queue
)
GROUP BY channel, queue
ORDER BY "Error by day" DESC NULLS LAST, channel, queue"""


def _needed(site: Site) -> str:
    """A subquery: each half hour of each queue with its load in Erlang, its target, and the agents that it needs.

    All of that is NULL where there is no forecast.
    """
    target_ms, objective = (
        of_place(site, value, "interval_start", "queue_wait") for value in ("target_ms", "objective")
    )
    return f"""(
  SELECT interval_start, interval_local, channel, queue, expected, aht_ms / 1000 AS aht_s,
    expected * aht_s / 1800 AS load, {target_ms} / 1000 AS target_s, {objective} AS objective,
    pulssi_agents(load, aht_s, target_s, objective, {_OCCUPANCY}) AS agents,
    ceil(agents / (1 - {_SHRINKAGE}) - 1e-9) AS positions
  FROM {_forecast(site, _day(site, "$__fromTime"), _day(site, "$__toTime"))}
  WHERE $__timeFilter(interval_start) AND {PLACE}
)"""


def positions_over_time(site: Site) -> str:
    """Query the positions needed, by half hour and channel; NULL, which is a gap, where nothing is forecast."""
    return f"""SELECT toDateTime(interval_start, 'UTC') AS time, channel, sumOrNull(positions) AS needed
FROM {_needed(site)}
GROUP BY time, channel
ORDER BY time, channel"""


def busiest_half_hours(site: Site) -> str:
    """Query the half hour with the most positions of each queue, and the service level that Erlang C expects in it."""
    return f"""SELECT channel, queue, interval_local AS "Half hour", expected AS "Forecast",
  aht_s AS "AHT", load AS "Load", target_s AS "Target", objective AS "Objective",
  agents AS "Agents", positions AS "Positions",
  pulssi_erlang_level(load, agents, aht_s, target_s) AS "Level",
  pulssi_erlang_wait_s(load, agents, aht_s) AS "Mean wait", load / nullIf(agents, 0) AS "Occupancy"
FROM {_needed(site)}
WHERE expected IS NOT NULL
ORDER BY "Positions" DESC NULLS LAST, load DESC NULLS LAST, channel, queue, interval_start
LIMIT 1 BY channel, queue"""


def without_positions(site: Site) -> str:
    """Query the queues for which positions are missing in half hours, why, and the contacts forecast in these."""
    return f"""SELECT channel, queue,
  if(aht_s IS NULL, 'no handle time is known', 'the objective is 100 %') AS "Why",
  count() AS "Half hours", sum(expected) AS "Forecast"
FROM {_needed(site)}
WHERE expected > 0 AND positions IS NULL
GROUP BY channel, queue, "Why"
ORDER BY "Forecast" DESC, channel, queue, "Why\""""
