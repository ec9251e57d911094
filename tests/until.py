"""Waits for what tells nobody that it has come."""

import asyncio
from collections.abc import Callable


async def until(holds: Callable[[], object], within_s: float = 20) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0.001)
