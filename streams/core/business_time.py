"""Business time: how much of a time a calendar was open, and whether it was at an instant.

Open spans are computed once a stretch of about a year and kept, so a question is a look-up and a bisection. All times
are UTC milliseconds; a span's begin is open, its end is not.
"""

from bisect import bisect_right
from typing import Final

from schemas.calendars import STRETCH_MS, Calendar, OpenSpans, open_spans

#: How far ahead a deadline is looked for, in stretches of about a year; a calendar closed for longer never opens.
_AHEAD: Final = 30


def business_ms(calendar: Calendar, from_ms: int, to_ms: int) -> int:
    """Give the milliseconds between two instants during which the calendar was open; 0 where they are out of order."""
    if to_ms <= from_ms:
        return 0
    first, last = from_ms // STRETCH_MS, to_ms // STRETCH_MS
    spans = open_spans(calendar, first)
    if first == last:
        return _before(spans, to_ms) - _before(spans, from_ms)
    between = sum(open_spans(calendar, stretch).total for stretch in range(first, last))
    return between + _before(open_spans(calendar, last), to_ms) - _before(spans, from_ms)


def _before(spans: OpenSpans, at_ms: int) -> int:
    """Give the open milliseconds of a stretch that lie before an instant in it."""
    begins, ends, before, _ = spans
    last = bisect_right(begins, at_ms) - 1
    return 0 if last < 0 else before[last] + min(at_ms, ends[last]) - begins[last]


def in_hours(calendar: Calendar, at_ms: int) -> bool:
    """Tell whether the calendar is open at an instant."""
    begins, ends, _, _ = open_spans(calendar, at_ms // STRETCH_MS)
    last = bisect_right(begins, at_ms) - 1
    return last >= 0 and at_ms < ends[last]


def last_within(calendar: Calendar, from_ms: int, for_ms: int) -> int | None:
    """Give the last instant up to which no more than `for_ms` of business time has passed since `from_ms`.

    None where that much is not passed for decades: the calendar does not open any more.
    """
    first = from_ms // STRETCH_MS
    left = for_ms + _before(open_spans(calendar, first), from_ms)
    for stretch in range(first, first + _AHEAD):
        begins, _, before, total = open_spans(calendar, stretch)
        if left < total:
            of = bisect_right(before, left) - 1
            return begins[of] + left - before[of]
        left -= total
    return None
