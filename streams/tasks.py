"""Asyncio tasks: errors of those that nobody awaits are not lost, and none is left behind when several are awaited.

Without this, asyncio reports such an error when the garbage collector finds the task, or never. Nothing here may
hide an error or handle one.
"""

import asyncio
import logging
import signal
from collections.abc import Callable, Coroutine, Hashable, Iterable
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
    shielded: str = GroupCoordinator._do_commit_offsets.__qualname__  # noqa: SLF001 - aiokafka shields this task, and may not await it
    return getattr(task.get_coro(), "__qualname__", "") != shielded


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGINT and SIGTERM set, and log errors that nobody awaits; called once, at the start."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def cancel(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks and wait until they have ended; their errors are logged with the stack trace."""
    for task in tasks:
        task.cancel()
    for task, result in zip(tasks, await asyncio.gather(*tasks, return_exceptions=True), strict=True):
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            _LOG.error("%s: %r", UNHANDLED, task, exc_info=result)


async def run_to_completion(coroutine: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine to its end although the caller is cancelled; CancelledError is raised afterwards."""
    task, cancelled = asyncio.ensure_future(coroutine), False
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError


async def finish_within(seconds: float, coroutine: Coroutine[Any, Any, None]) -> None:
    """Await a coroutine; if the caller is cancelled meanwhile it has so many seconds more, and is cancelled then.

    CancelledError is raised afterwards.
    """
    task = asyncio.ensure_future(coroutine)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=seconds)
        await cancel(task)
        raise


async def wait_for_all(coroutines: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run coroutines side by side and return when all have ended, also when the caller is cancelled or one fails.

    `asyncio.gather` returns at the first cancellation, while others still close their producers. Raises the error of
    the one that failed, or a group with all errors where several did.
    """
    tasks = [asyncio.ensure_future(each) for each in coroutines]
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


class BackgroundTasks:
    """Tasks that nobody awaits, one at a time for each key; their first error is kept for `raise_first`."""

    def __init__(self) -> None:
        self.running: dict[Hashable, asyncio.Task[None]] = {}
        self._error: BaseException | None = None

    def start(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Start a task, unless the one of this key still runs."""
        if key not in self.running:
            task = self.running[key] = asyncio.ensure_future(work())
            task.add_done_callback(lambda _: self.running.pop(key, None))
            task.add_done_callback(self.keep_error)

    def keep_error(self, task: asyncio.Task[None]) -> None:
        """Keep the error of a task that has ended, unless one is kept already."""
        if not task.cancelled() and (error := task.exception()) is not None and self._error is None:
            self._error = error

    def raise_first(self) -> None:
        """Raise the error that was kept, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    async def cancel(self) -> None:
        """Cancel all of them, and wait until they have ended."""
        await cancel(*self.running.values())
