"""Points in time as UTC milliseconds since 1970: from the clock, from a datetime, and as RFC 3339."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def now_ms() -> int:
    """Return the time."""
    return time.time_ns() // 1_000_000


def milliseconds(moment: datetime) -> int:
    """Return a datetime's milliseconds; it has a zone."""
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def at(ms: int) -> datetime:
    """Return the datetime, exactly."""
    return _EPOCH + timedelta(milliseconds=ms)


def rfc3339(ms: int) -> str:
    """Write a time in UTC with its milliseconds."""
    return at(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
