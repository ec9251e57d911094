"""How fast messages may go to a destination: services refuse what comes faster, and some drop it silently."""

import asyncio
from typing import Final

from schemas.configuration.hook_models import DestinationType

#: How many messages are taken at once, and in how many seconds these come back.
PACES: Final[dict[DestinationType, tuple[int, float]]] = {"slack": (1, 1.0), "teams": (25, 300.0)}


class Pace:
    """A bucket of tokens, one for each message."""

    def __init__(self, kind: DestinationType) -> None:
        self._most, per_s = PACES.get(kind, (0, 1.0))
        self._a_token_s = per_s / self._most if self._most else 0.0
        #: When the bucket will be full, by the loop's clock.
        self._full_at = 0.0

    async def take(self) -> None:
        """Wait for a token and take it, in the order of the calls."""
        if not self._most:
            return
        now = asyncio.get_running_loop().time()
        self._full_at = max(self._full_at, now) + self._a_token_s
        await asyncio.sleep(self._full_at - now - self._most * self._a_token_s)
