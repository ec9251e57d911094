"""What people write in settings, files and commands: durations, time zones, and words that are nearly right."""

import difflib
import re
from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

#: Weeks are the longest unit: months and years are not equal.
_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")

#: What a duration looks like, for schemas.
DURATION_PATTERN: Final = r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|min|m|h|d|w)\s*)+$"


def duration_ms(text: str) -> int:
    """Read a duration (`20s`, `1h30m`, `2d`) as whole milliseconds. Raises ValueError."""
    given = text.strip().lower()
    parts = list(_PART.finditer(given))
    if not parts or _PART.sub("", given).strip():
        raise ValueError("must be a duration, such as 20s, 10m, 1h30m or 2d")
    return round(sum(float(part[1]) * _UNITS_MS[part[2]] for part in parts))


def zone_name(value: str) -> str:
    """Give a time zone's name back. Raises ValueError where no time zone has it."""
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):  # LookupError: not found; the others: no such path, a folder
        meant = did_you_mean(value, available_timezones())
        raise ValueError(f"must be the name of a time zone, such as Europe/Helsinki{meant}") from None
    return value


def did_you_mean(given: str, known: Iterable[str], form: str = "{}") -> str:
    """Suggest the known word that is nearest, written as `form` has it; empty where none is near."""
    near = difflib.get_close_matches(given, list(known), n=1)
    return f"; did you mean {form.format(near[0])}?" if near else ""
