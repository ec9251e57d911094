"""Durations as people write them: `20s`, `1h30m`, `2d`. Weeks are the longest unit: months and years are not equal."""

from __future__ import annotations

import re
from typing import Final

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")

#: What a duration looks like, for schemas.
PATTERN: Final = r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|s|min|m|h|d|w)\s*)+$"


def milliseconds(text: str) -> int:
    """Read a duration as whole milliseconds. Raises ValueError."""
    given = text.strip().lower()
    parts = list(_PART.finditer(given))
    if not parts or _PART.sub("", given).strip():
        raise ValueError("must be a duration, such as 20s, 10m, 1h30m or 2d")
    return round(sum(float(part[1]) * _UNITS_MS[part[2]] for part in parts))
