"""Waiting for several things at once, without leaving one behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


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
