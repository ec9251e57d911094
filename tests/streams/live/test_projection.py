"""Projections worked out by hand, and what no counts can make of them."""

from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.live.projection import Projection, day_end, half_hour, level, project, ratio
from streams.live.service_level import FORMULAS, ServiceLevelCounts
from tests.depth import examples
from tests.oracle.contacts import milliseconds

COUNTS: Final = st.builds(
    lambda answered, missed, abandoned, short: ServiceLevelCounts(
        answered + missed, answered, abandoned + short, short, short
    ),
    *(st.integers(0, 500) for _ in range(4)),
)


def test_a_day_by_hand() -> None:
    """80 of 100 so far, 5 wait beyond their target, 95 are to come, of which 60 % will be in time."""
    found = project("answered_only", ServiceLevelCounts(100, 80), 5, 95.0, 0.6)
    assert found == Projection(0.8, (80 + 57) / 200, 175 / 200)


def test_what_is_not_known_is_none() -> None:
    """Without the last weeks, without a level, and before anything was judged; never 0 or 1."""
    counts = ServiceLevelCounts(10, 8)
    assert project("answered_only", counts, 0, None, 0.5) == Projection(0.8, None, None)
    assert project("answered_only", counts, 0, 10.0, None) == Projection(0.8, None, 0.9)
    assert project("answered_only", ServiceLevelCounts(), 0, 0.0, 0.5) == Projection(None, None, None)
    assert project("answered_only", ServiceLevelCounts(), 0, 4.0, 0.5) == Projection(None, 0.5, 1.0)
    assert project("answered_only", ServiceLevelCounts(), 3, 0.0, None) == Projection(None, None, 0.0)


@settings(max_examples=examples(200))
@given(
    formula=st.sampled_from(sorted(FORMULAS)),
    counts=COUNTS,
    beyond=st.integers(0, 100),
    expected=st.floats(0, 1e6),
    now=st.floats(0, 1),
)
def test_what_is_likely_is_no_better_than_the_best(
    formula: str, counts: ServiceLevelCounts, beyond: int, expected: float, now: float
) -> None:
    """Shares stay between 0 and 1, and a lower level now makes nothing better."""
    found, worse = (project(formula, counts, beyond, expected, each) for each in (now, now / 2))
    if found.best is not None and found.likely is not None and worse.likely is not None:
        assert 0 <= worse.likely <= found.likely <= found.best <= 1


@pytest.mark.parametrize(
    ("today", "then", "times"),
    [
        (30, 20.0, 1.5),
        (19, 40.0, 1.0),
        (40, 19.9, 1.0),
        (20, 100.0, 0.5),
        (500, 20.0, 2.0),
        (30, None, 1.0),
        (0, 0.0, 1),
    ],
)
def test_the_ratio_of_a_day(today: int, then: float | None, times: float) -> None:
    """Of few contacts it is 1, and it is bounded."""
    assert ratio(today, then) == times


def test_the_level_of_an_hour_needs_some_contacts() -> None:
    """With fewer than ten judged it is that of the day; of nothing there is none."""
    day = ServiceLevelCounts(100, 90)
    assert level("answered_only", ServiceLevelCounts(10, 5), day) == 0.5
    assert level("answered_only", ServiceLevelCounts(9, 5), day) == 0.9
    assert level("answered_only", ServiceLevelCounts(), ServiceLevelCounts()) is None


@pytest.mark.parametrize(
    ("zone", "now", "begin"),
    [
        ("UTC", "2026-03-15T12:29:59.999+00:00", "2026-03-15T12:00:00+00:00"),
        ("Europe/Helsinki", "2026-03-15T12:30:00+00:00", "2026-03-15T12:30:00+00:00"),
        ("Asia/Kathmandu", "2026-03-15T12:20:00+00:00", "2026-03-15T12:15:00+00:00"),
    ],
)
def test_half_hours_are_those_of_the_wall_clock(zone: str, now: str, begin: str) -> None:
    """Where a zone is off by a quarter of an hour, too."""
    found = half_hour(milliseconds(now), ZoneInfo(zone))
    assert found == (milliseconds(begin), milliseconds(begin) + 1_800_000)


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("2026-03-14T22:00:00+00:00", "2026-03-15T22:00:00+00:00"),
        ("2026-03-28T22:00:00+00:00", "2026-03-29T21:00:00+00:00"),
        ("2026-10-24T21:00:00+00:00", "2026-10-25T22:00:00+00:00"),
    ],
)
def test_days_end_at_the_next_midnight(begin: str, end: str) -> None:
    """Days of 23 and of 25 hours, too."""
    assert day_end(milliseconds(begin), ZoneInfo("Europe/Helsinki")) == milliseconds(end)
