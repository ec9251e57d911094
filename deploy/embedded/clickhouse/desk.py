"""Who may work at the engine, and how many at a time; and what is known of the requests under way.

It hands out places, finds a request's statement to cancel it, and at the end waits for what still runs, but not for
ever.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from deploy.embedded.clickhouse.asking import Asking
from deploy.embedded.clickhouse.engine import Engine
from deploy.embedded.clickhouse.faults import TOO_MANY_SIMULTANEOUS_QUERIES, Fault
from deploy.embedded.clickhouse.sessions import Session, Sessions
from deploy.embedded.clickhouse.work import Work

log = logging.getLogger(__name__)

#: How many statements run at once. Each has the engine's own threads beside it; more would only share two cores.
PLACES: Final = 32
#: How long a request waits for a place before it is told to come again.
WAIT_S: Final = 10.0
#: How long a cancelled statement may take to tell its client; and to let go of everything.
CANCELLED_S: Final = 2.0
END_S: Final = 8.0
ASKED_S: Final = 5.0
QUERY_WITH_SAME_ID: Final = 216


class Desk:
    """The engine's places."""

    def __init__(self, engine: Engine, places: int = PLACES, wait_s: float = WAIT_S) -> None:
        self.engine = engine
        self.ending = False
        self.done = 0
        self.failed = 0
        self.threads = ThreadPoolExecutor(max_workers=places + 2, thread_name_prefix="clickhouse")
        self._few = ThreadPoolExecutor(max_workers=2, thread_name_prefix="clickhouse-desk")
        self._places = asyncio.Semaphore(places)
        self._wait_s = wait_s
        self._at_work: dict[str, Work] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sessions = Sessions(asyncio.get_running_loop().time)

    @property
    def running(self) -> int:
        """How many requests are under way."""
        return len(self._at_work)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something to its end, whatever becomes of who asked for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Log what ended a task: nobody awaits those that go on after their request."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a bug: a task of the server ended with an error", exc_info=error)

    async def take(self, asking: Asking) -> Work:
        """Wait for a place; raises Fault where none comes free, or the query's id or session is in use."""
        if self.ending:
            raise Fault(TOO_MANY_SIMULTANEOUS_QUERIES, "The server is ending and takes no more queries")
        if asking.query_id in self._at_work:
            message = f"Query with id = {asking.query_id} is already running"
            raise Fault(QUERY_WITH_SAME_ID, message, "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING")
        session = self._sessions.take(asking)
        work = Work(self, asking, session)
        self._at_work[asking.query_id] = work
        self._idle.clear()
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except BaseException as error:
            self._forget(asking, session)
            if isinstance(error, TimeoutError):
                message = f"Too many simultaneous queries; none of the {self.running} ended within {self._wait_s:g} s"
                raise Fault(TOO_MANY_SIMULTANEOUS_QUERIES, message) from None
            raise
        return work

    def _forget(self, asking: Asking, session: Session | None) -> None:
        self._at_work.pop(asking.query_id, None)
        if not self._at_work:
            self._idle.set()
        if session is not None:
            self._sessions.give_back(asking, session)
        self._sessions.forget_ended()

    def leave(self, work: Work, asking: Asking, session: Session | None) -> None:
        """Give the place back; the work has let go of everything."""
        del work
        self.done += 1
        self._forget(asking, session)
        self._places.release()

    async def kill(self, mark: str) -> None:
        """Cancel in the engine what runs under this mark."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._few, self.engine.kill, mark)
        except (Fault, RuntimeError) as error:
            log.warning("a statement could not be cancelled: %s", error)

    async def fault(self) -> str | None:
        """Say why the engine does not answer, though all places may be taken; None where it does."""
        call = asyncio.get_running_loop().run_in_executor(self._few, self.engine.answers)
        try:
            async with asyncio.timeout(ASKED_S):
                return None if await asyncio.shield(call) else "it answers wrongly"
        except TimeoutError:
            return f"nothing came within {ASKED_S:g} s"
        except (Fault, RuntimeError) as error:
            return str(error)

    async def quiet(self, grace_s: float) -> None:
        """Take no more requests; let those under way end for a while, then cancel them."""
        self.ending = True
        for more_s in (grace_s, CANCELLED_S):
            with suppress(TimeoutError):
                async with asyncio.timeout(more_s):
                    await self._idle.wait()
            await asyncio.gather(*(self.kill(work.mark) for work in list(self._at_work.values())))

    async def end(self) -> bool:
        """Close the engine after the last request; False where one would not end in time."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=END_S)
        if self._tasks:
            return False
        self.threads.shutdown()
        self._few.shutdown()
        self.engine.close()
        return True
