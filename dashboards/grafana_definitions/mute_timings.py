"""Grafana's mute timings from `[[maintenance]]`: by the hours of a calendar, or from one instant to another.

Grafana adds intervals up and cannot take one away. So days with hours of their own (`extra`) stay as their weekday is,
and while a calendar is *open* its closed days are muted as well. The hours are those in force today; public holidays
are those of this year and the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from dashboards.grafana_definitions.site import Json
from schemas.alert_rules import Maintenance
from schemas.calendars import MINUTES_A_DAY, Calendar, Hours

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
_WEEK: Final = len(_WEEKDAYS) * MINUTES_A_DAY
#: Grafana knows no period between two instants: a maintenance becomes one interval a day, for at most so many days.
_DAYS_AT_MOST: Final = 400


#: What the name of a mute timing of Pulssi's begins with.
TIMING_PREFIX: Final = "Pulssi: "


def timing_name(maintenance: Maintenance) -> str:
    """Name a maintenance's mute timing."""
    return f"{TIMING_PREFIX}{maintenance.name}"


def mute_timing(maintenance: Maintenance, today: date) -> Json:
    """Describe when a maintenance mutes."""
    if maintenance.calendar is None:
        intervals = list(_between(maintenance.since, maintenance.until))
    else:
        hours = hours_on(maintenance.calendar, today)
        intervals = list(_weekly(hours, while_open=maintenance.while_open))
        if not maintenance.while_open:
            intervals += _closed_days(hours, today)
    return {"name": timing_name(maintenance), "time_intervals": intervals}


def hours_on(calendar: Calendar, day: date) -> Hours:
    """Give the hours of a calendar that hold on a day."""
    return [hours for hours in calendar.hours if hours.valid_from <= day.isoformat()][-1]


def _open_minutes(hours: Hours) -> list[tuple[int, int]]:
    """Give the open spans of a week in minutes since its Monday, in order, apart; what passes Sunday begins it."""
    spans = []
    for day, of_day in enumerate(hours.week):
        for span in of_day:
            begin, end = day * MINUTES_A_DAY + span.begin, day * MINUTES_A_DAY + span.end
            spans += [(begin, min(end, _WEEK))] + ([(0, end - _WEEK)] if end > _WEEK else [])
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _weekly(hours: Hours, *, while_open: bool) -> Iterator[Json]:
    spans = _open_minutes(hours)
    if not while_open:
        edges = [0, *(edge for span in spans for edge in span), _WEEK]
        spans = [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]
    for day, name in enumerate(_WEEKDAYS):
        first = day * MINUTES_A_DAY
        of_day = [
            (max(begin, first) - first, min(end, first + MINUTES_A_DAY) - first)
            for begin, end in spans
            if begin < first + MINUTES_A_DAY and end > first
        ]
        if of_day:
            yield {"weekdays": [name], "times": [_times(*span) for span in of_day], "location": hours.zone}


def _times(begin: int, end: int) -> Json:
    return {"start_time": _clock(begin), "end_time": _clock(end)}


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _closed_days(hours: Hours, today: date) -> list[Json]:
    days = {date.fromisoformat(day) for day in hours.closed}
    if hours.country:
        from holidays import country_holidays  # noqa: PLC0415 - a calendar without holidays does not pay for the import

        days |= set(
            country_holidays(hours.country, subdiv=hours.subdivision or None, years=[today.year, today.year + 1])
        )
    own = {date.fromisoformat(day) for day, _ in hours.extra}
    return [{**_day(day), "location": hours.zone} for day in sorted(days - own)]


def _day(day: date) -> Json:
    return {"years": [str(day.year)], "months": [_MONTHS[day.month - 1]], "days_of_month": [str(day.day)]}


def with_named_months(timing: Json) -> Json:
    """Give a mute timing that a Grafana answered with the names of its months: some releases tell their numbers."""
    return {
        **timing,
        "time_intervals": [
            {**interval, "months": [_name(month) for month in interval["months"]]}
            if interval.get("months")
            else interval
            for interval in timing.get("time_intervals") or []
        ],
    }


def _name(month: str) -> str:
    """Name a month that is told by its number; ranges of months, which are never ours, stay."""
    return _MONTHS[int(month) - 1] if month.isdecimal() and 1 <= int(month) <= len(_MONTHS) else month


def _between(since_ms: int, until_ms: int) -> Iterator[Json]:
    begin, end = (datetime.fromtimestamp(ms / 1_000, UTC).replace(second=0) for ms in (since_ms, until_ms))
    day = begin.date()
    for _ in range(_DAYS_AT_MOST):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        low, high = (max(0, min(MINUTES_A_DAY, int((edge - midnight) / timedelta(minutes=1)))) for edge in (begin, end))
        if low < high:
            yield {**_day(day), "times": [_times(low, high)], "location": "UTC"}
        day += timedelta(days=1)
        if datetime(day.year, day.month, day.day, tzinfo=UTC) >= end:
            return
