"""Errors of tasks that nobody awaits: each is logged with its stack trace, under words that a log search can rely on.

Without this, asyncio reports such an error when the garbage collector finds the task, or never. Nothing here may
hide an error or handle one.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Coroutine
from typing import Any, Final

from aiokafka.errors import KafkaError

#: What a log search and an alert look for.
UNHANDLED: Final = "unhandled exception in a background task"

_LOG: Final = logging.getLogger(__name__)


def log_unhandled(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what reached the event loop without being handled; the exception handler of every part's loop.

    aiokafka leaves futures behind (plain ones, no tasks) whose errors were handled elsewhere: those get one line.
    """
    error, future = context.get("exception"), context.get("future")
    if isinstance(error, KafkaError) and not isinstance(future, asyncio.Task):
        _LOG.warning("a Kafka request ended with an error that was handled elsewhere: %r", error)
        return
    _LOG.error("%s: %s (%r)", UNHANDLED, context.get("message"), future or context.get("handle"), exc_info=error)


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
