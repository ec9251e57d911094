"""One request at the engine: a connection made ready, the statement run, everything put back however it ends.

The engine blocks, so each step is a call in a thread; between two steps the request holds no thread, and a slow client
holds up nobody. A request that is given up (the client went away, the server ends) is cancelled in the engine, not left
to run for nobody; one that writes is let finish.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deploy.embedded.clickhouse import greeting, refusals
from deploy.embedded.clickhouse.asking import Asking
from deploy.embedded.clickhouse.body import Body
from deploy.embedded.clickhouse.engine import STREAMED, Connection, Counts, Insert, Rows
from deploy.embedded.clickhouse.faults import (
    QUERY_WAS_CANCELLED,
    READONLY,
    SYNTAX_ERROR,
    TIMEOUT_EXCEEDED,
    Fault,
)
from deploy.embedded.clickhouse.quoting import assignment, identifier
from deploy.embedded.clickhouse.sessions import Session, restated, says_for_later
from deploy.embedded.clickhouse.statement import Statement, read
from deploy.embedded.clickhouse.users import READ_ONLY

if TYPE_CHECKING:
    from deploy.embedded.clickhouse.desk import Desk

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

#: ClickHouse's default for `max_query_size`, bytes.
MOST_QUERY_BYTES = 262_144
#: How far an INSERT's rows may stand from its beginning.
MOST_HEAD_BYTES = 1 << 20
#: A statement is held in memory, whatever max_query_size says.
MOST_TEXT_BYTES = 16 << 20
#: Longer texts are read in a thread, so that others are not held up.
READ_AT_ONCE_BYTES = 1 << 14
#: What a bounded user's query gets beyond its bound before it is cancelled from outside.
GRACE_S = 5.0


@dataclass(frozen=True)
class Result:
    """What a statement gave: the first blocks, whether more come, the counts so far, the format where it has one."""

    blocks: Sequence[bytes]
    more: bool
    counts: Counts
    format: str | None


class Work:
    """One request; use as an async context manager, `run` once, then `next_block` while the result has more."""

    def __init__(self, desk: Desk, asking: Asking, session: Session | None) -> None:
        self._desk = desk
        self._asking = asking
        self._session = session
        self._connection: Connection | None = None
        self._call: asyncio.Future[Any] | None = None
        self._open: Rows | Insert | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._timed_out = False
        self._given_up_kills = True
        comment = asking.settings.get("log_comment", "")
        #: By this the statement is found again among those that run.
        self.mark = f"{comment} [{asking.query_id}]" if comment else asking.query_id

    async def __aenter__(self) -> Self:
        if seconds := self._asking.user.seconds:
            self._overdue = asyncio.get_running_loop().call_later(seconds + GRACE_S, self._time_is_over)
        return self

    async def __aexit__(self, kind: object, error: object, trace: object) -> None:
        await asyncio.shield(self._desk.spawn(self._leave()))

    def _time_is_over(self) -> None:
        self._timed_out = True
        self._desk.spawn(self._desk.kill(self.mark))

    async def _blocking(self, call: Callable[..., Answer], *arguments: object) -> Answer:
        future = asyncio.get_running_loop().run_in_executor(self._desk.threads, call, *arguments)
        self._call = future
        try:
            return await asyncio.shield(future)
        except Fault as fault:
            if fault.code == QUERY_WAS_CANCELLED and self._timed_out:
                message = f"Timeout exceeded: maximum for {self._asking.user.name}: {self._asking.user.seconds} s"
                raise Fault(TIMEOUT_EXCEEDED, message) from None
            raise

    async def in_thread(self, call: Callable[..., Answer], *arguments: object) -> Answer:
        """Run something long that is not the engine's, such as packing a block."""
        return await self._blocking(call, *arguments)

    async def _leave(self) -> None:
        """Cancel what is under way, put the session back, let go of the connection. Runs to its end, always."""
        if self._overdue is not None:
            self._overdue.cancel()
        if self._call is not None and not self._call.done():
            if self._given_up_kills or self._desk.ending:
                await self._desk.kill(self.mark)
            await asyncio.wait([self._call])
            # What it raised is nobody's any more.
            self._call.exception()
        try:
            if self._open is not None:
                await self._blocking(self._open.cancel)
        except (Fault, RuntimeError) as error:
            log.debug("cancelling %s: %s", self.mark, error)
        if self._connection is not None:
            try:
                await self._blocking(self._connection.close)
            except (Fault, RuntimeError) as error:
                log.debug("letting go of %s: %s", self.mark, error)
        self._desk.leave(self, self._asking, self._session)

    def _prepare(self, statement: Statement) -> Connection:
        """Make the connection what the request asks for, the user's bounds first: nothing after them can lift them."""
        asking, session, role = self._asking, self._session, self._asking.user.role
        connection = self._connection = self._desk.engine.connection()
        settings = dict(asking.settings)
        read_only = settings.pop("readonly", "0")
        settings.pop("log_comment", None)
        steps = [assignment({"log_comment": self.mark})]
        if role:
            steps += [assignment({"readonly": str(READ_ONLY)}), assignment({"profile": role})]
        elif asking.read_only and read_only == "0":
            read_only = str(READ_ONLY)
        steps += [*(() if session is None else session.said), assignment(settings)]
        if statement.rows_at is not None:
            steps.append(assignment({f"param_{name}": value for name, value in asking.parameters.items()}))
        if asking.database:
            steps.append(f"USE {identifier(asking.database)}")
        connection.run("; ".join(filter(None, steps)))
        if role:
            # From here on its statement can do no more than the role may.
            connection.run(f"SET ROLE {identifier(role)}")
        elif read_only != "0":
            connection.run(assignment({"readonly": read_only}))
        return connection

    def _permitted(self, connection: Connection, statement: Statement) -> tuple[bytes, bool]:
        """Return what may be run, and whether it only reads; the engine's own parser is asked, not only ours.

        Raises Fault where the text holds several statements, or one that a reader may not send.
        """
        if self._asking.user.role and says_for_later(statement):
            return restated(statement).encode(), False
        kind = connection.kind(statement.text)
        if kind.statements > 1:
            raise Fault(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
        if self._asking.user.role and not kind.reads:
            if not kind.statements:
                # Parsed as a text only: it says where the syntax is wrong.
                connection.query(b"SELECT formatQuery({text:String})", "Null", {"text": statement.text.decode()})
            raise Fault(READONLY, f"Cannot execute query in readonly mode: {self._asking.user.name} only reads")
        return statement.text, kind.reads

    async def _read(self, text: bytes, *, whole: bool) -> Statement | None:
        if len(text) < READ_AT_ONCE_BYTES:
            return read(text, whole=whole)
        return await self._blocking(partial(read, text, whole=whole))

    async def _statement(self, body: Body) -> tuple[Statement, bytes]:
        """Read as much of the body as belongs to the statement; returns what is left over with it: the first rows."""
        asking = self._asking
        text = asking.query.encode()
        if text and body.expected:
            text += b"\n"
        asked = asking.settings.get("max_query_size", "")
        most = min(int(asked), MOST_TEXT_BYTES) if asked.isdecimal() else MOST_QUERY_BYTES
        too_long = Fault(SYNTAX_ERROR, f"Max query size exceeded: {most} bytes (can be raised by max_query_size)")
        statement = await self._read(text, whole=not body.expected)
        while statement is None:
            piece = await body.take(self._blocking)
            text += piece
            statement = await self._read(text if not piece else text[:MOST_HEAD_BYTES], whole=not piece)
            if statement is None and len(text) > max(most, MOST_HEAD_BYTES):
                raise too_long
        if statement.empty:
            raise Fault(SYNTAX_ERROR, "Syntax error: failed at position 1 (end of query): Empty query")
        if len(statement.text) > most:
            raise too_long
        refusals.check(statement)
        if asking.user.role:
            refusals.check_reader(statement, asking.parameters, asking.database)
        return statement, b"" if statement.rows_at is None else text[statement.rows_at :]

    async def run(self, body: Body) -> Result:
        """Run the request's statement; raises Fault with what the engine, or a server, says against it."""
        asking = self._asking
        statement, rows = await self._statement(body)
        output = (statement.format if statement.rows_at is None else None) or asking.output
        if greeting.is_greeting(asking.query or statement.text.decode(errors="replace"), output, asking.protocol):
            engine = self._desk.engine
            hello = greeting.answer(engine.display_name, engine.version, asking.protocol)
            return Result([hello], more=False, counts=Counts(read_rows=1, result_rows=1), format="Native")
        if statement.rows_at is not None:
            return await self._insert(statement, rows, body)
        return await self._blocking(self._answer, statement, output)

    def _answer(self, statement: Statement, output: str) -> Result:
        """Run a statement to its end, or, of a long result, to its second block. In a thread."""
        connection = self._prepare(statement)
        text, reads = self._permitted(connection, statement)
        self._given_up_kills = reads
        if reads and output.lower() in STREAMED and not _has_totals(statement):
            stream = connection.rows(text, output, self._asking.parameters)
            if stream is not None:
                return self._first_blocks(stream, output)
        answer, counts = connection.query(text, output, self._asking.parameters)
        if self._session is not None and says_for_later(statement):
            self._session.said.append(text.decode().rstrip().rstrip(";"))
        return Result([answer] if answer else [], more=False, counts=counts, format=output if reads or answer else None)

    def _first_blocks(self, stream: Rows, output: str) -> Result:
        self._open = stream
        blocks: list[bytes] = []
        while self._asking.wait_end or len(blocks) < 2:  # noqa: PLR2004 - one block alone is answered with its length
            block = stream.next_block()
            if block is None:
                self._open = None
                return Result(blocks, more=False, counts=stream.counts, format=output)
            blocks.append(block)
        return Result(blocks, more=True, counts=stream.counts, format=output)

    async def next_block(self) -> bytes | None:
        """Return the next block of a result that has more; None after the last."""
        if not isinstance(self._open, Rows):
            return None
        block = await self._blocking(self._open.next_block)
        if block is None:
            self._open = None
        return block

    async def _insert(self, statement: Statement, rows: bytes, body: Body) -> Result:
        insert = await self._blocking(self._begin_insert, statement, rows)
        while rows := await body.take(self._blocking):
            await self._blocking(insert.append, rows)
        # From here on it is kept, whether or not the client waits for the answer.
        self._given_up_kills = False
        self._open = None
        counts = await self._blocking(insert.finish)
        return Result([], more=False, counts=counts, format=None)

    def _begin_insert(self, statement: Statement, rows: bytes) -> Insert:
        if self._asking.read_only:
            raise Fault(READONLY, f"Cannot execute query in readonly mode: {self._asking.user.name} only reads")
        connection = self._prepare(statement)
        insert = self._open = connection.insert(statement.text, statement.format or "Values")
        if rows:
            insert.append(rows)
        return insert


def _has_totals(statement: Statement) -> bool:
    """Tell whether a foot may follow the blocks, which a stream of blocks leaves out."""
    return any(token.is_word(b"TOTALS") for token in statement.tokens)
