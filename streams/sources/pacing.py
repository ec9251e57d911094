"""When a recorded or simulated event is due, on a clock that is given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

#: Waiting for less than this is not worth the wait: what is due meanwhile goes out together.
SHORTEST_WAIT_S: Final = 0.005


class Pace:
    """Event times against a clock: `first_ms` is due at `began_ms`, what is later `speed` times as fast after it."""

    def __init__(self, clock: Callable[[], int], first_ms: int, began_ms: int, speed: float = 1.0) -> None:
        self._clock = clock
        self._first_ms = first_ms
        self._began_ms = began_ms
        self._speed = speed

    def ahead_s(self, at_ms: int) -> float:
        """Return how long it is until an event is due; negative where that is past."""
        return (self._began_ms + (at_ms - self._first_ms) / self._speed - self._clock()) / 1000


async def wait(ahead_s: float, stop: asyncio.Event) -> None:
    """Return when so many seconds have passed, or when `stop` is set."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), max(ahead_s, SHORTEST_WAIT_S))
