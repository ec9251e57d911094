"""The tasks of a part's process: they run until the first one ends, and its end is the process's exit code."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from typing import Any, Final

from schemas.exits import EndError, Exit
from schemas.journal import JournalVersionError
from streams.tasks import cancel

#: How long the tasks may take to end; a client of a broker that hangs may never do.
STOP_WITHIN_S: Final = 10.0

_LOG: Final = logging.getLogger(__name__)


async def run_until_one_ends(part: str, *running: Coroutine[Any, Any, Any]) -> int:
    """Run tasks until one ends, cancel the others, and return the exit code.

    Raises EndError where one of them did, or the journals are of another version.
    """
    tasks = [asyncio.ensure_future(each) for each in running]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return max(_exit_code(part, task) for task in done)
    finally:
        ending = asyncio.ensure_future(cancel(*(task for task in tasks if not task.done())))
        await asyncio.wait([ending], timeout=STOP_WITHIN_S)
        if not ending.done():
            _LOG.warning("%s: Kafka does not answer, so it ends without closing its connections; nothing is lost", part)
            os._exit(Exit.DONE)


def _exit_code(part: str, task: asyncio.Future[Any]) -> int:
    error = task.exception()
    if error is None:
        return Exit.DONE
    if isinstance(error, JournalVersionError):
        raise EndError(f"{part} ends: {error}", Exit.NO)
    if isinstance(error, EndError):
        raise error
    _LOG.critical("a bug: %s ends", part, exc_info=error)
    return Exit.BUG
