"""Rows of vendors' databases with JSON-compatible values, and the error for a database that does not answer."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

Row = Mapping[str, Any]

#: A connection that takes longer to end is left to itself.
CLOSE_WITHIN_S: Final = 1.0


class DatabaseAwayError(ConnectionError):
    """The database does not answer, or fails for a reason that may pass; asking again may help."""


def away(host: str | None, error: BaseException) -> DatabaseAwayError:
    """Make the error with the kind of the fault only: its text may contain the user's name."""
    return DatabaseAwayError(f"the database at {host} does not answer: {type(error).__name__}")


def plain(value: Any) -> Any:  # noqa: ANN401 - of any column
    """Return a column's value as a JSON type; decimal numbers become text, so that none is rounded."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, bytes):  # text in a column that is declared as bytes
        return value.decode(errors="backslashreplace")
    return str(value)
