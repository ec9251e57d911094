"""Calendars as plain values: when a centre or a queue is open, told in local time, and the open spans that follow.

A calendar is open at an instant whose local time, as a clock on the wall shows it, lies in a span of that day: in the
hour that daylight saving repeats, twice, and in the hour that it leaves out, never. This module must not ask what time
it is now; it reads time-zone data and holidays, nothing else.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

MINUTES_A_DAY: Final = 1_440
MINUTE_MS: Final = 60_000
DAY_MS: Final = MINUTES_A_DAY * MINUTE_MS

#: Open spans are computed a stretch at a time: about a year, of whole days.
STRETCH_MS: Final = 364 * DAY_MS

#: No zone changes its offset twice within this time, in any year since 1970.
_PROBE_MS: Final = 3 * 3_600_000
#: Local time is at most so far from UTC, and a span may reach into the next day.
_MARGIN_DAYS: Final = 2
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1)

#: Begin and end of something, in milliseconds; the end lies outside.
Interval = tuple[int, int]


class Span(NamedTuple):
    """Open from minute `begin` of a day to minute `end`, which lies outside; above 1,440: on the next day."""

    begin: int
    end: int


class Hours(NamedTuple):
    """What a calendar says from a day on. Days are ISO dates in the hours' own zone."""

    #: IANA name, such as Europe/Helsinki.
    zone: str
    #: Each weekday's spans, Monday first.
    week: tuple[tuple[Span, ...], ...]
    #: Days on which it is closed.
    closed: frozenset[str] = frozenset()
    #: Days that have spans of their own, whatever weekday or holiday they are.
    extra: tuple[tuple[str, tuple[Span, ...]], ...] = ()
    #: Closed on the public holidays of this country (ISO 3166, as `holidays` has it); empty: open on holidays.
    country: str = ""
    subdivision: str = ""
    #: The first day on which this holds; empty: from ever.
    valid_from: str = ""


@dataclass(frozen=True)
class Calendar:
    """A named calendar: its hours in order of `valid_from`, each holding until the next."""

    name: str
    hours: tuple[Hours, ...]
    #: Kept, as something is looked up by a calendar for every sample.
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.name, self.hours)))

    def __hash__(self) -> int:
        return self._hash


class OpenSpans(NamedTuple):
    """When a calendar is open in a stretch of time: UTC milliseconds, in order, apart from one another."""

    begins: tuple[int, ...]
    ends: tuple[int, ...]
    #: Open milliseconds of this stretch before each span.
    before: tuple[int, ...]
    #: Open milliseconds in all.
    total: int


@lru_cache(maxsize=1_024)
def open_spans(calendar: Calendar, stretch: int) -> OpenSpans:
    """Give the open spans of one stretch: from `stretch * STRETCH_MS` on, for so long."""
    begin, end = stretch * STRETCH_MS, (stretch + 1) * STRETCH_MS
    found: list[Interval] = []
    for index, hours in enumerate(calendar.hours):
        until = calendar.hours[index + 1].valid_from if index + 1 < len(calendar.hours) else ""
        days = _days(begin, end, hours.valid_from, until)
        found.extend(_in_utc(_merged(_local(hours, days)), hours.zone, begin, end))
    spans = _merged(found)
    *before, total = accumulate((closes - opens for opens, closes in spans), initial=0)
    return OpenSpans(tuple(opens for opens, _ in spans), tuple(closes for _, closes in spans), tuple(before), total)


def days_unlike_their_weekday(calendar: Calendar, first: date, last: date) -> list[date]:
    """List the days from `first` to `last` that are closed, are public holidays, or have hours of their own."""
    begin, end = _number(first), _number(last)
    found: set[int] = set()
    for index, hours in enumerate(calendar.hours):
        until = calendar.hours[index + 1].valid_from if index + 1 < len(calendar.hours) else ""
        days = _days(begin * DAY_MS, end * DAY_MS, hours.valid_from, until)
        own = {_number(date.fromisoformat(day)) for day in (*hours.closed, *(day for day, _ in hours.extra))}
        found |= {day for day in own | _holidays(hours, days) if day in days and begin <= day <= end}
    return [_FIRST_DAY + timedelta(day) for day in sorted(found)]


def _days(begin: int, end: int, first: str, until: str) -> range:
    """Number the days (since 1970) whose spans can fall between two instants, from `first` up to before `until`."""
    low, high = begin // DAY_MS - _MARGIN_DAYS, end // DAY_MS + _MARGIN_DAYS
    if first:
        low = max(low, _number(date.fromisoformat(first)))
    if until:
        high = min(high, _number(date.fromisoformat(until)))
    return range(low, high)


def _number(day: date) -> int:
    return (day - _FIRST_DAY).days


def _local(hours: Hours, days: range) -> Iterator[Interval]:
    """Give the open spans of these days in local time, as milliseconds since 1970 by the clock on the wall."""
    extra = {_number(date.fromisoformat(day)): spans for day, spans in hours.extra}
    closed = {_number(date.fromisoformat(day)) for day in hours.closed} | _holidays(hours, days)
    for day in days:
        weekday = (_FIRST_DAY.weekday() + day) % 7
        for span in extra.get(day, () if day in closed else hours.week[weekday]):
            yield day * DAY_MS + span.begin * MINUTE_MS, day * DAY_MS + span.end * MINUTE_MS


def _holidays(hours: Hours, days: range) -> set[int]:
    if not hours.country or not days:
        return set()
    from holidays import country_holidays  # noqa: PLC0415 - a calendar without holidays does not pay for the import

    years = range((_FIRST_DAY + timedelta(days[0])).year, (_FIRST_DAY + timedelta(days[-1])).year + 1)
    return {_number(day) for day in country_holidays(hours.country, subdiv=hours.subdivision or None, years=years)}


def _merged(intervals: Iterable[Interval]) -> list[Interval]:
    """Unite intervals that touch or overlap, and give them in order."""
    merged: list[Interval] = []
    for begin, end in sorted(intervals):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged


def _in_utc(local: list[Interval], zone: str, begin: int, end: int) -> Iterator[Interval]:
    """Turn local spans into instants between `begin` and `end`, piece by piece of one offset from UTC."""
    for piece_begin, piece_end, offset in _same_offset_pieces(zone, begin, end):
        for opens, closes in local:
            span = max(opens - offset, piece_begin), min(closes - offset, piece_end)
            if span[0] < span[1]:
                yield span


@lru_cache(maxsize=1_024)
def _same_offset_pieces(zone: str, begin: int, end: int) -> list[tuple[int, int, int]]:
    """Cut a time into pieces of one offset: begin, end and milliseconds that local time is ahead of UTC."""
    of = ZoneInfo(zone)
    probes = [(at, _offset(of, at)) for at in (*range(begin, end, _PROBE_MS), end)]
    changes = [_offset_change(of, low, high) for (low, one), (high, other) in pairwise(probes) if one != other]
    return [(since, until, _offset(of, since)) for since, until in pairwise([begin, *changes, end])]


def _offset(zone: ZoneInfo, at: int) -> int:
    ahead = (_EPOCH + timedelta(milliseconds=at)).astimezone(zone).utcoffset()
    return 0 if ahead is None else ahead // timedelta(milliseconds=1)


def _offset_change(zone: ZoneInfo, low: int, high: int) -> int:
    """Find the first instant after `low` with the offset of `high`."""
    offset = _offset(zone, high)
    return low + bisect_left(range(low, high), True, lo=1, key=lambda at: _offset(zone, at) == offset)
