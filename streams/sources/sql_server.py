"""Reads rows of a vendor's SQL Server in the order of their numbers; it can only read.

The driver blocks, so its calls run in threads of their own. The address holds a password, and is in no error.
"""

from functools import partial
from importlib import import_module
from typing import Any, Final, Protocol
from urllib.parse import unquote

from pydantic import SecretStr

from schemas.configuration.hook_models import urlsplit_or_none
from schemas.exits import EndError, Exit
from streams.own_thread import in_own_thread
from streams.sources.database_rows import DatabaseConnection, Row, away, plain

PORT: Final = 1433
_CONNECT_TIMEOUT_S: Final = 20.0
_ANSWER_TIMEOUT_S: Final = 120.0


class RowReader(Protocol):
    """Reads tables whose rows have a rising number `rec_id`."""

    async def rows(self, table: str, after: int, limit: int) -> list[Row]:
        """Return rows above a number, in order, as JSON could have them. Raises DatabaseAwayError."""
        ...


class SqlServer(DatabaseConnection):
    """A SQL Server whose tables are read by their rising numbers."""

    def __init__(self, address: SecretStr) -> None:
        """`address`: mssql://user:password@host:1433/database. Raises EndError where it is none."""
        parts = urlsplit_or_none(address.get_secret_value())
        if parts is None or parts.scheme != "mssql" or not parts.path.strip("/"):
            raise EndError(
                "the database's address must look like mssql://user:password@host:1433/database", Exit.UNUSABLE
            )
        super().__init__()
        self._parts = parts

    async def rows(self, table: str, after: int, limit: int) -> list[Row]:
        """Return rows above a number, in order, as JSON could have them. Raises DatabaseAwayError."""
        return await in_own_thread(partial(self._rows, table, after, limit))

    def _rows(self, table: str, after: int, limit: int) -> list[Row]:
        driver = _driver()
        try:
            if self._connection is None:
                self._connection = self._connect(driver)
            with self._connection.cursor() as cursor:
                # The names are ours, never a vendor's.
                cursor.execute(f"SELECT TOP ({limit:d}) * FROM {table} WHERE rec_id > %s ORDER BY rec_id", (after,))  # noqa: S608
                names = [str(column[0]) for column in cursor.description]
                return [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]
        except Exception as error:  # noqa: BLE001 - of what it does not know, the driver raises whatever it stumbles over
            self._close()
            raise away(self._parts.hostname, error) from None

    def _connect(self, driver: Any) -> Any:  # noqa: ANN401 - the driver's own
        parts = self._parts
        return driver.connect(
            dsn=parts.hostname,
            port=parts.port or PORT,
            database=parts.path.strip("/"),
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            login_timeout=_CONNECT_TIMEOUT_S,
            timeout=_ANSWER_TIMEOUT_S,
            readonly=True,
            autocommit=True,
            cafile=import_module("certifi").where(),
            enc_login_only=False,
        )


def _driver() -> Any:  # noqa: ANN401 - it is there only where it was installed
    try:
        return import_module("pytds")
    except ImportError:
        raise EndError(
            "reading SQL Server needs a driver that is not installed: pip install 'pulssi[sqlserver]'", Exit.UNUSABLE
        ) from None
