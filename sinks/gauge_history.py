"""What is put down once a minute, at its turn: near its beginning, or not at all.

A minute that could not be put down in time is missing for good. Nothing is made up for it later: what the gauges were
then, nobody knows any more.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sinks.port import StoreError

MINUTE_MS: Final = 60_000
#: How far into a minute its state is still put down under its beginning.
WITHIN_MS: Final = 20_000
#: How soon it is tried again.
AGAIN_MS: Final = 1_000

_LOG: Final = logging.getLogger(__name__)


async def each_minute(
    now_ms: Callable[[], int],
    wait: Callable[[int], Awaitable[bool]],
    ready: Callable[[], bool],
    note: Callable[[int], Awaitable[None]],
) -> None:
    """Note each minute by its beginning in UTC milliseconds, once, when `ready` holds within its first seconds.

    `wait` passes milliseconds and tells whether to end. What the store raises is a try that failed.
    """
    minute = _of(now_ms())
    while True:
        if minute + WITHIN_MS <= now_ms():
            minute = _of(now_ms()) + (MINUTE_MS if now_ms() % MINUTE_MS >= WITHIN_MS else 0)
        if await wait(max(0, minute - now_ms())):
            return
        why = "the sink is behind"
        while now_ms() < minute + WITHIN_MS:
            if ready():
                try:
                    await note(minute)
                    break
                except StoreError as error:
                    why = str(error)
            if await wait(AGAIN_MS):
                return
        else:
            _LOG.info("gauge_history has no row for a minute: %s", why)
        minute += MINUTE_MS


def _of(at_ms: int) -> int:
    return at_ms - at_ms % MINUTE_MS
