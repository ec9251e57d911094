"""Reads a MySQL, MariaDB or PostgreSQL database, in sessions that cannot write.

Each statement is a transaction of its own, so it sees everything that is committed when it starts. The drivers block,
so their calls run in threads of their own. The address contains a password, so no error contains the address.
"""

import ssl
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import SplitResult, unquote

from pydantic import SecretStr

from schemas.configuration.hook_models import urlsplit_or_none
from schemas.exits import EndError, Exit
from streams.own_thread import in_own_thread
from streams.sources.database_rows import DatabaseConnection, Row, away, plain

#: What a person must correct: user or password, the name of database or table, a column, the user's right, TLS, or text
#: that is not UTF-8.
Wrong = Literal["sign-in", "database", "table", "column", "right", "tls", "text"]

#: The option of an address that lets the password go only to a server with a valid certificate.
_TLS: Final = "tls=verify"
_CONNECT_TIMEOUT_S: Final = 10
_ANSWER_TIMEOUT_S: Final = 30


#: What the database promises of a column: no value repeats or is missing; nothing; or it cannot tell, as of a view.
Uniqueness = Literal["unique", "not unique", "unknown"]


class DatabaseRefusedError(RuntimeError):
    """The database refuses the query until an operator corrects `wrong`."""

    def __init__(self, wrong: Wrong) -> None:
        super().__init__(f"the database refuses: {wrong}")
        self.wrong: Wrong = wrong


class _Driver(NamedTuple):
    """How to connect to one kind of server."""

    #: The driver's module (PEP 249), and the extra of Pulssi that installs it.
    module: str
    extra: str
    port: int
    connect: Callable[[Any, SplitResult, ssl.SSLContext | None], Any]
    #: Returns the server's code of an error.
    code_of: Callable[[BaseException], object]
    wrongs: Mapping[object, Wrong]
    #: Asks of a table's column how many keys consist of it alone, and whether the table is a plain one.
    keys: str


def _mysql(module: Any, parts: SplitResult, tls: ssl.SSLContext | None) -> Any:  # noqa: ANN401 - the driver's own
    whom = _whom(parts)
    return module.connect(
        **{**whom, "password": whom["password"].encode()},  # the driver would encode text as Latin-1, not UTF-8
        port=parts.port or _DRIVERS["mysql"].port,
        ssl=tls,
        charset="utf8mb4",
        connect_timeout=_CONNECT_TIMEOUT_S,
        read_timeout=_ANSWER_TIMEOUT_S,
        write_timeout=_ANSWER_TIMEOUT_S,
        init_command="SET SESSION TRANSACTION READ ONLY",
        autocommit=True,
    )


def _postgresql(module: Any, parts: SplitResult, tls: ssl.SSLContext | None) -> Any:  # noqa: ANN401 - as above
    connection = module.connect(
        **_whom(parts),
        port=parts.port or _DRIVERS["postgresql"].port,
        ssl_context=tls,
        timeout=_ANSWER_TIMEOUT_S,
        application_name="pulssi",
    )
    connection.autocommit = True
    with closing(connection.cursor()) as cursor:
        cursor.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
        cursor.execute("SET client_encoding TO 'UTF8'")  # else a database without an encoding is read as ASCII
    return connection


def _whom(parts: SplitResult) -> dict[str, str]:
    return {
        "host": parts.hostname or "",
        "database": unquote(parts.path.strip("/")),
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
    }


def _state_of(error: BaseException) -> object:
    """Give PostgreSQL's SQLSTATE."""
    told = error.args[0] if error.args else None
    return told.get("C") if isinstance(told, dict) else None


_DRIVERS: Final[Mapping[str, _Driver]] = {
    "mysql": _Driver(
        module="pymysql",
        extra="mysql",
        port=3306,
        connect=_mysql,
        code_of=lambda error: error.args[0] if error.args else None,
        wrongs={
            1045: "sign-in",
            1698: "sign-in",
            1044: "database",
            1049: "database",
            1146: "table",
            1054: "column",
            1142: "right",
            1143: "right",
        },
        keys="SELECT (SELECT COUNT(*) FROM (SELECT index_name FROM information_schema.statistics"
        " WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE()) AND table_name = '{name}'"
        " AND non_unique = 0 GROUP BY index_name"
        " HAVING COUNT(*) = 1 AND LOWER(MAX(column_name)) = '{column}' AND MAX(nullable) <> 'YES') AS of_one)"
        " AS of_column,"
        " (SELECT COUNT(*) FROM information_schema.tables"
        " WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE()) AND table_name = '{name}'"
        " AND table_type = 'BASE TABLE') AS plain_tables",
    ),
    "postgresql": _Driver(
        module="pg8000.dbapi",
        extra="postgresql",
        port=5432,
        connect=_postgresql,
        code_of=_state_of,
        wrongs={
            "28P01": "sign-in",
            "28000": "sign-in",
            "3D000": "database",
            "42P01": "table",
            "3F000": "table",
            "42703": "column",
            "42883": "column",  # the column `id` cannot be compared with a number
            "42501": "right",
            "22021": "text",  # found by the server, where its database has no encoding
        },
        keys="SELECT (SELECT COUNT(*) FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]"
        " WHERE indrelid = '{table}'::regclass AND indisunique AND indisvalid AND indnkeyatts = 1 AND indpred IS NULL"
        " AND indexprs IS NULL AND attname = '{column}' AND attnotnull) AS of_column,"
        " (SELECT COUNT(*) FROM pg_class WHERE oid = '{table}'::regclass AND relkind = 'r') AS plain_tables",
    ),
}
_KINDS: Final = {"mysql": "mysql", "mariadb": "mysql", "postgresql": "postgresql", "postgres": "postgresql"}


class ReadOnlyDatabase(DatabaseConnection):
    """A MySQL, MariaDB or PostgreSQL database that is only read."""

    def __init__(self, address: SecretStr) -> None:
        """`address`: mysql://user:password@host:3306/database, or postgresql://…; raises EndError if it is not.

        With `?tls=verify` the password is sent only to a server with a valid certificate.
        """
        parts = urlsplit_or_none(address.get_secret_value())
        if (
            parts is None
            or parts.scheme not in _KINDS
            or not parts.username
            or not parts.path.strip("/")
            or parts.query not in {"", _TLS}  # `?tls` alone, too, asks for TLS
            or parts.fragment
        ):
            raise EndError(
                "the database's address must look like mysql://user:password@host:3306/database or"
                " postgresql://user:password@host:5432/database, followed by ?tls=verify to require TLS",
                Exit.UNUSABLE,
            )
        super().__init__()
        self._parts = parts
        self._driver = _DRIVERS[_KINDS[parts.scheme]]
        self._tls = ssl.create_default_context() if parts.query else None

    async def rows(self, statement: str) -> list[Row]:
        """Return the rows of a SELECT: JSON-compatible values by the columns' names in lower case.

        Raises DatabaseAwayError or DatabaseRefusedError; EndError if the driver is not installed.
        """
        return await in_own_thread(partial(self._rows, statement))

    async def uniqueness(self, table: str, column: str) -> Uniqueness:
        """Tell whether a column's values are unique and never NULL; both names must be safe in a statement.

        Raises as `rows`.
        """
        schema, _, name = table.rpartition(".")
        statement = self._driver.keys.format(table=table, schema=schema, name=name, column=column)
        (keys,) = await in_own_thread(partial(self._rows, statement))
        if keys["of_column"]:
            return "unique"
        return "not unique" if keys["plain_tables"] else "unknown"

    def _rows(self, statement: str) -> list[Row]:
        module = self._module()
        try:
            if self._connection is None:
                self._connection = self._driver.connect(module, self._parts, self._tls)
            with closing(self._connection.cursor()) as cursor:
                cursor.execute(statement)
                names = [str(column[0]).lower() for column in cursor.description]
                return [dict(zip(names, map(plain, row), strict=True)) for row in cursor.fetchall()]
        except Exception as error:  # noqa: BLE001 - of what they do not know, drivers raise whatever they stumble over
            wrong = self._wrong(error)
            self._close()
            if wrong is not None:
                raise DatabaseRefusedError(wrong) from None
            raise away(self._parts.hostname, error) from None

    def _wrong(self, error: BaseException) -> Wrong | None:
        if self._tls is not None and "SSL" in str(error):  # the server refuses TLS, or its certificate is not valid
            return "tls"
        return self._driver.wrongs.get(self._driver.code_of(error))

    def _module(self) -> Any:  # noqa: ANN401 - it is there only where it was installed
        try:
            return import_module(self._driver.module)
        except ImportError:
            raise EndError(
                f"reading this database needs a driver: pip install 'pulssi[{self._driver.extra}]'",
                Exit.UNUSABLE,
            ) from None
