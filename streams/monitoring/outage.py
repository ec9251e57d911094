"""How long a server has not answered: for readiness, and for a log with a line a minute, not one for each attempt.

A request that is sent every few seconds reports here whether it was answered. A line is logged at the first failure,
then once a minute, and when the server answers again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: From when on a part that needs the server is not ready: above a request's time limit and the time to the next one.
UNREADY_AFTER_S: Final = 15.0
LOG_EVERY_S: Final = 60.0

_LOG: Final = logging.getLogger(__name__)


class Outage:
    """One server's outage, as one process sees it."""

    def __init__(self, server: str, now: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._now = now
        #: When the first request without an answer was sent; None: it answers.
        self._since: float | None = None
        self._log_at = 0.0

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Note whether the server answers the request that the block sends; the block raises where it does not."""
        asked_at = self._now()
        try:
            yield
        except Exception as error:
            self._failed(asked_at, error)
            raise
        if self._since is not None:
            _LOG.warning("%s answers again after %.0f s", self._server, self._now() - self._since)
            self._since = None

    def _failed(self, asked_at: float, error: Exception) -> None:
        now = self._now()
        if self._since is None:
            self._since, self._log_at = asked_at, now
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY_S
            _LOG.warning("%s, trying again, nothing is lost: %s", self.unready(0.0), error)

    def unready(self, after_s: float = UNREADY_AFTER_S) -> str | None:
        """Say for how long it has not answered, if for `after_s` at least; None where it answers."""
        silent_s = -1.0 if self._since is None else self._now() - self._since
        return f"{self._server} has not answered for {silent_s:.0f} s" if silent_s >= after_s else None
