"""The only module that touches chDB: one engine a process, a connection a request.

A connection carries its own settings and current database, and costs a fifth of a millisecond, so each request
gets a new one and leaves nothing behind. All calls block (and release the GIL): they belong in threads.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from deploy.embedded import UnusableError
from deploy.embedded.clickhouse.errors import ClickHouseError, Code, parse_engine_error
from deploy.embedded.clickhouse.request import MAX_TEXT_BYTES, NAME

CONFIG: Final = Path(__file__).with_name("config.xml")
USERS: Final = Path(__file__).with_name("users.xml")

#: The engine's connection string has no way to write these in a path.
_NOT_IN_PATHS: Final = "?&"
#: What an error of `canonical` has at its end.
_IN_SCOPE: Final = ": In scope SELECT formatQuerySingleLine("


@dataclass(frozen=True)
class Result:
    """What a statement gives: its answer in blocks, and what was read, written and given so far (rows, bytes, ns)."""

    blocks: Iterator[bytes]
    counts: Counter[str] = field(default_factory=Counter)


def quote(text: str, mark: str = "'") -> str:
    """Write a string literal, or with backticks an identifier."""
    escaped = text.replace("\\", "\\\\").replace(mark, f"\\{mark}")
    return f"{mark}{escaped}{mark}"


def set_statement(settings: Mapping[str, str]) -> str:
    """Write SET for settings, and for parameters, which are called `param_…`; the caller has checked the names."""
    return "SET " + ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())


@contextmanager
def _engine_errors() -> Iterator[None]:
    """Raise as a ClickHouseError what the engine raises."""
    try:
        yield
    except RuntimeError as error:
        raise parse_engine_error(str(error)) from None


def _counts(result: Any, body: bytes) -> dict[str, int]:  # noqa: ANN401 - chDB has no types
    return {
        "read_rows": result.storage_rows_read(),
        "read_bytes": result.storage_bytes_read(),
        "written_rows": result.rows_written(),
        "written_bytes": result.bytes_written(),
        "result_rows": result.rows_read(),
        "result_bytes": len(body),
        "elapsed_ns": int(result.elapsed() * 1e9),
    }


class Connection:
    """One request's state in the engine; ends with its context."""

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - chDB has no types
        self._connection = connection
        self._stream: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if self._stream is not None:
            with suppress(RuntimeError):
                self._stream.cancel()  # closing would wait for it, unless it came to its end
        with suppress(RuntimeError):
            self._connection.close()

    def query(self, sql: str, output: str = "Null") -> Result:
        """Run a statement to its end; several, joined by semicolons, give the last one's answer."""
        with _engine_errors():
            result = self._connection.query(sql, output)
        body = bytes(result.bytes() or b"")
        return Result(iter([body] if body else []), Counter(_counts(result, body)))

    def text(self, sql: str) -> str:
        """Run a statement and return its answer as text, without the last line's end."""
        return b"".join(self.query(sql, "TSVRaw").blocks).decode().removesuffix("\n")

    def stream(self, sql: str, output: str) -> Result | None:
        """Begin a SELECT, whose blocks come one by one; None: this statement must be run by `query`."""
        try:
            self._stream = self._connection.send_query(sql, output)
        except RuntimeError as error:
            if "Streaming query is not supported" in str(error):
                return None
            raise parse_engine_error(str(error)) from None
        counts = Counter[str]()
        return Result(self._blocks(counts), counts)

    def _blocks(self, counts: Counter[str]) -> Iterator[bytes]:
        with _engine_errors():
            while (block := self._stream.fetch()) is not None:
                body = bytes(block.bytes() or b"")
                counts.update(_counts(block, body))
                yield body

    def insert(self, head: str, rows_format: str, rows: Iterable[bytes]) -> Result:
        """Insert rows; `head` is the statement without FORMAT. They are kept when this returns.

        Where it fails, blocks that were full are in the table already, as with a server.
        """
        with _engine_errors(), self._connection.send_insert(head, rows_format) as insert:
            for piece in rows:
                insert.append(piece)
            done = insert.finish()
        return Result(iter(()), Counter(written_rows=done.rows_written, written_bytes=done.bytes_written))

    def canonical(self, sql: str) -> str:
        """Return a statement as the engine's own parser understands it, in one line, its rows left out.

        Raises ClickHouseError: the syntax is wrong, there is no statement, or there are several.
        """
        # Twice as much, should each character need an escape; and the setting holds for the statement itself.
        size = set_statement({"max_query_size": str(2 * MAX_TEXT_BYTES + 1000)})
        try:
            return self.text(f"{size}; SELECT formatQuerySingleLine({quote(sql)})")
        except ClickHouseError as error:
            error.message = error.message.partition(_IN_SCOPE)[0]
            raise

    def only_reads(self, sql: str) -> bool:
        """Tell whether all that a statement does is read.

        Raises ClickHouseError where there are several (behind rows, `canonical` does not see them), or none is known.
        """
        seen = self._connection._conn.classify_query(sql)  # noqa: SLF001 - chDB wraps all but this
        if seen["statement_count"] > 1:
            raise ClickHouseError(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if not seen["statement_count"]:
            raise ClickHouseError(Code.NOT_IMPLEMENTED, "This statement is not supported")
        return bool(seen["query_class"].name == "READ_ONLY")


def _prepare_default_database(folder: Path) -> None:
    """Write down the database `default`, once, as one like any other.

    Left alone, the engine makes `default` an overlay over the files of the working directory, in which each table that
    is not there is looked for on the disk: CREATE OR REPLACE and DROP IF EXISTS then need a grant on files, which is
    withheld. So the overlay gets a name that nobody uses (config.xml).
    """
    written = folder / "metadata" / "default.sql"
    written.parent.mkdir(parents=True, exist_ok=True)
    if not written.exists():
        new = written.with_suffix(".new")
        new.write_text(f"ATTACH DATABASE _ UUID '{uuid.uuid4()}'\nENGINE = Atomic\n", encoding="utf-8")
        new.replace(written)
    # A link that the engine makes for convenience; by it, it would take the database for its overlay's.
    written.with_suffix("").unlink(missing_ok=True)


class Engine:
    """The engine on its data folder. Ends when `close` was called and no connection is left."""

    def __init__(self, folder: Path, database: str) -> None:
        """Open or make the folder; the caller holds its lock. Readers read `database`, or all of a beginning (`x*`).

        Raises UnusableError.
        """
        if not NAME.fullmatch(database.removesuffix("*")):
            raise UnusableError(f"{database!r} is no name of a database; choose another --database")
        self._path = str(folder.absolute())
        for path in (self._path, str(CONFIG)):
            if found := set(path) & set(_NOT_IN_PATHS):
                raise UnusableError(
                    f"{path}: the engine takes no path with {' or '.join(sorted(found))} in it; choose another --data"
                )
        # Times without a zone are UTC, as in ClickHouse's own container, whatever this machine's zone is.
        os.environ["TZ"] = "UTC"
        # These two are read by config.xml and users.xml.
        os.environ["CLICKHOUSE_EMBEDDED_USERS"] = str(USERS)
        os.environ["CLICKHOUSE_EMBEDDED_READER"] = f"GRANT SELECT ON {database}.*"
        try:
            _prepare_default_database(folder)
            from chdb.state import connect  # noqa: PLC0415 - loads the engine: a second, 200 MB

            self._connect = connect
            self._first = connect(f"{self._path}?config-file={CONFIG}")
            with self.connection() as connection:
                self.version, self.display_name = connection.text("SELECT version(), displayName()").split("\t")
                formats = connection.text("SELECT name, content_type FROM system.formats")
            self.content_types = dict(line.split("\t") for line in formats.splitlines())
        except (RuntimeError, ClickHouseError) as error:
            reason = error if isinstance(error, ClickHouseError) else parse_engine_error(str(error))
            first_line = reason.message.partition("\n")[0]
            raise UnusableError(f"{folder}: the engine cannot open it: {first_line}") from None

    def connection(self) -> Connection:
        """Open a connection of its own."""
        with _engine_errors():
            return Connection(self._connect(self._path))

    def answers(self) -> bool:
        """Tell whether a new connection gets an answer."""
        with self.connection() as connection:
            return connection.text("SELECT 1") == "1"

    def kill(self, query_id: str) -> None:
        """Cancel the statement that runs under this `log_comment`."""
        with self.connection() as connection:
            connection.query(f"KILL QUERY WHERE Settings['log_comment'] = {quote(query_id)} ASYNC")

    def close(self) -> None:
        """End the engine, which writes out what it holds in memory."""
        self._first.close()
