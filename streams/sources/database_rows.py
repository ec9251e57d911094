"""Rows of vendors' databases as JSON could have them, and what may go wrong in reading them."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

Row = Mapping[str, Any]

#: A connection that takes longer to end is left to itself.
CLOSE_WITHIN_S: Final = 1.0


class DatabaseAwayError(ConnectionError):
    """The database does not answer, or refuses the question; it is worth asking again."""


def away(host: str | None, error: BaseException) -> DatabaseAwayError:
    """Name a fault by its kind: its text may hold the user's name."""
    return DatabaseAwayError(f"the database at {host} does not answer: {type(error).__name__}")


def plain(value: Any) -> Any:  # noqa: ANN401 - of any column
    """Give a value as JSON has it: numbers of 19 digits as text, so that none is rounded."""
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, bytes):  # text of a column that is declared as bytes
        return value.decode(errors="backslashreplace")
    return str(value)
