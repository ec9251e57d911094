"""The values that events are made of: trimmed text, RFC 3339 times in the accepted range, whole and decimal numbers.

They stand apart from the events, which say what of them goes where. JSON types are never coerced here.
"""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, StringConstraints, WithJsonSchema
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

#: RFC 3339, with the zone optional: a time without a zone gets an error of its own.
TIME_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})?$"
)

#: The largest whole number of 64 bits.
MAX_WHOLE: Final = 2**63 - 1

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_PER_DAY: Final = 86_400_000
#: The range of times that is accepted, for people. Everything downstream holds it with room to spare: ClickHouse's
#: `DateTime` ends in February 2106, and views add weeks and time zones to a time.
ACCEPTED: Final = "from 1970-01-01 up to and including 2099-12-31, UTC"
_LAST_DAY: Final = (datetime(2100, 1, 1, tzinfo=UTC) - _EPOCH).days


def nfc(value: Any) -> Any:  # noqa: ANN401 - whatever JSON held
    """Normalise text to NFC; ASCII is that already. What is no text is for the rule behind this one to refuse."""
    return unicodedata.normalize("NFC", value) if isinstance(value, str) and not value.isascii() else value


def milliseconds(at: datetime) -> int:
    """Cut to UTC milliseconds since 1970. Raises ValueError outside the range that is accepted."""
    since = at - _EPOCH
    if not 0 <= since.days < _LAST_DAY:
        raise ValueError(f"outside the accepted range: it runs {ACCEPTED}")
    return since.days * _MILLISECONDS_PER_DAY + since.seconds * 1000 + since.microseconds // 1000


def _number(value: Any) -> Decimal:  # noqa: ANN401 - whatever JSON held
    """Take a JSON number as the decimal that it was written as; a number in quotes is none."""
    if type(value) in {int, float}:
        whole = isinstance(value, float) and value.is_integer() and value <= MAX_WHOLE
        return Decimal(str(int(value) if whole else value))
    if isinstance(value, Decimal):
        return value
    raise PydanticCustomError("number_type", "Input should be a valid number")


class _Rfc3339:
    """Makes a field an RFC 3339 time: pydantic alone would also take seconds since 1970 in quotes, among others."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        del source, handler
        written = core_schema.str_schema(pattern=TIME_PATTERN, strict=True)
        return core_schema.chain_schema([written, core_schema.datetime_schema(tz_constraint="aware", strict=False)])


def _limits(longest: int | None, shortest: int = 1) -> StringConstraints:
    """Trim text; limits count what it is then, inside the string's own rule, in Rust."""
    return StringConstraints(strip_whitespace=True, min_length=shortest, max_length=longest)


_NFC: Final = BeforeValidator(nfc)

Id = Annotated[str, _limits(128), _NFC]
Name = Annotated[str, _limits(64), _NFC]
Tag = Annotated[str, _limits(128), _NFC]
ShortText = Annotated[str, _limits(256, shortest=0), _NFC]
FreeText = Annotated[str, _limits(None, shortest=0), _NFC]
#: Of optional fields; many systems send an empty one where they have nothing, and it stands for absent.
OptionalId = Annotated[str, _limits(128, shortest=0), _NFC] | None
OptionalName = Annotated[str, _limits(64, shortest=0), _NFC] | None

#: RFC 3339 with a zone in JSON; UTC milliseconds since 1970 in Python.
Instant = Annotated[
    int,
    _Rfc3339,
    AfterValidator(milliseconds),
    WithJsonSchema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": TIME_PATTERN.replace(")?$", ")$"),
            "description": f"RFC 3339 with a zone, {ACCEPTED}. Digits past the third of a second are cut.",
        }
    ),
]

#: For what is kept, ordered or compared. What anybody adds up needs a bound of its own, as `Count` has: two sums of
#: `Whole` may be beyond the 64 bits of JSON and ClickHouse, and stop their readers.
Whole = Annotated[int, Ge(0), Le(MAX_WHOLE)]
#: Of a size that millions of them add up to a number which 64 bits, and JavaScript's 53, hold.
Count = Annotated[int, Ge(0), Le(2**31 - 1)]
Number = Annotated[Decimal, BeforeValidator(_number)]
