"""Windows in open time: where a window over the last open minutes begins, to the minute that panes have.

A window ends with the pane that is still filling, and reaches back until its calendar was open for its length, but
never more than a day of clock time: minutes are kept no longer.
"""

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

from schemas.alert_rules import REACH_MS
from schemas.calendars import Calendar
from schemas.panes import PANE_MS
from streams.core.business_time import business_ms


class Span(NamedTuple):
    """A window at a moment: the starts of its first pane and of the one behind its last, in UTC milliseconds."""

    begin: int
    end: int
    #: The open time that is really in it: less than asked for where a day of clock time has less.
    open_ms: int


@lru_cache(maxsize=4_096)
def window_at(calendar: Calendar | None, length_ms: int, filling: int) -> Span:
    """Give a window of so much open time that ends with the pane that begins at `filling`.

    Without a calendar all time is open.
    """
    end = filling + PANE_MS
    oldest = end - REACH_MS
    if calendar is None:
        length = min(REACH_MS, -(-length_ms // PANE_MS) * PANE_MS)
        return Span(end - length, end, min(length, length_ms))
    starts = range(oldest, end, PANE_MS)
    # The last start from which on the calendar was open for long enough; open time falls as the start rises.
    found = bisect_right(starts, -length_ms, key=lambda start: -business_ms(calendar, start, end)) - 1
    begin = starts[max(found, 0)]
    return Span(begin, end, min(length_ms, business_ms(calendar, begin, end)))
