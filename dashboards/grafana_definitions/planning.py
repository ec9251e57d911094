"""The dashboard *Planning*: what is to be expected, the agents it needs, and what came by interval and weekday."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions import staffing
from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.live_floor import FORMULA, QUEUE
from dashboards.grafana_definitions.panels import CLOCK, NUMBER, SHARE, column, lines, table
from dashboards.grafana_definitions.pieces import FORMULA as FORMULA_NAME
from dashboards.grafana_definitions.pieces import PLACE
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

_HOURS: Final = ",\n  ".join(
    f'sumIf(offered, hour = {hour}) / nullIf(uniqExact(day), 0) AS "{hour:02}"' for hour in range(24)
)
#: A mean over the days of a weekday that had anything at all.
WEEK: Final = f"""SELECT ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][toDayOfWeek(day)] AS "Day",
  {_HOURS}
FROM (
  SELECT day, toUInt8(substring(interval_local, 12, 2)) AS hour, sum(offered) AS offered
  FROM intervals
  WHERE interval = '60 minutes' AND {_IN_RANGE} AND {PLACE}
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
    "Forecast: the mean of the same weekday and half hour in the $weeks weeks before, by the centre's clock, of as "
    "many as there are. Left out are days that the calendar closes or gives hours of its own, those up to the queue's "
    "first one, and odd days: far more or far fewer visits than is usual on that weekday."
)


def _staffing(site: Site) -> str:
    """Say what staffing is computed from."""
    promises = ", ".join(
        f"{promise(policy)} ({policy.name})"
        for policy in site.policies()
        if policy.metric in {"queue_wait", "first_response"} and policy.priority is None and policy.segment is None
    )
    return (
        "Agents by Erlang C, from the forecast and the mean handle time of the same days: the fewest with whom the "
        f"policy of the queue is kept ({promises or 'there is none'}) and who are busy for $occupancy of their time at "
        "most. Positions: agents / (1 - shrinkage), rounded up; shrinkage, now $shrinkage, is the share of paid time "
        "in which they are not there. Nobody gives up waiting in this model, so it asks for rather too many. An agent "
        "who has several chats at once counts as several."
    )


def planning(site: Site) -> Json:
    """Describe the dashboard."""
    week = table(
        "Offered by weekday and hour",
        "Contacts that came in an hour of the centre's clock, as a mean over the range's days of that weekday that "
        "had any. "
        "The darker, the more.",
        WEEK,
        (column("Day", width=60),),
        unit=NUMBER,
        heat=True,
    )
    expected = lines(
        "Entered and forecast",
        f"Visits of queues a half hour. {_METHOD} Forecasts of days to come grow worse with the distance: they know no "
        "trend, and no campaign. Choose a range that reaches into the next days.",
        staffing.entered_and_expected(site),
        step="30m",
        colours={"Entered": "blue", "Forecast": "orange"},
    )
    errors = table(
        "How far off the forecast was, the worst first",
        f"Of {staffing.JUDGED_DAYS} days, the last one being yesterday or the end of an earlier range; each was "
        "forecast from the weeks before it alone. Off by day: the differences of the days, whatever their sign, / what "
        "entered (WAPE). Off by half hour: the same of half hours; in small queues chance alone makes it large. Bias: "
        "forecast / entered - 1; below 0 too little was forecast. Days without a forecast are left out.",
        staffing.forecast_errors(site),
        (
            *QUEUE,
            column("Forecast", NUMBER),
            *(column(name, SHARE) for name in ("Bias", "Off by day")),
            column("Off by half hour", SHARE, width=136),
        ),
    )
    needed = lines(
        "Positions needed, by channel",
        f"{_staffing(site)} Each queue by itself, added up: agents who serve several queues are needed less.",
        staffing.positions_over_time(site),
        step="30m",
        name="channel",
        style={"lineInterpolation": "stepAfter"},
    )
    busiest = table(
        "The busiest half hour of each queue, the largest first",
        "The half hour of the range with the most load by the forecast, past or to come. Load: forecast x AHT / 30 "
        "minutes, in Erlang. "
        f"{_staffing(site)} Level, mean wait and occupancy: what that gives.",
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
        "What is to be expected and the agents it needs; volumes, handle times and levels by interval and weekday.",
        [
            row(3, (24, DATA_AS_OF)),
            row(9, (14, expected), (10, errors)),
            row(9, (14, needed), (10, work)),
            row(9, (24, busiest)),
            row(9, (24, week)),
            row(14, (24, intervals)),
        ],
        ("channel", "queue", "weeks", "shrinkage", "occupancy"),
        since="now-7d",
        until="now+7d",
        refresh="5m",
    )
