"""Grafana's mute timings from `[[maintenance]]`: by the hours of a calendar, or from one instant to another.

Grafana can add intervals, but not subtract one. So a day that differs from its weekday (closed, or with `extra` hours),
and the night after it, get additional muted intervals, but what the weekday mutes stays muted. The
hours are those in force today; public holidays are those of this year and the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final

from dashboards.grafana_definitions.site import Json
from schemas.alert_rules import Maintenance
from schemas.calendars import MINUTES_A_DAY, Calendar, Hours, Span

_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september", "october"),
    *("november", "december"),
)
_WEEK: Final = len(_WEEKDAYS) * MINUTES_A_DAY
#: Grafana knows no period between two instants: a maintenance becomes one interval a day, for at most so many days.
_DAYS_AT_MOST: Final = 400


#: The names of Pulssi's mute timings begin with this.
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
        intervals = [
            *_weekly(hours, while_open=maintenance.while_open),
            *_days_of_their_own(hours, today, while_open=maintenance.while_open),
        ]
    return {"name": timing_name(maintenance), "time_intervals": intervals}


def hours_on(calendar: Calendar, day: date) -> Hours:
    """Give the hours of a calendar that hold on a day."""
    return [hours for hours in calendar.hours if hours.valid_from <= day.isoformat()][-1]


#: Begin and end in minutes of a day or a week; the end lies outside.
_Minutes = tuple[int, int]


def _open_minutes(hours: Hours) -> list[_Minutes]:
    """Give the open spans of a week in minutes since its Monday, in order, apart; what passes Sunday begins it."""
    spans = []
    for day, of_day in enumerate(hours.week):
        for span in of_day:
            begin, end = day * MINUTES_A_DAY + span.begin, day * MINUTES_A_DAY + span.end
            spans += [(begin, min(end, _WEEK))] + ([(0, end - _WEEK)] if end > _WEEK else [])
    return _merged(spans)


def _merged(spans: Iterable[_Minutes]) -> list[_Minutes]:
    merged: list[_Minutes] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((begin, end))
    return merged


def _between_them(spans: list[_Minutes], length: int) -> list[_Minutes]:
    """Give what lies between spans that are in order and apart, from 0 up to a length."""
    edges = [0, *(edge for span in spans for edge in span), length]
    return [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]


def _weekly(hours: Hours, *, while_open: bool) -> Iterator[Json]:
    spans = _open_minutes(hours)
    if not while_open:
        spans = _between_them(spans, _WEEK)
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


def _days_of_their_own(hours: Hours, today: date, *, while_open: bool) -> Iterator[Json]:
    """Describe days that have other hours than their weekday, and days into which the night of such a day reaches."""
    closed = {date.fromisoformat(day) for day in hours.closed}
    if hours.country:
        from holidays import country_holidays  # noqa: PLC0415 - a calendar without holidays does not pay for the import

        closed |= set(
            country_holidays(hours.country, subdiv=hours.subdivision or None, years=[today.year, today.year + 1])
        )
    extra = {date.fromisoformat(day): spans for day, spans in hours.extra}

    def spans_on(day: date) -> tuple[Span, ...]:
        return extra.get(day, () if day in closed else hours.week[day.weekday()])

    unlike = closed | extra.keys()
    after = {day + timedelta(1) for day in unlike if _is_past_midnight((*hours.week[day.weekday()], *spans_on(day)))}
    for day in sorted(unlike | after):
        night = [(span.begin - MINUTES_A_DAY, span.end - MINUTES_A_DAY) for span in spans_on(day - timedelta(1))]
        open_then = _merged(
            (max(0, begin), min(MINUTES_A_DAY, end))
            for begin, end in (*night, *spans_on(day))
            if begin < MINUTES_A_DAY and end > 0
        )
        muted = open_then if while_open else _between_them(open_then, MINUTES_A_DAY)
        if muted:
            yield {**_day(day), "times": [_times(*span) for span in muted], "location": hours.zone}


def _is_past_midnight(spans: Iterable[Span]) -> bool:
    return any(span.end > MINUTES_A_DAY for span in spans)


def _day(day: date) -> Json:
    return {"years": [str(day.year)], "months": [_MONTHS[day.month - 1]], "days_of_month": [str(day.day)]}


def with_named_months(timing: Json) -> Json:
    """Name the months of a mute timing that a Grafana answered with: some releases answer with their numbers."""
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
    """Replace the number of a month by its name; leave ranges of months, which Pulssi never writes, as they are."""
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
