"""The rolling windows: where each begins, in time zones and on days that are longer or shorter."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from schemas.panes import PANE_MS
from streams.live.live_view import LiveView
from streams.live.windows import midnight
from tests.oracle.contacts import milliseconds
from tests.streams.live.steps import Journal, pane_of, pane_record


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def test_the_pane_still_filling_is_in() -> None:
    """At 12:00:30 five minutes are the panes of 11:56 to 12:00."""
    view = LiveView("UTC", lambda: milliseconds("2026-03-15T12:00:30+00:00"))
    first, end = view.window_span("5m")
    assert (_utc(first), _utc(end)) == ("2026-03-15T11:56:00+00:00", "2026-03-15T12:01:00+00:00")


@pytest.mark.parametrize(
    ("zone", "now", "began"),
    [
        ("UTC", "2026-03-15T00:00:00+00:00", "2026-03-15T00:00:00+00:00"),
        ("Europe/Helsinki", "2026-03-15T21:59:00+00:00", "2026-03-14T22:00:00+00:00"),
        ("Europe/Helsinki", "2026-03-15T22:00:00+00:00", "2026-03-15T22:00:00+00:00"),
        # The day of 23 hours and the day of 25 hours.
        ("Europe/Helsinki", "2026-03-29T20:59:00+00:00", "2026-03-28T22:00:00+00:00"),
        ("Europe/Helsinki", "2026-10-25T21:59:00+00:00", "2026-10-24T21:00:00+00:00"),
        ("Asia/Kathmandu", "2026-03-15T12:00:00+00:00", "2026-03-14T18:15:00+00:00"),
        # There is no midnight on this day: clocks went from 00:00 to 01:00.
        ("Asia/Beirut", "2026-03-29T12:00:00+00:00", "2026-03-28T22:00:00+00:00"),
    ],
)
def test_today_begins_where_the_centre_is(zone: str, now: str, began: str) -> None:
    """Today begins at the centre's midnight, whatever its clocks do that day."""
    assert _utc(midnight(milliseconds(now), ZoneInfo(zone))) == began


def _offered(view: LiveView, window: str) -> int:
    return view.figures(window, (None, None)).offered


def test_minutes_enter_and_leave() -> None:
    """A pane is in five minutes for five minutes, in today until midnight; a clock that is set back is followed."""
    start = now = milliseconds("2026-03-15T23:50:00+00:00")
    view = LiveView("UTC", lambda: now)
    view.feed([Journal().step(pane_record(start, "billing", "offered", pane_of([0, 0])))])
    seen = []
    for minute in range(11):
        now = start + minute * PANE_MS
        view.advance()
        seen.append((_offered(view, "5m"), _offered(view, "today")))
    assert seen == [(2, 2)] * 5 + [(0, 2)] * 5 + [(0, 0)]
    now = start + PANE_MS
    view.advance()
    assert (_offered(view, "5m"), _offered(view, "today")) == (2, 2)


def test_what_is_too_old_is_forgotten() -> None:
    """After 26 hours a pane takes no memory, and one that comes late for then is passed over."""
    start = now = milliseconds("2026-03-15T12:00:00+00:00")
    view = LiveView("UTC", lambda: now)
    journal = Journal()
    view.feed([journal.step(pane_record(start, "billing", "offered", pane_of([0])))])
    now += 27 * 3_600_000
    view.advance()
    assert set(view.panes.queues) == set()
    view.feed([journal.step(pane_record(start, "billing", "offered", pane_of([0, 0])))])
    assert set(view.panes.queues) == set()
