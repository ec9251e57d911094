"""How often one address may ask, and how many streams it may hold: pure arithmetic in bounded memory.

An address is one number: the time at which its allowance is whole again (the generic cell rate algorithm, the same as a
token bucket). Nothing here may grow with the number of strangers, or refuse one of them for what another did.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

#: Addresses that are remembered; beyond, the one that asked longest ago starts again.
ADDRESSES_AT_MOST: Final = 20_000
#: How many forgotten addresses one request clears away at most.
_CLEARED_AT_ONCE: Final = 4


class RateLimit:
    """So many requests a second for each address, and so many at once."""

    def __init__(
        self,
        per_second: float,
        burst: int,
        *,
        addresses: int = ADDRESSES_AT_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._every_s = 1 / per_second
        self._span_s = burst / per_second
        self._addresses = addresses
        self._clock = clock
        #: When each address's allowance is whole again; those that asked last stand last. A plain dict would search for
        #: its first entry past all that were taken out.
        self._whole_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._whole_at)

    def take(self, address: str) -> float:
        """Count a request; returns 0 where it is allowed, else after how many seconds it would be."""
        now = self._clock()
        whole_at = max(self._whole_at.pop(address, now), now)
        wait_s = whole_at + self._every_s - self._span_s - now
        allowed = wait_s <= 0
        self._whole_at[address] = whole_at + self._every_s if allowed else whole_at
        self._clear(now)
        return 0.0 if allowed else wait_s

    def give_back(self, address: str) -> None:
        """Uncount a request."""
        if address in self._whole_at:
            self._whole_at[address] -= self._every_s

    def _clear(self, now: float) -> None:
        for _ in range(_CLEARED_AT_ONCE):
            whole_at = next(iter(self._whole_at.values()))
            if len(self._whole_at) == 1 or (len(self._whole_at) <= self._addresses and whole_at > now):
                return
            self._whole_at.popitem(last=False)


class Places:
    """How many streams may be open at a time: in all, and of one address."""

    def __init__(self, total: int, per_address: int) -> None:
        self._total = total
        self._per_address = per_address
        self._taken: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._taken.total()

    def refusal(self, address: str) -> str | None:
        """Say why there is no place for one more; None where there is."""
        if self._taken.total() >= self._total:
            return "too many pages are open"
        if self._taken[address] >= self._per_address:
            return "too many pages are open at this address: see PULSSI_WALLBOARD_STREAMS_PER_ADDRESS"
        return None

    @contextmanager
    def taken(self, address: str) -> Iterator[None]:
        """Hold a place for the length of the block."""
        self._taken[address] += 1
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
