"""When a mail came: by the time that our own server wrote on top of it, or that the folder keeps; never by its Date.

The topmost `Received` is our server's, stays with the mail through moves, copies and a new server, and is the same
whoever reads it. A sent mail has none: of it the folder's INTERNALDATE counts.
"""

import re
from datetime import datetime
from email.utils import mktime_tz, parsedate_tz
from typing import Final

from schemas.values import milliseconds
from streams.sources.adapter import UnmappableError
from streams.sources.vendor_values import time_of
from streams.sources.vendors.email.header import MailHeader
from streams.times import at

#: A `Received` this much later than the folder's own time has a clock that is wrong.
_AHEAD_MS: Final = 10 * 60 * 1000
_ZONE: Final = re.compile(r"[+-]\d{4}|\b(?:GMT|UTC|UT|Z)\b", re.IGNORECASE)


def arrival_ms(header: MailHeader, internal_date: str, *, sent: bool) -> int:
    """Return the time in UTC milliseconds; `internal_date` is RFC 3339, or empty. Raises UnmappableError."""
    kept = _ms_of(internal_date) if internal_date else None
    received = None if sent and kept is not None else _received_ms(header.first("received"))
    if received is None or (kept is not None and received > kept + _AHEAD_MS):
        received = kept
    if received is None:
        raise UnmappableError("internaldate", "is missing, and no server wrote a time into Received")
    return received


def _ms_of(internal_date: str) -> int:
    return milliseconds(datetime.fromisoformat(time_of(internal_date, "internaldate")))


def _received_ms(field: str) -> int | None:
    """Read the time behind the last semicolon; None where there is none with a zone."""
    written = field.rpartition(";")[2]
    if not _ZONE.search(written):
        return None
    try:
        parsed = parsedate_tz(written)
        ms = None if parsed is None else int(mktime_tz(parsed)) * 1000
        return None if ms is None else milliseconds(at(ms))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
