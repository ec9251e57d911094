"""Days that differ from the usual hours of their weekday."""

from datetime import date

from schemas.calendars import Calendar, Hours, Span, days_unlike_their_weekday

_WEEK = ((Span(480, 960),),) * 7


def test_closed_days_holidays_and_days_with_hours_of_their_own() -> None:
    """Those of the hours in force on the day: Christmas of one year, a strike of the next, and an early closing."""
    before = Hours("Europe/Helsinki", _WEEK, frozenset({"2026-12-31", "2027-03-01"}), country="FI")
    after = Hours(
        "Europe/Helsinki",
        _WEEK,
        frozenset({"2027-02-01"}),
        (("2027-03-02", (Span(480, 600),)),),
        valid_from="2027-01-01",
    )
    found = days_unlike_their_weekday(Calendar("office", (before, after)), date(2026, 12, 7), date(2027, 3, 2))
    assert found == [
        *(date(2026, 12, day) for day in (24, 25, 26, 31)),
        date(2027, 2, 1),
        date(2027, 3, 2),
    ]
    assert days_unlike_their_weekday(Calendar("office", (before,)), date(2026, 12, 7), date(2026, 12, 24))[-1] == date(
        2026, 12, 24
    )
