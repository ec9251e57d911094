"""What the readers of vendors' databases share: their connection, JSON-compatible rows, and the error of no answer."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

from streams.own_thread import in_own_thread

Row = Mapping[str, Any]

#: A connection that takes longer to close is abandoned.
CLOSE_WITHIN_S: Final = 1.0


class DatabaseAwayError(ConnectionError):
    """The database does not answer, or fails for a reason that may pass; asking again may help."""


class DatabaseConnection:
    """A connection that is made when it is first needed; `async with` closes it."""

    def __init__(self) -> None:
        #: The driver's own connection; None: there is none.
        self._connection: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(TimeoutError):  # a call that is under way may hold the connection
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await in_own_thread(self._close)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # it may be broken already
                connection.close()


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
