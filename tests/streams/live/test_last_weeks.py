"""Means of the last weeks against adding the same hours up again, by queue, channel and tag."""

from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.live.last_weeks import UNKNOWN, LastWeeks, Mean
from streams.live.pane_sums import CENTRE
from streams.seasonal.past import HOUR_MS, QUARTER_MS, Past, same_hours
from tests.depth import examples
from tests.oracle.contacts import milliseconds

ZONE: Final = ZoneInfo("Europe/Helsinki")
#: A Thursday.
NOW: Final = milliseconds("2026-05-14T09:41:00+00:00")
DAY: Final = milliseconds("2026-05-13T21:00:00+00:00")
BEGAN: Final = NOW - NOW % QUARTER_MS - 40 * 24 * HOUR_MS

SALES, BILLING, MAIL = ("call", "sales"), ("call", "billing"), ("email", "sales")


def _past(since: int = BEGAN, left_out: int = 0) -> Past:
    quarters = {
        queue: {BEGAN + place * QUARTER_MS: place % base for place in range(4 * 24 * 41)}
        for queue, base in ((SALES, 7), (BILLING, 5), (MAIL, 3))
    }
    hours = {BEGAN - BEGAN % HOUR_MS + place * HOUR_MS: place % 4 for place in range(24 * 41)}
    return Past(NOW, since, quarters, {}, {(*SALES, "refund"): hours, (*MAIL, "refund"): hours}, left_out)


@settings(max_examples=examples(150))
@given(
    begin=st.integers(0, 24 * 3_600_000),
    lasts=st.integers(1, 24 * 3_600_000),
    since=st.integers(0, 45 * 24),
    again=st.integers(0, 7_200_000),
)
def test_means_are_those_of_the_same_hours(begin: int, lasts: int, since: int, again: int) -> None:
    """However a time lies to quarter hours; asked for again a little later, what is kept changes nothing."""
    past = _past(BEGAN + since * HOUR_MS)
    weeks = LastWeeks(past, ZONE)
    for end in (DAY + begin + lasts, DAY + begin + lasts + again):
        span = DAY + begin, end
        for queue in (SALES, MAIL):
            expected = same_hours(past.arrivals[queue], past.since, *span, ZONE)
            found = weeks.arrivals((queue,), *span)
            assert found.weeks == len(expected)
            if expected:
                # A quarter hour that is cut is rounded, at each end by itself.
                assert found.value == pytest.approx(sum(expected) / len(expected), abs=1.5)


def test_groups_are_the_sum_of_their_queues() -> None:
    """A channel and the centre, with queues that have no contacts today; a queue that is not in it had none."""
    weeks = LastWeeks(_past(), ZONE)
    whole = DAY, DAY + 36 * QUARTER_MS
    sales, billing, mail = (weeks.arrivals((queue,), *whole).value or 0 for queue in (SALES, BILLING, MAIL))
    assert weeks.arrivals((("call", None),), *whole) == Mean(sales + billing, 4)
    assert weeks.arrivals((SALES, MAIL), *whole) == Mean(sales + mail, 4)
    assert weeks.arrivals((CENTRE,), *whole) == Mean(sales + billing + mail, 4)
    assert weeks.arrivals((("chat", "new"),), *whole) == Mean(0, 4)
    assert weeks.arrivals((SALES,), DAY, DAY) == Mean(0)


def test_tags_of_a_group() -> None:
    """Of the queues that have them; a tag that there was not is none, unless some were too many to be kept."""
    past = _past()
    weeks, span = LastWeeks(past, ZONE), (DAY, DAY + 9 * HOUR_MS)
    one = weeks.tag((SALES,), "refund", *span)
    expected = same_hours(past.tags[(*SALES, "refund")], past.since, *span, ZONE, step_ms=HOUR_MS)
    assert one == Mean(sum(expected) / 4, 4)
    assert weeks.tag((CENTRE,), "refund", *span) == Mean(2 * (one.value or 0), 4)
    assert weeks.tag((("email", None),), "refund", *span) == one
    assert weeks.tag((BILLING,), "refund", *span) == Mean(0, 4)
    with_more = LastWeeks(_past(left_out=3), ZONE)
    assert with_more.tag((BILLING,), "refund", *span) == Mean(0, 4)  # it is kept where there was any
    assert with_more.tag((("email", None),), "refund", *span) == one
    for group in (SALES, ("email", None), CENTRE):
        assert weeks.tag((group,), "rare", *span).value == 0
        assert with_more.tag((group,), "rare", *span) == UNKNOWN


def test_without_a_past_nothing_is_known() -> None:
    """Neither before it was read, nor of weeks before anything was recorded: unknown is not zero."""
    assert LastWeeks(None, ZONE).arrivals((SALES,), DAY, NOW) == UNKNOWN
    assert LastWeeks(None, ZONE).tag((SALES,), "refund", DAY, NOW) == UNKNOWN
    assert LastWeeks(_past(since=NOW), ZONE).arrivals((SALES,), DAY, NOW) == UNKNOWN
    assert LastWeeks(_past(since=NOW - 15 * 24 * HOUR_MS), ZONE).arrivals((SALES,), DAY, NOW).weeks == 2


def test_weeks_before_a_channel_began_are_not_known() -> None:
    """Neither its own nor those of groups with it count as weeks without contacts."""
    began = NOW - 10 * 24 * HOUR_MS
    past = _past()
    mail = {start: count for start, count in past.arrivals[MAIL].items() if start >= began}
    weeks = LastWeeks(past._replace(arrivals={**past.arrivals, MAIL: mail}, channels={"email": began}), ZONE)
    span = DAY, DAY + 36 * QUARTER_MS
    for groups in ((MAIL,), (("email", None),), (SALES, MAIL), (CENTRE,)):
        assert weeks.arrivals(groups, *span).weeks == 1
    newest = same_hours(past.arrivals[MAIL], 0, *span, ZONE)[0]
    assert weeks.arrivals((MAIL,), *span) == Mean(newest, 1)
    assert weeks.arrivals((SALES,), *span) == LastWeeks(past, ZONE).arrivals((SALES,), *span)
    assert weeks.arrivals((("email", "new"),), *span) == Mean(0, 1)
    assert weeks.tag((MAIL,), "refund", DAY, DAY + 9 * HOUR_MS).weeks == 1
    assert weeks.tag((CENTRE,), "refund", DAY, DAY + 9 * HOUR_MS).weeks == 1
    assert LastWeeks(past._replace(channels={"email": NOW}), ZONE).arrivals((CENTRE,), *span) == UNKNOWN


def test_queues_that_were_too_many_are_not_known() -> None:
    """A channel and the centre have all arrivals; of a queue that is not kept nothing is known."""
    past = _past()
    every = {BEGAN + place * QUARTER_MS: 20 for place in range(4 * 24 * 41)}
    weeks = LastWeeks(past._replace(of_channel={"call": every}), ZONE)
    span = DAY, DAY + 36 * QUARTER_MS
    mail = weeks.arrivals((MAIL,), *span).value or 0
    assert weeks.arrivals((("call", "rare"),), *span) == UNKNOWN
    assert weeks.arrivals((SALES, ("call", "rare")), *span) == UNKNOWN
    assert weeks.arrivals((("email", "new"),), *span) == Mean(0, 4)
    assert weeks.arrivals((("call", None),), *span) == Mean(20 * 36, 4)
    assert weeks.arrivals((CENTRE,), *span) == Mean(20 * 36 + mail, 4)


def test_a_minute_that_the_clocks_skipped_in_one_week() -> None:
    """Of a time that begins before it, that week is known all the same."""
    zone = ZoneInfo("Europe/Helsinki")  # the clocks skipped 03:00 to 04:00 on 29 March 2026
    begin, end = (milliseconds(f"2026-04-{day}+03:00") for day in ("12T00:00:00", "12T03:07:00"))
    start = begin - 30 * 24 * HOUR_MS
    counts = {start + place * QUARTER_MS: place // 96 for place in range(4 * 24 * 31)}
    past = Past(end, start, {SALES: counts}, {}, {})
    found = LastWeeks(past, zone).arrivals((SALES,), begin, end)
    expected = same_hours(counts, start, begin, end, zone)
    assert (len(expected), found.weeks) == (4, 4)
    assert found.value == pytest.approx(sum(expected) / 4, abs=1)
