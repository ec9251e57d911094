"""When the gauges are saved: once a minute, within its first seconds or not at all.

A minute that could not be saved in time stays missing: later nobody knows what the gauges were.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from sinks.store_protocol import StoreError

MINUTE_MS: Final = 60_000
#: How long after a minute's beginning its gauges may still be saved.
GRACE_MS: Final = 20_000
#: Between two attempts.
RETRY_MS: Final = 1_000

_LOG: Final = logging.getLogger(__name__)


async def each_minute(
    now_ms: Callable[[], int],
    wait: Callable[[int], Awaitable[bool]],
    ready: Callable[[], bool],
    save: Callable[[int], Awaitable[None]],
) -> None:
    """Call `save` once for each minute (its beginning in UTC milliseconds), as soon as `ready` holds, if in time.

    `wait` waits so many milliseconds and tells whether to end. After a StoreError it tries again.
    """
    minute = _minute_of(now_ms())
    while True:
        if minute + GRACE_MS <= now_ms():
            minute = _minute_of(now_ms()) + (MINUTE_MS if now_ms() % MINUTE_MS >= GRACE_MS else 0)
        if await wait(max(0, minute - now_ms())):
            return
        why = "the sink is behind"
        while now_ms() < minute + GRACE_MS:
            if ready():
                try:
                    await save(minute)
                    break
                except StoreError as error:
                    why = str(error)
            if await wait(RETRY_MS):
                return
        else:
            _LOG.info("gauge_history has no row for a minute: %s", why)
        minute += MINUTE_MS


def _minute_of(at_ms: int) -> int:
    return at_ms - at_ms % MINUTE_MS
