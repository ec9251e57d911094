"""Mute timings: a minute is muted exactly where the maintenance holds, but for what Grafana cannot say."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dashboards.grafana_definitions.mute_timings import mute_timing
from schemas.alert_rules import Maintenance
from schemas.calendars import Calendar, Hours, Span
from streams.core.business_time import business_ms
from tests.oracle.contacts import milliseconds as ms

_MONTHS = [date(2026, number, 1).strftime("%B").lower() for number in range(1, 13)]


def muted(timing: dict[str, Any], at: datetime) -> bool:
    """Tell as Alertmanager does whether a time lies in one of the intervals."""
    for interval in timing["time_intervals"]:
        local = at.astimezone(ZoneInfo(interval.get("location", "UTC")))
        clock = f"{local:%H:%M}"
        if (
            local.strftime("%A").lower() in interval.get("weekdays", [local.strftime("%A").lower()])
            and str(local.year) in interval.get("years", [str(local.year)])
            and _MONTHS[local.month - 1] in interval.get("months", _MONTHS)
            and str(local.day) in interval.get("days_of_month", [str(local.day)])
            and any(
                span["start_time"] <= clock < span["end_time"]
                for span in interval.get("times", [{"start_time": "00:00", "end_time": "24:00"}])
            )
        ):
            return True
    return False


NIGHT = (Span(1_320, 1_800),)
WEEK = ((Span(480, 720), Span(780, 1_020)),) * 4 + ((Span(480, 840),), NIGHT, ())
#: A Thursday that is closed; a Tuesday with fewer hours, a Wednesday with a night, a Sunday, which is closed else; the
#: Saturday of a holiday, whose night is open else.
CLOSED = frozenset({"2026-06-11"})
EXTRA = (("2026-06-02", (Span(600, 660),)), ("2026-06-10", NIGHT), ("2026-06-14", (Span(700, 800), Span(840, 900))))
OFFICE = Calendar("office", (Hours("Europe/Helsinki", WEEK, CLOSED, EXTRA, country="FI"),))
BY_WEEKDAY = Calendar("by weekday", (Hours("Europe/Helsinki", WEEK),))


@pytest.mark.parametrize("while_open", [True, False])
def test_hours_of_a_calendar(while_open: bool) -> None:  # noqa: FBT001 - a parameter
    """Every quarter of an hour of three weeks: muted as the calendar says or, as Grafana only adds, as the weekday."""
    timing = mute_timing(Maintenance("m", OFFICE, while_open), date(2026, 6, 1))
    unlike = 0
    for quarter in range(21 * 96):
        at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)
        now = round(at.timestamp() * 1_000)
        by_day, by_weekday = (
            (business_ms(calendar, now, now + 60_000) > 0) == while_open for calendar in (OFFICE, BY_WEEKDAY)
        )
        assert muted(timing, at) == (by_day or by_weekday), at
        unlike += by_day > by_weekday
    assert unlike > 20


def test_from_one_instant_to_another() -> None:
    """Over midnights and the end of a month, to the minute."""
    timing = mute_timing(
        Maintenance("m", since=ms("2026-05-30T22:30Z"), until=ms("2026-06-01T06:15Z")), date(2026, 1, 1)
    )
    begin = datetime(2026, 5, 30, 22, 0, tzinfo=UTC)
    found = [minute for minute in range(36 * 60) if muted(timing, begin + timedelta(minutes=minute))]
    assert found == list(range(30, 30 + 31 * 60 + 45))


def test_hours_that_hold_from_a_day_on() -> None:
    """Those of the day on which the files are built."""
    later = Hours("UTC", ((Span(0, 1_440),),) * 7, valid_from="2027-01-01")
    calendar = Calendar("c", (Hours("UTC", ((),) * 7), later))
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert not muted(mute_timing(Maintenance("m", calendar), date(2026, 12, 31)), noon)
    assert muted(mute_timing(Maintenance("m", calendar), date(2027, 1, 1)), noon)
