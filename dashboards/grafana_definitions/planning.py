"""The dashboard *Planning*: intervals, weekdays by hour, what was expected, and the work that came."""

# ruff: noqa: S608 - these queries are written to files: nothing that a user types goes in here

from __future__ import annotations

from typing import Final

from dashboards.grafana_definitions.layout import DATA_AS_OF, dashboard, row
from dashboards.grafana_definitions.live_floor import FORMULA, QUEUE
from dashboards.grafana_definitions.panels import CLOCK, NUMBER, SHARE, column, lines, table
from dashboards.grafana_definitions.pieces import FORMULA as FORMULA_NAME
from dashboards.grafana_definitions.pieces import PLACE
from dashboards.grafana_definitions.site import Json, Site

#: The local dates that the range touches; by them ClickHouse leaves out other months.
_DAYS: Final = "day >= toDate($__fromTime) - {back} AND day <= toDate($__toTime) + 1"
_IN_RANGE: Final = f"{_DAYS.format(back=1)} AND $__timeFilter(interval_start)"

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

#: Weeks that there were before the range, four at most.
_WEEKS: Final = (
    "greatest(1, least(4, intDiv(dateDiff('day', (SELECT min(day) FROM intervals WHERE interval = 'month'),"
    " toDate($__fromTime)), 7)))"
)
EXPECTED: Final = f"""SELECT toDateTime(hour, 'UTC') AS time, toNullable(sumIf(came, weeks_on = 0)) AS "Came",
  sumIf(came, weeks_on > 0) / {_WEEKS} AS "Expected"
FROM (
  SELECT arrayJoin([0, 1, 2, 3, 4]) AS weeks_on, addWeeks(toTimeZone(interval_start, '${{tz}}'), weeks_on) AS
    hour, offered AS came
  FROM intervals
  WHERE interval = '60 minutes' AND {_DAYS.format(back=30)} AND {PLACE}
)
WHERE hour >= $__fromTime AND hour <= $__toTime
GROUP BY time
ORDER BY time"""

WORK: Final = f"""SELECT toDateTime(interval_start, 'UTC') AS time, channel, sum(handle_sum_ms) / 1800000 AS agents
FROM intervals
WHERE interval = '30 minutes' AND {_IN_RANGE} AND {PLACE}
GROUP BY time, channel
ORDER BY time, channel"""


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
        "Offered against the four weeks before",
        "Contacts an hour, and the mean of the same weekday and hour of the four weeks before (of as many as there "
        "are), by "
        "the clock of the chosen time zone. It is no forecast of a model.",
        EXPECTED,
        step="1h",
        colours={"Came": "blue", "Expected": "orange"},
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
        style={"lineInterpolation": "stepAfter"},
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
        "Volumes, handle times and service level by interval, by weekday and hour, and against the weeks before.",
        [
            row(3, (24, DATA_AS_OF)),
            row(9, (24, week)),
            row(9, (12, expected), (12, work)),
            row(14, (24, intervals)),
        ],
        ("channel", "queue"),
        since="now-7d",
        refresh="5m",
    )
