"""What a value in a configuration file may be: durations, days, opening hours, zones, countries, as people write them.

A message says what the value must be, never only that it is wrong; its reader has the file before them.
"""

import re
from contextlib import suppress
from datetime import date, datetime
from itertools import pairwise
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from schemas.alert_rules import REACH_MS
from schemas.calendars import MINUTES_A_DAY, Span
from schemas.user_input import DURATION_PATTERN, did_you_mean, duration_ms, zone_name

_SPAN: Final = re.compile(r"(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)")
#: What hours look like, for schemas.
SPAN_PATTERN: Final = r"^[0-2]?[0-9]:[0-5][0-9]\s*-\s*[0-2]?[0-9]:[0-5][0-9]$"


class Section(BaseModel):
    """What every part of a configuration file is: keys that are known, values that are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _duration(value: object) -> int:
    if not isinstance(value, str):
        raise ValueError("must be a duration in quotes, such as '20s', '10m', '1h30m' or '2d'")  # noqa: TRY004 - pydantic collects these
    return duration_ms(value)


_DURATION_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "pattern": DURATION_PATTERN, "examples": ["20s", "1h30m", "2d"]}
)

#: Whole milliseconds, longer than nothing.
Duration = Annotated[int, Field(gt=0), BeforeValidator(_duration), _DURATION_SCHEMA]
#: The same, or 0.
DurationOrZero = Annotated[int, Field(ge=0), BeforeValidator(_duration), _DURATION_SCHEMA]


def _judged(value: int) -> int:
    if value > REACH_MS:
        raise ValueError(
            "is longer than 24h, the longest window that is judged: write '24h' or less; burn rates and [[budget]] in"
            " alerts.toml tell early that a longer period will be missed"
        )
    return value


#: Over how long an objective is judged.
JudgedWindow = Annotated[Duration, AfterValidator(_judged)]


def _moment(value: object) -> date:
    if isinstance(value, date):  # a datetime is one
        return value
    for kind in (date, datetime):
        with suppress(ValueError):
            return kind.fromisoformat(str(value))
    raise ValueError("must be a day or a time, such as 2026-03-01 or 2026-03-01T08:00:00+02:00")


def _day(value: object) -> str:
    with suppress(ValueError):
        day = _moment(value)
        if not isinstance(day, datetime):
            return day.isoformat()
    raise ValueError("must be a day, such as 2026-12-24")


#: An ISO date.
Day = Annotated[str, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]

#: A day, or a point in time; both in the centre's time zone where they name none.
Moment = Annotated[
    date | datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}),
]


def _minutes(hours: str, minutes: str) -> int:
    at = 60 * int(hours) + int(minutes)
    if int(minutes) > 59 or at > MINUTES_A_DAY:  # noqa: PLR2004 - minutes of an hour
        raise ValueError(f"{hours}:{minutes} is no time of a day")
    return at


def _span(value: object) -> Span:
    found = _SPAN.fullmatch(str(value).strip())
    if found is None:
        raise ValueError(f"must be times such as '08:00-16:30', not {str(value)!r}")
    begin, end = _minutes(found[1], found[2]), _minutes(found[3], found[4])
    if begin in {end, MINUTES_A_DAY}:
        raise ValueError(f"{value!r} has no length; the whole day is '00:00-24:00'")
    # Over midnight: the end is on the next day.
    return Span(begin, end if end > begin else end + MINUTES_A_DAY)


def _spans(value: object) -> tuple[Span, ...]:
    if not isinstance(value, list):
        raise ValueError("must be a list of times, such as ['08:00-12:00', '13:00-16:00']; [] is closed")  # noqa: TRY004 - pydantic collects these
    spans = sorted(map(_span, value))
    for one, next_one in pairwise(spans):
        if next_one.begin < one.end:
            raise ValueError("has times that overlap")
    return tuple(spans)


#: A day's opening hours.
Spans = Annotated[
    tuple[Span, ...],
    BeforeValidator(_spans),
    WithJsonSchema({"type": "array", "items": {"type": "string", "pattern": SPAN_PATTERN}}),
]


def _country(value: str) -> str:
    from holidays import list_supported_countries  # noqa: PLC0415 - only where a calendar asks for holidays

    country, _, part = value.partition("-")
    known = list_supported_countries(include_aliases=True)
    if country not in known:
        raise ValueError("must be a country's two letters, such as FI, or with a part of it, such as DE-BY")
    if part and part not in known[country]:
        meant = did_you_mean(part, known[country], f"{country}-{{}}".format)
        raise ValueError(f"{country} has no part {part} with holidays of its own{meant}")
    return value


#: A country (ISO 3166), or a part of one (`DE-BY`).
Country = Annotated[str, AfterValidator(_country)]

#: The name of a time zone.
Zone = Annotated[str, AfterValidator(zone_name)]

#: A name that something is called by.
Name = Annotated[str, Field(min_length=1, max_length=128)]

#: The type of the fault of an entry that lacks a key; a key that is there and faulty is not lacking.
INCOMPLETE: Final = "incomplete"

#: The type of the fault of a name that no calendar has.
NO_CALENDAR: Final = "no_calendar"


def _calendar(value: str, info: ValidationInfo) -> str:
    """Check that there is such a calendar, where the context names those that there are."""
    if info.context is not None and value not in info.context:
        problem = f"there is no calendar {value!r} in calendars.toml{did_you_mean(value, info.context, repr)}"
        raise PydanticCustomError(NO_CALENDAR, "{problem}", {"problem": problem})
    return value


#: The name of a calendar in `calendars.toml`.
CalendarName = Annotated[Name, AfterValidator(_calendar)]
