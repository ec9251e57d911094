"""One query at the engine, from its text to the blocks of its answer. All of it blocks, and runs in one thread."""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from deploy.embedded.clickhouse import greeting
from deploy.embedded.clickhouse.engine import Connection, Engine, Result, quote, set_statement
from deploy.embedded.clickhouse.errors import ClickHouseError, Code
from deploy.embedded.clickhouse.request import READ_ONLY, READER, READER_LIMITS, QueryRequest
from deploy.embedded.clickhouse.statement import check_statement, output_format, read_statement, read_values

#: Formats whose blocks, set one after the other, are the whole result. All others have a head or a foot.
_STREAMED: Final = re.compile(
    "Native|RowBinary|(TabSeparated|TSV)(Raw)?|CSV|JSON(Compact|Strings)?EachRow|JSONLines|NDJSON", re.IGNORECASE
)


class Query:
    """A query under way."""

    def __init__(self, request: QueryRequest) -> None:
        self.request = request
        #: Whether it may be cancelled when its client is gone. What writes is let finish.
        self.cancellable = True
        self.timed_out = False
        #: The answer's format, also of one without rows; None where the statement gives no answer.
        self.format: str | None = None

    def run(self, engine: Engine, connection: Connection, body: Iterator[bytes] | None) -> Result:
        """Run it; `body` is the request's, unpacked. Raises ClickHouseError with what is said against it."""
        request = self.request
        statement = read_statement(request.query, body, request.max_query_bytes)
        canonical = connection.canonical(statement.text)
        plain = check_statement(statement, canonical, request)
        reads = connection.only_reads(statement.text)
        if request.reader and not reads:
            raise ClickHouseError(Code.READONLY, f"Cannot execute query in readonly mode: {READER} only reads")
        rows = statement.rows
        if rows is not None and statement.format.lower() == "values":
            whole, doubtful = read_values(rows)
            rows = iter([whole])
            if doubtful:
                check_statement(statement, connection.canonical(f"SELECT {doubtful}"), request)
        self._prepare(connection)
        if rows is not None:
            return connection.insert(statement.head, statement.format, self._until_commit(rows))
        self.cancellable = reads
        output = output_format(plain) or request.format
        if canonical == greeting.QUERY and request.protocol_version and output == "Native":
            self.format = output
            return Result(iter([greeting.answer(engine.display_name, engine.version)]))
        # A foot may follow the blocks of WITH TOTALS, which a stream of blocks leaves out.
        if reads and _STREAMED.fullmatch(output) and "WITH TOTALS" not in plain:
            result = connection.stream(statement.text, output)
            if result is not None:
                self.format = output
                return result
        result = connection.query(statement.text, output)
        if reads or result.counts["result_bytes"]:
            self.format = output
        return result

    def _prepare(self, connection: Connection) -> None:
        """Make the connection what the request asks for, a reader's bounds first: nothing after them can lift them."""
        request = self.request
        steps = [set_statement({"log_comment": request.query_id})]
        if request.reader:
            steps += [set_statement({"readonly": READ_ONLY}), set_statement({"profile": READER})]
        if request.settings:
            steps.append(set_statement(request.settings))
        if request.database:
            steps.append(f"USE {quote(request.database, '`')}")
        connection.query("; ".join(steps))
        if request.reader:
            # From here on its statement can do no more than the role may.
            connection.query(f"SET ROLE {READER}")
        elif request.readonly != "0":
            connection.query(set_statement({"readonly": request.readonly}))

    def _until_commit(self, rows: Iterable[bytes]) -> Iterator[bytes]:
        yield from filter(None, rows)
        # From here on they are kept, whether or not the client waits for the answer.
        self.cancellable = False

    def error_for_client(self, error: ClickHouseError) -> ClickHouseError:
        """Return the error for the client: of a query that was cancelled at its time limit, the limit."""
        if error.code == Code.QUERY_WAS_CANCELLED and self.timed_out:
            message = f"Timeout exceeded: maximum for {READER}: {READER_LIMITS['max_execution_time']} s"
            return ClickHouseError(Code.TIMEOUT_EXCEEDED, message)
        return error
