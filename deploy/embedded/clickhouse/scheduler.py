"""Which queries run: how many at once, each in a thread of its own, and how they are cancelled.

A query whose client went away, or that runs when the server ends, is cancelled in the engine, not left to run for
nobody. At the end what still runs is waited for, but not for ever.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from deploy.embedded.clickhouse.engine import Engine
from deploy.embedded.clickhouse.errors import ClickHouseError, Code
from deploy.embedded.clickhouse.query import Query
from deploy.embedded.clickhouse.request import READER_LIMITS

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)

#: How many statements run at once; each may use several threads of the engine.
SLOTS: Final = 32
#: How long a request waits for its turn before it is answered that the server is busy.
SLOT_WAIT_S: Final = 10.0
#: What a reader's query gets beyond its bound before it is cancelled here, whatever its SETTINGS clause says.
GRACE_S: Final = 5.0
#: How long a cancelled statement may take to answer its client; and to end.
CANCELLED_S: Final = 2.0
END_S: Final = 8.0
ANSWER_S: Final = 5.0


class Scheduler:
    """The engine's slots."""

    def __init__(self, engine: Engine, slots: int = SLOTS, wait_s: float = SLOT_WAIT_S) -> None:
        self.engine = engine
        self.ending = False
        self.done = 0
        self.failed = 0
        self._threads = ThreadPoolExecutor(max_workers=slots, thread_name_prefix="clickhouse")
        #: For what must go on though all slots are taken.
        self._reserved = ThreadPoolExecutor(max_workers=2, thread_name_prefix="clickhouse-reserved")
        self._slots = asyncio.Semaphore(slots)
        self._wait_s = wait_s
        self._queries: dict[str, Query] = {}
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def running(self) -> int:
        """How many queries are under way."""
        return len(self._queries)

    async def run(self, query: Query, work: Callable[[], Answer]) -> Answer:
        """Wait for a slot, and do the query's work in a thread. Cancelled, it cancels the query in the engine.

        Raises ClickHouseError where no slot comes free, or the query's id is in use.
        """
        query_id = query.request.query_id
        if self.ending:
            message = "The server is ending and takes no more queries"
            raise ClickHouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, message)
        if query_id in self._queries:
            message = f"Query with id = {query_id} is already running"
            raise ClickHouseError(Code.QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING, message)
        self._queries[query_id] = query
        self._idle.clear()
        try:
            async with asyncio.timeout(self._wait_s):
                await self._slots.acquire()
        except BaseException as error:
            self._remove(query_id)
            if isinstance(error, TimeoutError):
                message = f"Too many simultaneous queries; none of the {self.running} ended within {self._wait_s:g} s"
                raise ClickHouseError(Code.TOO_MANY_SIMULTANEOUS_QUERIES, message) from None
            raise
        loop = asyncio.get_running_loop()
        call = loop.run_in_executor(self._threads, work)
        overdue = loop.call_later(READER_LIMITS["max_execution_time"] + GRACE_S, self._cancel_overdue, query)

        def ended(_: asyncio.Future[Answer]) -> None:
            overdue.cancel()
            self.done += 1
            self._slots.release()
            self._remove(query_id)

        call.add_done_callback(ended)
        try:
            return await asyncio.shield(call)
        except asyncio.CancelledError:
            call.add_done_callback(_log_bug)
            if query.cancellable or self.ending:
                self._cancel(query)
            raise

    def _remove(self, query_id: str) -> None:
        del self._queries[query_id]
        if not self._queries:
            self._idle.set()

    def _cancel_overdue(self, query: Query) -> None:
        if query.request.reader:
            query.timed_out = True
            self._cancel(query)

    def _cancel(self, query: Query) -> asyncio.Future[None]:
        return asyncio.get_running_loop().run_in_executor(self._reserved, self._kill, query.request.query_id)

    def _kill(self, query_id: str) -> None:
        try:
            self.engine.kill(query_id)
        except (ClickHouseError, RuntimeError) as error:
            log.warning("a statement could not be cancelled: %s", error)

    async def fault(self) -> str | None:
        """Say why the engine does not answer, though all slots may be taken; None where it does."""
        if self.ending:
            return "the server is ending"
        call = asyncio.get_running_loop().run_in_executor(self._reserved, self.engine.answers)
        try:
            async with asyncio.timeout(ANSWER_S):
                return None if await asyncio.shield(call) else "it answers wrongly"
        except TimeoutError:
            return f"nothing came within {ANSWER_S:g} s"
        except (ClickHouseError, RuntimeError) as error:
            return str(error)

    async def drain(self, grace_s: float) -> None:
        """Take no more queries; let those under way end for a while, then cancel them."""
        self.ending = True
        for more_s in (grace_s, CANCELLED_S):
            await self._wait_until_idle(more_s)
            await asyncio.gather(*(self._cancel(query) for query in self._queries.values()))

    async def close(self) -> bool:
        """Close the engine after the last query; False where one would not end in time."""
        await self._wait_until_idle(END_S)
        if self._queries:
            return False
        self._threads.shutdown()
        self._reserved.shutdown()
        self.engine.close()
        return True

    async def _wait_until_idle(self, most_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(most_s):
                await self._idle.wait()


def _log_bug(call: asyncio.Future[Answer]) -> None:
    """Log what ended a query whose client is gone: nobody awaits it. That its connection is gone is no bug."""
    error = None if call.cancelled() else call.exception()
    if error is not None and not isinstance(error, ClickHouseError | OSError | asyncio.CancelledError):
        log.error("a bug: a query without a client ended with an error", exc_info=error)
