"""Reads values out of a vendor's JSON: each is what it must be, or the payload is refused with the field's name.

Vendors write one field in several types, nine digits of a second, names in capitals. What reads such a value tolerates
exactly what is known of the vendor, and nothing is guessed.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, TypeAlias

import orjson

from schemas.values import milliseconds
from streams.sources.adapter import UnmappableError
from streams.times import rfc3339

Json: TypeAlias = Any
JsonObject: TypeAlias = Mapping[str, Any]

#: RFC 3339 as vendors write it: a space in the place of the T, any number of digits, a zone that may be missing.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:[.,](\d{1,12}))?"
    r" ?([Zz]|UTC|GMT|[+-]\d\d(?::?\d\d)?)?"
)
#: Seconds since 1970 end here for us (2100-01-01); a greater number is milliseconds.
_LAST_SECOND: Final = 4_102_444_800
_MS: Final = 1000


def json_object(body: bytes) -> JsonObject:
    """Parse a body that must be a JSON object."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnmappableError("", f"the body is not JSON: {error}") from None
    if not isinstance(parsed, dict):
        raise UnmappableError("", "the body is no JSON object")
    return parsed


def json_objects(body: bytes) -> list[JsonObject]:
    """Parse a body that must be a JSON object, or a list of one or more: vendors that batch send lists."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise UnmappableError("", f"the body is not JSON: {error}") from None
    found = parsed if isinstance(parsed, list) else [parsed]
    if not found or not all(isinstance(each, dict) for each in found):
        raise UnmappableError("", "the body is no JSON object, and no list of them")
    return found


def value_at(within: Json, path: str) -> Json:
    """Return what stands at a path of keys with dots between; None where there is nothing."""
    for key in path.split("."):
        if not isinstance(within, dict):
            return None
        within = within.get(key)
    return within


def object_at(within: Json, path: str) -> JsonObject:
    """Return the object at a path."""
    found = value_at(within, path)
    if not isinstance(found, dict):
        raise UnmappableError(path, "must be an object" if found is not None else "is missing")
    return found


def text_at(within: Json, path: str) -> str:
    """Return the text or the whole number at a path, as text that is not empty."""
    found = optional_text_at(within, path)
    if not found:
        raise UnmappableError(path, "is missing")
    return found


def optional_text_at(within: Json, path: str) -> str:
    """Return the text or the whole number at a path, as trimmed text; empty where there is nothing."""
    found = value_at(within, path)
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise UnmappableError(path, "must be text or a whole number")
    return str(found).strip()


def number_at(within: Json, path: str) -> float:
    """Return the number at a path; one in quotes is a number too."""
    found = value_at(within, path)
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        raise UnmappableError(path, "must be a number" if found is not None else "is missing")
    try:
        number = float(found)
    except (ValueError, OverflowError):
        raise UnmappableError(path, "must be a number") from None
    if number != number or number in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN is what differs from itself
        raise UnmappableError(path, "must be a number")
    return number


def list_at(within: Json, path: str) -> list[Json]:
    """Return the list at a path; empty where there is nothing."""
    found = value_at(within, path)
    if found is None:
        return []
    if not isinstance(found, list):
        raise UnmappableError(path, "must be a list")
    return found


def time_at(within: Json, path: str, zone: tzinfo | None = None) -> str:
    """Return the time at a path as RFC 3339 in UTC; text in ISO 8601, or a number since 1970 in s or ms.

    `zone` is that of a time without one; without it such a time is refused.
    """
    found = value_at(within, path)
    if found is None or found == "":
        raise UnmappableError(path, "is missing")
    return time_of(found, path, zone)


def time_of(value: Json, path: str, zone: tzinfo | None = None) -> str:
    """Return a time as RFC 3339 in UTC, as `time_at` does; `path` is named where it is none."""
    if isinstance(value, bool):
        raise UnmappableError(path, "must be a time")
    if isinstance(value, str) and re.fullmatch(r"\d{1,13}(\.\d+)?", value):
        value = float(value) if "." in value else int(value)
    try:
        if isinstance(value, int | float):
            ms = round(value if value >= _LAST_SECOND else value * _MS)
            return rfc3339(milliseconds(datetime.fromtimestamp(ms / _MS, UTC)))
        found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            raise UnmappableError(path, "must be a time such as 2026-03-01T08:00:00Z")
        day, clock, digits, offset = found.groups()
        written = f"{day}T{clock}.{(digits or '0').ljust(6, '0')[:6]}"
        if offset is None and zone is None:
            raise UnmappableError(path, "has no time zone: set `time_zone` of the account")
        if offset is None:
            at = datetime.fromisoformat(written).replace(tzinfo=zone)
        else:
            at = datetime.fromisoformat(written + ("+00:00" if offset in {"Z", "z", "UTC", "GMT"} else offset))
        return rfc3339(milliseconds(at))
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, UnmappableError):
            raise
        raise UnmappableError(path, "is no time from 1970 to 2099") from None


def ms_of(at: str) -> int:
    """Return a time that `time_at` gave as UTC milliseconds."""
    return milliseconds(datetime.fromisoformat(at))


def earlier(at: str, ms: int) -> str:
    """Return the time so many milliseconds before one that `time_at` gave, and not before 1970."""
    return rfc3339(max(0, ms_of(at) - ms))
