"""Says that a vendor's API has not answered for a while: since when, and what it sent in place of an answer.

Whoever waits for the API would else learn nothing until it answers or is given up, because each request is tried again.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

SAID_AFTER_S: Final = 60.0


class VendorSilence:
    """The time since the first request that the API did not answer; one for each API."""

    def __init__(self, say: Callable[[str], None], now: Callable[[], float], said_after_s: float) -> None:
        """`say` gets one line for each silence that lasts so long; `now` returns the seconds since 1970."""
        self._said_after_s = said_after_s
        self._say = say
        self._now = now
        self._since_s = 0.0
        self._problem = ""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Note that a request is sent."""
        if self._timer is None:
            self._since_s, self._problem = self._now(), "the vendor's API does not answer"
            self._timer = asyncio.get_running_loop().call_later(self._said_after_s, self._tell)

    def note(self, problem: str) -> None:
        """Note what came in place of an answer."""
        self._problem = problem

    def end(self) -> None:
        """Note an answer, or that none is waited for any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tell(self) -> None:
        since = datetime.fromtimestamp(self._since_s, UTC)
        self._say(f"{self._problem}; no request has succeeded since {since:%Y-%m-%d %H:%M:%S} UTC, it is asked again")
