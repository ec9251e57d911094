"""Names of time zones: known ones, and what was meant where one is not."""

from __future__ import annotations

import difflib
from zoneinfo import ZoneInfo, available_timezones


def zone_name(value: str) -> str:
    """Give the name back. Raises ValueError where no time zone has it."""
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):  # LookupError: not found; the others: no such path, a folder
        near = difflib.get_close_matches(value, available_timezones(), n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"must be the name of a time zone, such as Europe/Helsinki{meant}") from None
    return value
