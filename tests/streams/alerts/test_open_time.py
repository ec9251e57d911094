"""Windows in open time against a walk back from minute to minute, over nights, weekends and clocks that change."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert_rules import REACH_MS
from schemas.calendars import Calendar, Hours, Span
from schemas.panes import PANE_MS
from streams.alerts.open_time import window_at
from streams.core.business_time import in_hours
from tests.depth import examples
from tests.oracle.contacts import milliseconds as ms

HOUR: Final = 3_600_000
OFFICE: Final = Calendar("office", (Hours("Europe/Helsinki", (*((Span(480, 960),),) * 5, (), ())),))
#: Open from 23:00 to 05:00 on the next day: clocks change in it.
NIGHT: Final = Calendar("night", (Hours("Europe/Helsinki", ((Span(23 * 60, 29 * 60),),) * 7),))
BROKEN: Final = Calendar("broken", (Hours("Europe/Helsinki", ((Span(420, 435), Span(721, 1000)),) * 7),))


def walked(calendar: Calendar | None, length_ms: int, filling: int) -> tuple[int, int]:
    """Walk back until the calendar was open for the length: the first minute, and the open time in it."""
    start, opened = filling + PANE_MS, 0
    begin = start
    while opened < length_ms and start > filling + PANE_MS - REACH_MS:
        start -= PANE_MS
        if calendar is None or in_hours(calendar, start):
            opened += PANE_MS
            begin = start
    return (begin if opened >= length_ms else start), min(opened, length_ms)


@settings(max_examples=examples(300))
@given(
    calendar=st.sampled_from([None, OFFICE, NIGHT, BROKEN]),
    minutes=st.integers(1, 1_600),
    day=st.sampled_from(["2026-03-27", "2026-03-28", "2026-03-30", "2026-10-24", "2026-10-25", "2026-06-02"]),
    at=st.integers(0, 1_439),
)
def test_a_window_is_what_a_walk_finds(calendar: Calendar | None, minutes: int, day: str, at: int) -> None:
    """Begin and length of every window, also where a day of clock time has less open time."""
    filling = ms(f"{day}T00:00Z") + at * PANE_MS
    span = window_at(calendar, minutes * PANE_MS, filling)
    assert (span.begin, span.open_ms) == walked(calendar, minutes * PANE_MS, filling)
    assert span.end == filling + PANE_MS


@pytest.mark.parametrize(
    ("calendar", "now", "length", "begin", "open_ms"),
    [
        # The pane still filling is in: at 12:00:30 five minutes are 11:56 to 12:00.
        (None, "2026-06-02T12:00Z", 5 * PANE_MS, "2026-06-02T11:56Z", 5 * PANE_MS),
        # Two open minutes of this morning, three of yesterday's last.
        (OFFICE, "2026-06-02T08:01+03:00", 5 * PANE_MS, "2026-06-01T15:57+03:00", 5 * PANE_MS),
        # In the evening it stands still.
        (OFFICE, "2026-06-02T21:00+03:00", HOUR, "2026-06-02T15:00+03:00", HOUR),
        # Friday is further back on Monday than a day: what is open of it is told.
        (OFFICE, "2026-06-01T08:02+03:00", HOUR, "2026-05-31T08:03+03:00", 3 * PANE_MS),
        # The night with 23 hours has an open hour less, the one with 25 an hour more.
        (NIGHT, "2026-03-29T04:59+03:00", 6 * HOUR, "2026-03-28T04:00+02:00", 6 * HOUR),
        (NIGHT, "2026-10-25T04:59+02:00", 6 * HOUR, "2026-10-25T00:00+03:00", 6 * HOUR),
    ],
)
def test_windows_by_hand(calendar: Calendar | None, now: str, length: int, begin: str, open_ms: int) -> None:
    """Mornings, evenings, weekends, and the nights on which clocks change."""
    span = window_at(calendar, length, ms(now))
    assert (span.begin, span.open_ms) == (ms(begin), open_ms)
