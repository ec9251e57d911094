"""The dashboard *Planning*: the forecast, the agents that it needs, and past volumes by interval and weekday."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import staffing
from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.live_floor import FORMULA, QUEUE
from dashboards.grafana_definitions.panels import CLOCK, NUMBER, SHARE, column, lines, table
from dashboards.grafana_definitions.pieces import FORMULA as FORMULA_NAME
from dashboards.grafana_definitions.pieces import PLACE, quote
from dashboards.grafana_definitions.promises import promise
from dashboards.grafana_definitions.site import Json, Site

#: The local dates that the range touches; by them ClickHouse leaves out other months.
_IN_RANGE: Final = "day >= toDate($__fromTime) - 1 AND day <= toDate($__toTime) + 1 AND $__timeFilter(interval_start)"

INTERVALS: Final = f"""SELECT interval_local AS "Interval", channel, queue, entered AS "Entered", offered AS "Offered",
  answered AS "Answered", abandoned AS "Abandoned", aht_ms / 1000 AS "AHT", asa_ms / 1000 AS "Answer mean",
  first_response_p80_ms / 1000 AS "Response p80", service_level AS "Level"
FROM intervals
WHERE interval = '30 minutes' AND {_IN_RANGE} AND {PLACE}
ORDER BY interval_start DESC, channel, queue
LIMIT 1000"""


def week(site: Site) -> str:
    """Query the contacts offered by weekday and hour: a mean over the days on which the whole hour is in the range.

    Only days that had anything at all count. A mean of 100 and more is a whole number: it has no place for decimals.
    """
    zone = quote(site.rules.time_zone)
    hours = ",\n  ".join(
        f'round(avgOrNullIf(offered, hour = {hour}) AS mean_{hour}, if(mean_{hour} < 100, 1, 0)) AS "{hour:02}"'
        for hour in range(24)
    )
    return f"""WITH
  known AS (
    SELECT day, toUInt8(substring(interval_local, 12, 2)) AS hour, offered
    FROM intervals
    WHERE interval = '60 minutes' AND {_IN_RANGE} AND {PLACE}
  ),
  whole AS (
    SELECT toDate32(at, {zone}) AS day, toHour(at, {zone}) AS hour
    FROM (
      SELECT toDateTime(900 * arrayJoin(range(intDiv(toUnixTimestamp($__fromTime) + 899, 900),
        intDiv(least(toUnixTimestamp($__toTime) + 1, toUnixTimestamp(now())), 900))), 'UTC') AS at
    )
    GROUP BY day, hour
    HAVING count() >= 4
  )
SELECT ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][toDayOfWeek(day)] AS "Day",
  {hours}
FROM (
  SELECT day, hour, sum(n) AS offered
  FROM (SELECT day, hour, offered AS n FROM known UNION ALL SELECT day, hour, 0 FROM whole)
  WHERE (day, hour) IN whole AND day IN (SELECT day FROM known)
  GROUP BY day, hour
)
GROUP BY toDayOfWeek(day)
ORDER BY toDayOfWeek(day)"""


WORK: Final = f"""SELECT toDateTime(interval_start, 'UTC') AS time, channel, sum(handle_sum_ms) / 1800000 AS agents
FROM intervals
WHERE interval = '30 minutes' AND {_IN_RANGE} AND {PLACE}
GROUP BY time, channel
ORDER BY time, channel"""


_METHOD: Final = (
    "Forecast: the mean of the same weekday and half hour in the $weeks weeks before, or in as many as are known. "
    "These days are left out: closed days, public holidays and days with special opening hours; days up to the queue's "
    "first contact; days with far more or far fewer contacts than is usual on that weekday."
)


def _staffing(site: Site) -> str:
    """Describe how agents and positions are computed."""
    promises = ", ".join(
        f"{promise(policy)} ({policy.name})"
        for policy in site.policies()
        if policy.metric in {"queue_wait", "first_response"} and policy.priority is None and policy.segment is None
    )
    return (
        "Agents: the fewest with whom the queue's target is met "
        f"({promises or 'no policy sets one'}), at an occupancy of at most $occupancy; by Erlang C, from the forecast "
        "and the mean handle time of the same days. Positions: agents / (1 - shrinkage), rounded up; shrinkage, here "
        "$shrinkage, is the share of paid time in which agents are not available. Erlang C assumes that no customer "
        "gives up waiting, so the result is somewhat too high. It also assumes that an agent handles one contact at a "
        "time: where agents handle several chats at once, fewer are needed. No number of agents guarantees a target "
        "for 100 % of contacts: queues with such a policy have no agents and positions here."
    )


def planning(site: Site) -> Json:
    """Describe the dashboard."""
    by_weekday = table(
        "Offered by weekday and hour",
        "Contacts that came in an hour of the centre's clock, as a mean over the range's days of that weekday that "
        "had any. Hours of which a part is outside the range, or not over yet, are left out. The stronger the "
        "colour, the more.",
        week(site),
        (column("Day", width=48),),
        decimals=1,
        heat=True,
    )
    expected = lines(
        "Entered and forecast",
        f"Contacts that entered a queue, by half hour. {_METHOD} The forecast knows no trend and no campaign, so it is "
        "less exact for days further ahead. For coming days, choose a time range that ends in the future.",
        staffing.entered_and_expected(site),
        unit=NUMBER,
        step="30m",
        colours={"Entered": "blue", "Forecast": "orange"},
    )
    errors = table(
        "Forecast error by queue, the largest first",
        f"Over {staffing.JUDGED_DAYS} days up to yesterday, or up to the end of the time range if that is earlier. "
        "Each day is forecast only from the weeks before it; days without a forecast are left out. By day: the "
        "absolute differences of all days / the contacts that entered (WAPE). By half hour: the same by half "
        "hour; in small queues chance alone makes it large. Bias: forecast / entered - 1; below 0 the forecast was "
        "too low.",
        staffing.forecast_errors(site),
        (
            *QUEUE,
            column("Forecast", NUMBER),
            column("Bias", SHARE),
            column("Error by day", SHARE, title="By day"),
            column("Error by half hour", SHARE, title="By half hour", width=102),
        ),
    )
    needed = lines(
        "Positions needed, by channel",
        f"{_staffing(site)} The sum of all queues, each computed alone: agents who serve several queues can be fewer. "
        "Queues that are left out are named below.",
        staffing.positions_over_time(site),
        step="30m",
        name="channel",
        style={"lineInterpolation": "stepAfter"},
    )
    busiest = table(
        "The busiest half hour of each queue, most positions first",
        "The half hour of the time range, past or future, with the most positions by the forecast. Load: forecast x "
        f"AHT / 30 minutes, in Erlang. {_staffing(site)} Level, mean wait and occupancy: the service level, wait and "
        "occupancy to be expected with these agents.",
        staffing.busiest_half_hours(site),
        (
            *QUEUE,
            column("Half hour", width=140),
            column("Forecast", NUMBER),
            *(column(name, CLOCK) for name in ("AHT", "Target", "Mean wait")),
            column("Load", NUMBER, decimals=2),
            *(column(name, SHARE) for name in ("Objective", "Level", "Occupancy")),
        ),
    )
    without = table(
        "Not in the positions, and why",
        "Half hours with forecast contacts for which no positions can be computed: *Positions needed* is too low by "
        "these. No handle time is known where no contact of the queue was handled on that weekday in the weeks "
        "before, such as e-mail on a Sunday on which nobody works. For an objective of 100 % there is no number of "
        "agents: give the queue a lower objective to plan it.",
        staffing.without_positions(site),
        (*QUEUE, column("Why", width=220), column("Forecast", NUMBER)),
        empty="All forecast contacts are in the positions",
    )
    work = lines(
        "Work that was done, in agents",
        "Handle time closed in a half hour / 30 minutes: so many agents were busy all the time. Staffing needs more "
        "than "
        "that, as contacts do not come evenly.",
        WORK,
        unit=NUMBER,
        step="30m",
        name="channel",
    )
    intervals = table(
        "Intervals of 30 minutes, the newest first",
        f"By the centre's clock; the last one is still filling. Level: {FORMULA_NAME}. {FORMULA}",
        INTERVALS,
        (
            column("Interval", width=140),
            *QUEUE,
            *(column(name, CLOCK) for name in ("AHT", "Answer mean", "Response p80")),
            column("Level", SHARE),
        ),
    )
    return dashboard(
        site,
        "pulssi-planning",
        "Planning",
        "The forecast and the agents that it needs; volumes, handle times and service levels by interval and weekday.",
        [
            row(3, (24, DATA_AS_OF)),
            row(9, (12, expected), (12, errors)),
            row(9, (12, needed), (12, work)),
            row(6, (24, without)),
            row(9, (24, busiest)),
            row(9, (24, by_weekday)),
            row(14, (24, intervals)),
        ],
        ("channel", "queue", "weeks", "shrinkage", "occupancy"),
        since="now-7d",
        until="now+7d",
        refresh="5m",
    )
