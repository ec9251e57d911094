"""What partitions wait for, and since when: health reports it, since a partition that waits writes no steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

#: A source topic and a partition of it.
Place = tuple[str, int]


class Wait(NamedTuple):
    """One partition's waiting."""

    place: Place
    what: str
    #: By the monotonic clock.
    since: float
    #: Whether it is for ClickHouse at an opening: a worker that is started again would wait for the same.
    opening: bool = False

    def line(self, now: float) -> str:
        """Say it in one line."""
        return f"{self.place[0]}/{self.place[1]} has waited {now - self.since:.0f} s for {self.what}"


class Waits:
    """Each partition's waiting, if it waits."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waits: dict[Place, Wait] = {}

    def begin(self, place: Place, what: str, *, opening: bool = False) -> None:
        """Note what a partition waits for. Where it waits already, the reason is replaced and the beginning stays."""
        since = self._waits[place].since if place in self._waits else self._now()
        self._waits[place] = Wait(place, what, since, opening)

    def end(self, place: Place) -> None:
        """Note that a partition does not wait any more."""
        self._waits.pop(place, None)

    @property
    def longest(self) -> Wait | None:
        """The partition that has waited longest, one that is open if any is; None where none waits."""
        return min(self._waits.values(), key=lambda wait: (wait.opening, wait.since), default=None)
