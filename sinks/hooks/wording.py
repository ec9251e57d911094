"""Durations, shares, times and names as people read them, and text that is cut to a length.

Names come from events and files: what could break a line, or reverse the order of what is read, is taken out.
"""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Final

from schemas.alerts import Unit

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
#: Control characters, line and paragraph separators, and marks that change the direction of text.
_UNPRINTED: Final = frozenset({"Cc", "Zl", "Zp", "Cs"})
_DIRECTIONS: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_BEYOND_16_BITS: Final = 0xFFFF


def duration(ms: float) -> str:
    """Write a duration with its two largest units: `2 min 5 s`; below ten seconds with a tenth."""
    if abs(ms) < 10_000:  # noqa: PLR2004 - ten seconds
        return f"{ms / 1000:.1f} s".replace(".0 s", " s")
    parts, left, sign = [], round(abs(ms)), "-" if ms < 0 else ""
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}")
    return sign + " ".join(parts[:2])


def amount(value: float, unit: Unit) -> str:
    """Write what a rule saw, with its unit."""
    if unit == "ms":
        return duration(value)
    if unit == "share":
        return f"{100 * value:.1f} %".replace(".0 %", " %")
    if unit == "ratio":
        return f"{value:.1f} times"
    return f"{value:.0f}"


def moment(ms: int, zone: tzinfo = UTC) -> str:
    """Write a time to the second, with its zone."""
    return f"{datetime.fromtimestamp(ms // 1000, zone):%Y-%m-%d %H:%M:%S %Z}"


def timestamp(ms: int) -> str:
    """Write a time for programs: RFC 3339 in UTC with milliseconds."""
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03}Z"


def printable(text: str) -> str:
    """Take out of a name what is no part of a line."""
    kept = (" " if unicodedata.category(each) in _UNPRINTED else each for each in text if each not in _DIRECTIONS)
    return " ".join("".join(kept).split())


def cut(text: str, most: int, escape: Callable[[str], str] = str) -> str:
    """Escape a text, and cut it so that the result has at most that many characters; an escape is never cut.

    Characters are counted as JavaScript does: one beyond 16 bits is two.
    """
    pieces = [escape(each) for each in text]
    if _length("".join(pieces)) <= most:
        return "".join(pieces)
    kept, left = [], most - 1
    for piece in pieces:
        left -= _length(piece)
        if left < 0:
            break
        kept.append(piece)
    return "".join(kept) + "…"


def _length(text: str) -> int:
    return len(text) + sum(ord(each) > _BEYOND_16_BITS for each in text)
