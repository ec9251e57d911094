"""The same local hours of the last four weeks: when clocks change, when weeks are not known, and parts of steps."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.seasonal.past import HOUR_MS, QUARTER_MS, Steps, same_hours, same_times
from streams.times import at, milliseconds

HELSINKI: Final = ZoneInfo("Europe/Helsinki")
UTC: Final = ZoneInfo("UTC")
MINUTE: Final = 60_000
WEEK: Final = 7 * 24 * HOUR_MS


def _ms(local: str, zone: ZoneInfo = HELSINKI, fold: int = 0) -> int:
    return milliseconds(datetime.fromisoformat(local).replace(tzinfo=zone, fold=fold))


def _quarters(*ranges: tuple[int, int], each: int = 1) -> dict[int, int]:
    return {start: each for begin, end in ranges for start in range(begin, end, QUARTER_MS)}


def test_the_newest_week_comes_first() -> None:
    """Other hours of the same weeks, and weeks before the fourth, count nothing."""
    noon = _ms("2026-06-02T12:00", UTC)
    counts = {noon - weeks * WEEK: weeks for weeks in range(6)}
    counts |= {noon - WEEK + QUARTER_MS: 99, noon - WEEK - QUARTER_MS: 99}
    assert same_hours(counts, 0, noon, noon + QUARTER_MS, UTC) == (1, 2, 3, 4)


def test_weeks_that_are_not_known_are_left_out_and_not_taken_for_empty() -> None:
    """A week counts whose hours begin with the first time that is known, and not one that begins a moment before."""
    noon = _ms("2026-06-02T12:00", UTC)
    assert same_hours({}, noon - 2 * WEEK, noon, noon + HOUR_MS, UTC) == (0, 0)
    assert same_hours({}, noon - 2 * WEEK + 1, noon, noon + HOUR_MS, UTC) == (0,)
    assert same_hours({}, noon, noon, noon + HOUR_MS, UTC) == ()


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        ("12:05", "12:20", 23),
        ("12:00", "12:15", 30),
        ("12:14", "12:15", 2),
        ("11:00", "13:00", 39),
        ("12:04", "12:05", 2),
    ],
)
def test_of_a_quarter_hour_its_part_counts(begin: str, end: str, expected: int) -> None:
    """As if contacts came evenly: of 30 in a quarter hour ten minutes have 20."""
    then = _ms("2026-05-26T12:00", UTC)
    counts = {then: 30, then + QUARTER_MS: 9}
    since, until = (_ms(f"2026-06-02T{clock}", UTC) for clock in (begin, end))
    assert same_hours(counts, 0, since, until, UTC)[0] == expected


def test_hours_are_steps_too() -> None:
    """Tags are counted by the hour."""
    then = _ms("2026-05-26T12:00", UTC)
    counts = Steps(then, HOUR_MS, [60, 6])
    now = then + WEEK
    assert same_hours(counts, 0, now + 30 * MINUTE, now + 70 * MINUTE, UTC, step_ms=HOUR_MS)[0] == 31


def test_the_wall_clock_counts_across_a_change_of_the_clocks() -> None:
    """Noon is noon, an hour earlier in UTC once it is summer."""
    begin, end = _ms("2026-04-09T12:00"), _ms("2026-04-09T12:30")
    weeks = ["2026-04-02T12:00", "2026-03-26T12:00", "2026-03-19T12:00", "2026-03-12T12:00"]
    assert same_times(begin, end, HELSINKI) == [(_ms(week), _ms(week) + 30 * MINUTE) for week in weeks]
    assert begin - _ms("2026-03-26T12:00") == 2 * WEEK - HOUR_MS


def test_a_day_on_which_clocks_went_forward() -> None:
    """On 29 March 2026 03:00 to 04:00 did not come: that week is left out, and of hours around it counts what came."""
    skipped = _ms("2026-03-29T04:00")
    counts = _quarters((_ms("2026-03-29T00:00"), _ms("2026-03-30T00:00")))

    def week_before(begin: str, end: str) -> tuple[int, ...]:
        return same_hours(counts, 0, _ms(f"2026-04-05T{begin}"), _ms(f"2026-04-05T{end}"), HELSINKI)

    assert week_before("03:00", "04:00") == (0, 0, 0)
    assert week_before("03:15", "03:45") == (0, 0, 0)
    assert week_before("02:30", "03:30") == (2, 0, 0, 0)
    assert week_before("03:30", "04:30") == (2, 0, 0, 0)
    assert week_before("02:00", "05:00") == (8, 0, 0, 0)
    assert week_before("00:00", "12:00") == (44, 0, 0, 0)
    assert same_times(_ms("2026-04-05T03:15"), _ms("2026-04-05T03:45"), HELSINKI)[0] == (skipped, skipped)


def test_a_day_on_which_clocks_went_back() -> None:
    """On 25 October 2026 03:00 to 04:00 came twice: within it counts one hour, around it both."""
    counts = _quarters((_ms("2026-10-25T00:00"), _ms("2026-10-26T00:00")))

    def week_before(begin: str, end: str) -> int:
        return same_hours(counts, 0, _ms(f"2026-11-01T{begin}"), _ms(f"2026-11-01T{end}"), HELSINKI)[0]

    assert week_before("03:00", "04:00") == 4
    assert week_before("03:15", "03:45") == 2
    assert week_before("03:30", "04:30") == 4
    assert week_before("02:30", "03:30") == 4
    assert week_before("02:00", "05:00") == 16
    assert week_before("00:00", "12:00") == 52


def test_hours_in_which_the_clocks_are_put_back_now() -> None:
    """From 03:45, the first time, to 03:15, the second time, is half an hour, and so it is in the weeks before."""
    begin, end = _ms("2026-10-25T03:45"), _ms("2026-10-25T03:15", fold=1)
    assert end - begin == 30 * MINUTE
    assert same_times(begin, end, HELSINKI)[0] == (_ms("2026-10-18T02:45"), _ms("2026-10-18T03:15"))


_TIMES: Final = st.integers(_ms("2026-01-01T00:00"), _ms("2027-01-01T00:00"))


@given(_TIMES, st.integers(1, 24 * 60), st.sampled_from(["Europe/Helsinki", "Asia/Kathmandu", "Australia/Lord_Howe"]))
def test_the_wall_clock_shows_the_same_times(end: int, minutes: int, name: str) -> None:
    """At both ends, in the same weekday, unless the clocks skipped it; a change of them is the only other length."""
    zone, begin = ZoneInfo(name), end - minutes * MINUTE
    here = [at(each).astimezone(zone).replace(tzinfo=None) for each in (begin, end)]
    for week, found in enumerate(same_times(begin, end, zone), start=1):
        there = [at(each).astimezone(zone).replace(tzinfo=None) for each in found]
        length = found[1] - found[0]
        assert length >= 0
        if length == end - begin and here[0] < here[1]:
            shifts = {(now - then).total_seconds() - week * WEEK / 1000 for now, then in zip(here, there, strict=True)}
            assert len(shifts) == 1
            assert abs(shifts.pop()) <= HOUR_MS / 1000
        else:
            assert abs(length - (end - begin)) <= HOUR_MS


def test_steps_are_a_mapping_of_what_counts_something() -> None:
    """Steps without a count, other times and parts of steps are not in it."""
    steps = Steps(1_000 * QUARTER_MS, QUARTER_MS, [2, 0, 5])
    assert dict(steps) == {1_000 * QUARTER_MS: 2, 1_002 * QUARTER_MS: 5}
    assert len(steps) == 2
    assert [steps.get(place * QUARTER_MS, 0) for place in (999, 1_000, 1_001, 1_002, 1_003)] == [0, 2, 0, 5, 0]
    assert steps.get(1_000 * QUARTER_MS + 1) is None
    assert not Steps(0, HOUR_MS, [])
