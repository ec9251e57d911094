"""The only module that touches chDB: one engine a process, a connection a request.

A connection carries its own settings and current database, and costs a millisecond, so each request
gets a new one and leaves nothing behind. All calls block (and release the GIL): they belong in threads.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from deploy.embedded.clickhouse.faults import NOT_IMPLEMENTED, Fault, from_engine
from deploy.embedded.clickhouse.folder import prepare
from deploy.embedded.clickhouse.quoting import NAME, quote

CONFIG: Final = Path(__file__).with_name("config.xml")
USERS: Final = Path(__file__).with_name("users.xml")

#: The engine's connection string has no way to write these in a path.
_NOT_IN_PATHS: Final = "?&"

#: Formats whose blocks, set one after the other, are the whole result. All others have a head or a foot.
STREAMED: Final = frozenset(
    name.lower()
    for name in (
        "Native",
        "RowBinary",
        "TabSeparated",
        "TSV",
        "TabSeparatedRaw",
        "TSVRaw",
        "CSV",
        "JSONEachRow",
        "JSONLines",
        "NDJSON",
        "JSONCompactEachRow",
        "JSONStringsEachRow",
    )
)


class UnusableFolderError(ValueError):
    """The engine cannot keep its files there; the message says why."""


@dataclass(frozen=True)
class Counts:
    """What a statement read, wrote and gave (rows, bytes) and how long it took."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_s: float = 0.0


class Kind(NamedTuple):
    """How many statements a text holds (0: it is none), and whether all they do is read."""

    statements: int
    reads: bool


def _text(statement: bytes) -> str | bytes:
    """Hand over as text what is text; a literal may hold any bytes, which the engine takes too."""
    try:
        return statement.decode()
    except UnicodeDecodeError:
        return statement


def _fault(error: Exception) -> Fault:
    return from_engine(str(error))


class Rows:
    """A result that comes block by block, and what came so far in `counts`."""

    def __init__(self, result: Any) -> None:  # noqa: ANN401 - chDB has no types
        self._result = result
        self.counts = Counts()

    def next_block(self) -> bytes | None:
        """Wait for the next block; None after the last."""
        try:
            block = self._result.fetch()
        except RuntimeError as error:
            raise _fault(error) from None
        if block is None:
            return None
        body = bytes(block.bytes() or b"")
        so_far = self.counts
        self.counts = Counts(
            read_rows=so_far.read_rows + block.storage_rows_read(),
            read_bytes=so_far.read_bytes + block.storage_bytes_read(),
            result_rows=so_far.result_rows + block.rows_read(),
            result_bytes=so_far.result_bytes + len(body),
            elapsed_s=so_far.elapsed_s + block.elapsed(),
        )
        return body

    def cancel(self) -> None:
        """Give up what has not come yet."""
        self._result.cancel()


class Insert:
    """An insert under way: rows are appended in pieces of any size, and are there when `finish` has returned."""

    def __init__(self, inserter: Any) -> None:  # noqa: ANN401 - chDB has no types
        self._inserter = inserter

    def append(self, piece: bytes) -> None:
        """Hand the engine some bytes of the rows; waits while it is behind."""
        try:
            self._inserter.append(piece)
        except RuntimeError as error:
            raise _fault(error) from None

    def finish(self) -> Counts:
        """Commit."""
        try:
            result = self._inserter.finish()
        except RuntimeError as error:
            raise _fault(error) from None
        return Counts(
            written_rows=result.rows_written, written_bytes=result.bytes_written, elapsed_s=float(result.elapsed)
        )

    def cancel(self) -> None:
        """Give up; blocks that were full are in the table already, as with a server."""
        try:
            self._inserter.cancel()
        except RuntimeError as error:
            raise _fault(error) from None


class Connection:
    """One client's state in the engine."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - chDB has no types
        self._connection = connection

    def run(self, sql: str) -> None:
        """Run statements that give no rows, such as SET and USE; several may be joined by semicolons."""
        self.query(sql.encode(), "Null", {})

    def query(self, sql: bytes, output: str, parameters: Mapping[str, str]) -> tuple[bytes, Counts]:
        """Run one statement and return its whole result."""
        try:
            result = self._connection.query(_text(sql), output, params=dict(parameters))
        except RuntimeError as error:
            raise _fault(error) from None
        body = bytes(result.bytes() or b"")
        return body, Counts(
            read_rows=result.storage_rows_read(),
            read_bytes=result.storage_bytes_read(),
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            result_rows=result.rows_read(),
            result_bytes=len(body),
            elapsed_s=result.elapsed(),
        )

    def rows(self, sql: bytes, output: str, parameters: Mapping[str, str]) -> Rows | None:
        """Begin a SELECT whose format is in STREAMED; None: this statement must be run by `query`."""
        try:
            return Rows(self._connection.send_query(_text(sql), output, params=dict(parameters)))
        except RuntimeError as error:
            if "Streaming query is not supported" in str(error):
                return None
            raise _fault(error) from None

    def insert(self, head: bytes, rows_format: str) -> Insert:
        """Begin an insert; `head` is the statement without FORMAT and rows."""
        try:
            return Insert(self._connection.send_insert(_text(head), rows_format))
        except RuntimeError as error:
            if "send_insert does not support INSERT" in str(error):
                raise Fault(
                    NOT_IMPLEMENTED, "INSERT … SELECT FROM input() is not supported: insert into a table first"
                ) from None
            raise _fault(error) from None

    def kind(self, sql: bytes) -> Kind:
        """Tell what the engine's own parser sees in a text."""
        seen = self._connection._conn.classify_query(_text(sql))  # noqa: SLF001 - chDB wraps all but this
        return Kind(int(seen["statement_count"]), seen["query_class"].name == "READ_ONLY")

    def close(self) -> None:
        """Let go of it."""
        self._connection.close()


class Engine:
    """The engine on its data folder. Ends when `close` was called and no connection is left."""

    def __init__(self, folder: Path, database: str) -> None:
        """Open or make the folder; the caller holds its lock. Readers read `database`, or all of a beginning (`x*`).

        Raises UnusableFolderError.
        """
        if not NAME.fullmatch(database.removesuffix("*")):
            raise UnusableFolderError(f"{database!r} is no name of a database; choose another --database")
        self._path = str(folder.absolute())
        for path in (self._path, str(CONFIG)):
            if found := set(path) & set(_NOT_IN_PATHS):
                raise UnusableFolderError(
                    f"{path}: the engine takes no path with {' or '.join(sorted(found))} in it; choose another --data"
                )
        # Times without a zone are UTC, as in ClickHouse's own container, whatever this machine's zone is.
        os.environ["TZ"] = "UTC"
        os.environ["CLICKHOUSE_EMBEDDED_USERS"] = str(USERS)
        # Read by users.xml.
        os.environ["CLICKHOUSE_EMBEDDED_READER"] = f"GRANT SELECT ON {database}.*"
        try:
            prepare(folder)
            from chdb.state import connect  # noqa: PLC0415 - loads the engine: a second, 200 MB

            self._connect = connect
            self._first = Connection(connect(f"{self._path}?config-file={CONFIG}"))
            answer, _ = self._first.query(b"SELECT version(), displayName()", "TSVRaw", {})
        except (RuntimeError, Fault) as error:
            raise UnusableFolderError(f"{folder}: the engine cannot open it: {_first_line(error)}") from None
        self.version, self.display_name = answer.decode().rstrip("\n").split("\t")

    def connection(self) -> Connection:
        """Open a connection of its own."""
        try:
            return Connection(self._connect(self._path))
        except RuntimeError as error:
            raise _fault(error) from None

    def answers(self) -> bool:
        """Tell whether a new connection gets an answer."""
        connection = self.connection()
        try:
            return connection.query(b"SELECT 1", "TSV", {})[0] == b"1\n"
        finally:
            connection.close()

    def kill(self, mark: str) -> None:
        """Cancel the statements that run with this `log_comment`."""
        connection = self.connection()
        try:
            connection.run(f"KILL QUERY WHERE Settings['log_comment'] = {quote(mark)} ASYNC")
        finally:
            connection.close()

    def close(self) -> None:
        """End the engine, which writes out what it holds in memory."""
        self._first.close()


def _first_line(error: Exception) -> str:
    text = error.message if isinstance(error, Fault) else from_engine(str(error)).message
    return text.partition("\n")[0]
