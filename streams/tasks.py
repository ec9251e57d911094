"""Tasks: errors of those that nobody awaits are logged, and none is left behind when several are waited for.

Without this, asyncio reports such an error when the garbage collector finds the task, or never. Nothing here may
hide an error or handle one.
"""

import asyncio
import logging
import signal
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError

#: What a log search and an alert look for.
UNHANDLED: Final = "unhandled exception in a background task"

_LOG: Final = logging.getLogger(__name__)


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what reached the event loop without being handled; the exception handler of every part's loop.

    aiokafka leaves futures and commits behind whose errors were handled elsewhere: those get one line.
    """
    error, future = context.get("exception"), context.get("future")
    if isinstance(error, KafkaError) and not (isinstance(future, asyncio.Task) and _is_ours(future)):
        _LOG.info("harmless: a Kafka request failed that nobody waits for any more: %r", error)
        return
    _LOG.error("%s: %s (%r)", UNHANDLED, context.get("message"), future or context.get("handle"), exc_info=error)


def _is_ours(task: asyncio.Task[Any]) -> bool:
    left: str = GroupCoordinator._do_commit_offsets.__qualname__  # noqa: SLF001 - it shields it, and may leave it
    return getattr(task.get_coro(), "__qualname__", "") != left


def until_signal() -> asyncio.Event:
    """Return what SIGINT and SIGTERM set, and log errors that nobody awaits: for a part's loop, at its start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended; their errors are logged with the stack trace."""
    for task in tasks:
        task.cancel()
    for task, ended in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
        if isinstance(ended, BaseException) and not isinstance(ended, asyncio.CancelledError):
            _LOG.error("%s: %r", UNHANDLED, task, exc_info=ended)


async def to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Do something to its end, also where whoever waits for it is cancelled: that is raised afterwards."""
    task, cancelled = asyncio.ensure_future(work), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def together(under_way: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, also when cancelled or one fails: nothing goes on beside what comes next.

    `asyncio.gather` ends with the first that was cancelled, while others still close their producers. Raises the error
    of the one that failed, or a group with all errors where several did.
    """
    tasks = [asyncio.ensure_future(each) for each in under_way]
    cancelled = False
    while left := [task for task in tasks if not task.done()]:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError:
            cancelled = True
            for task in left:
                task.cancel()
    errors = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
    if cancelled or any(task.cancelled() for task in tasks):
        errors.append(asyncio.CancelledError())
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("several failed", errors)
