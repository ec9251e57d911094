"""Waiting for several things at once, without leaving one behind."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(under_way: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, also when cancelled or one fails: nothing goes on beside what comes next.

    `asyncio.gather` ends with the first that was cancelled, while others still let go of their producers.
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
    if cancelled:
        raise asyncio.CancelledError
    for task in tasks:
        task.result()
