"""Business time against a walk from minute to minute, with clocks that are put forward and back in between."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.calendars import MINUTES_A_DAY, Calendar, Hours, Span
from streams.core.business_time import business_ms, in_hours, last_within
from tests.depth import examples
from tests.oracle.contacts import milliseconds as ms

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

ALWAYS: Final = Calendar("always", (Hours("Europe/Helsinki", ((Span(0, MINUTES_A_DAY),),) * 7),))
NEVER: Final = Calendar("never", (Hours("Europe/Helsinki", ((),) * 7),))

#: Days on which clocks of these zones were put forward, put back, or nothing happened.
CHANGES: Final = (
    *(("Europe/Helsinki", day) for day in ("2026-03-29", "2026-10-25", "2026-06-01", "2025-12-31")),
    *(("America/New_York", day) for day in ("2026-03-08", "2026-11-01")),
    *(("Australia/Lord_Howe", day) for day in ("2026-04-05", "2026-10-04")),  # half an hour
    ("America/Sao_Paulo", "2018-11-04"),  # at midnight
    ("America/Havana", "2026-11-01"),  # back over midnight
    ("Pacific/Apia", "2011-12-30"),  # a day that never was
    ("Africa/Casablanca", "2026-02-15"),
    ("Asia/Kathmandu", "2026-01-01"),
    ("UTC", "2026-12-31"),
)

#: Holidays of Finland, by hand.
FINNISH: Final = {
    *("2026-01-01", "2026-01-06", "2026-04-03", "2026-04-05", "2026-04-06", "2026-05-01", "2026-05-14", "2026-05-24"),
    *("2026-06-19", "2026-06-20", "2026-10-31", "2026-12-06", "2026-12-24", "2026-12-25", "2026-12-26", "2027-01-01"),
}


def open_by_the_wall(calendar: Calendar, at: int) -> bool:
    """Tell from the clock on the wall, and from nothing else, whether a calendar is open."""
    for place, hours in enumerate(calendar.hours):
        shown = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZoneInfo(hours.zone)).replace(tzinfo=None)
        for day in (shown.date(), shown.date() - timedelta(days=1)):
            name = day.isoformat()
            if name < hours.valid_from:
                continue
            if place + 1 < len(calendar.hours) and name >= calendar.hours[place + 1].valid_from:
                continue
            spans = dict(hours.extra).get(name)
            if spans is None:
                shut = name in hours.closed or (hours.country == "FI" and name in FINNISH)
                spans = () if shut else hours.week[day.weekday()]
            midnight = datetime.combine(day, datetime.min.time())
            if any(timedelta(minutes=of.begin) <= shown - midnight < timedelta(minutes=of.end) for of in spans):
                return True
    return False


@st.composite
def days_spans(draw: st.DrawFn) -> tuple[Span, ...]:
    """Draw a day's spans: none, some, over midnight, overlapping, or the whole day."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        begin = draw(st.sampled_from([0, 1, 90, 120, 150, 180, 210, 540, 780, 1380, 1439]))
        end = draw(st.sampled_from([begin + 1, begin + 30, 180, 240, 720, 1020, 1440, 1500, 1800, begin + 1440]))
        found.append(Span(begin, max(begin + 1, min(end, begin + 1440))))
    return tuple(found)


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Calendar, int]:
    """Draw a calendar, and an instant near a day that is special to it."""
    zone, day = draw(st.sampled_from(CHANGES))
    near = [(date.fromisoformat(day) + timedelta(days=off)).isoformat() for off in (-1, 0, 1)]
    hours = [
        Hours(
            zone,
            tuple(draw(days_spans()) for _ in range(7)),
            closed=frozenset(draw(st.sets(st.sampled_from(near), max_size=1))),
            extra=tuple((of, draw(days_spans())) for of in draw(st.sets(st.sampled_from(near), max_size=1))),
            country=draw(st.sampled_from(["", "FI"])) if day.startswith("2026") else "",
            valid_from=since,
        )
        for since in draw(st.sampled_from([("",), ("", near[1]), ("", near[0], near[2])]))
    ]
    return Calendar("drawn", tuple(hours)), ms(f"{day}T00:00+00:00")


@settings(max_examples=examples(150))
@given(drawn=calendars(), since=st.integers(-40 * 60, 20 * 60), minutes=st.integers(0, 40 * 60))
def test_business_time_equals_a_walk_by_minutes(drawn: tuple[Calendar, int], since: int, minutes: int) -> None:
    """Counted minute by minute on the clock on the wall, as much time is open as the bisection says."""
    calendar, around = drawn
    begin = around + since * MINUTE
    walked = [open_by_the_wall(calendar, begin + minute * MINUTE) for minute in range(minutes)]
    assert business_ms(calendar, begin, begin + minutes * MINUTE) == sum(walked) * MINUTE
    for minute in range(0, minutes, 7):
        assert in_hours(calendar, begin + minute * MINUTE) is walked[minute]


@settings(max_examples=examples(100))
@given(drawn=calendars(), cuts=st.lists(st.integers(-3 * DAY, 400 * DAY), min_size=3, max_size=3).map(sorted))
def test_business_time_adds_up(drawn: tuple[Calendar, int], cuts: list[int]) -> None:
    """Whatever lies between, two parts make the whole, also over the edges of what is computed at a time."""
    calendar, around = drawn
    one, two, three = (around + cut for cut in cuts)
    parts = business_ms(calendar, one, two) + business_ms(calendar, two, three)
    assert business_ms(calendar, one, three) == parts
    assert 0 <= parts <= three - one


@settings(max_examples=examples(100))
@given(drawn=calendars(), since=st.integers(-DAY, DAY), wanted=st.integers(0, 90 * HOUR))
def test_a_deadline_is_the_last_moment(drawn: tuple[Calendar, int], since: int, wanted: int) -> None:
    """Up to that instant no more than the time has passed, a millisecond later more."""
    calendar, around = drawn
    begin = around + since
    end = last_within(calendar, begin, wanted)
    if end is None:
        assert business_ms(calendar, begin, begin + 4000 * DAY) <= wanted
    else:
        assert business_ms(calendar, begin, end) == wanted
        assert business_ms(calendar, begin, end + 1) == wanted + 1


def test_round_the_clock() -> None:
    """Open at all hours: business time is clock time, and each instant is in hours, also where the clock changes."""
    begin, end = ms("2019-01-01T00:00+00:00"), ms("2031-06-01T12:34:56.789+00:00")
    assert business_ms(ALWAYS, begin, end) == end - begin
    assert in_hours(ALWAYS, ms("2026-03-29T03:30:00+03:00"))
    assert last_within(ALWAYS, begin, 5) == begin + 5


def test_never_open() -> None:
    """A calendar without a span is never open, and no deadline comes."""
    assert business_ms(NEVER, ms("2020-01-01T00:00+00:00"), ms("2030-01-01T00:00+00:00")) == 0
    assert not in_hours(NEVER, ms("2026-03-02T12:00+02:00"))
    assert last_within(NEVER, ms("2026-03-02T12:00+02:00"), 0) is None


def test_nothing_and_backwards() -> None:
    """No time is no time, and what ends before it begins is none either."""
    assert business_ms(ALWAYS, 1_000, 1_000) == 0
    assert business_ms(ALWAYS, 2_000, 1_000) == 0


WEEK: Final = Calendar(
    "week",
    (
        Hours(
            "Europe/Helsinki",
            (*((Span(8 * 60, 12 * 60), Span(13 * 60, 17 * 60)),) * 5, (), ()),
            closed=frozenset({"2026-03-04"}),
            extra=(("2026-03-07", (Span(600, 720),)), ("2026-12-24", (Span(480, 600),))),
            country="FI",
        ),
    ),
)


@pytest.mark.parametrize(
    ("begin", "end", "minutes"),
    [
        ("2026-03-02T00:00+02:00", "2026-03-03T00:00+02:00", 480),  # a Monday with two spans
        ("2026-03-02T11:30+02:00", "2026-03-02T13:15+02:00", 45),  # over lunch
        ("2026-03-04T00:00+02:00", "2026-03-05T00:00+02:00", 0),  # closed
        ("2026-03-06T16:00+02:00", "2026-03-09T09:00+02:00", 60 + 120 + 60),  # over a Saturday with hours of its own
        ("2026-04-02T16:30+03:00", "2026-04-07T08:10+03:00", 30 + 10),  # over Easter
        ("2026-12-24T00:00+02:00", "2026-12-25T00:00+02:00", 120),  # a holiday with hours of its own
    ],
)
def test_weeks_and_holidays(begin: str, end: str, minutes: int) -> None:
    """Breaks, closed days, holidays, and days with hours of their own, which are above all of these."""
    assert business_ms(WEEK, ms(begin), ms(end)) == minutes * MINUTE
