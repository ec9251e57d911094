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


WEEK = ((Span(480, 720), Span(780, 1_020)),) * 4 + ((Span(480, 840),), (Span(1_320, 1_800),), ())
OFFICE = Calendar("office", (Hours("Europe/Helsinki", WEEK, frozenset({"2026-06-11"}), country="FI"),))


@pytest.mark.parametrize("while_open", [True, False])
def test_hours_of_a_calendar(while_open: bool) -> None:  # noqa: FBT001 - a parameter
    """Every quarter of an hour of three weeks, a night over Saturday's end, a closed day and a holiday among them."""
    timing = mute_timing(Maintenance("m", OFFICE, while_open), date(2026, 6, 1))
    for quarter in range(21 * 96):
        at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=15 * quarter)
        local = at.astimezone(ZoneInfo("Europe/Helsinki"))
        if while_open and f"{local:%m-%d}" in {"06-11", "06-19", "06-20"}:  # cannot be taken away from a weekday
            continue
        now = round(at.timestamp() * 1_000)
        is_open = business_ms(OFFICE, now, now + 60_000) > 0
        if f"{local:%m-%d %H}" in {f"06-21 0{hour}" for hour in range(6)}:
            continue  # the night that begins on the Saturday of a holiday: its weekday's hours hold
        assert muted(timing, at) == (is_open == while_open), at


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
