"""An event loop whose clock jumps to the next moment at which something happens: minutes pass in milliseconds."""

import asyncio
import selectors
from typing import Final

#: The wall clock at the loop's beginning: 2026-03-15 07:00:00 UTC.
BEGINS_MS: Final = 1_773_558_000_000


class _Jumping(selectors.DefaultSelector):
    """Waits for nothing: time is moved on instead."""

    def __init__(self, loop: "VirtualTime") -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Look, and pass the time that would be waited."""
        if timeout is None:
            raise RuntimeError("nothing will ever happen: everybody waits for somebody")
        self._loop.now += max(timeout, 0)
        found: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        return found


class VirtualTime(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        """Give the loop's clock, in seconds."""
        return self.now

    def now_ms(self) -> int:
        """Give the wall clock that goes with it."""
        return BEGINS_MS + round(self.now * 1_000)
