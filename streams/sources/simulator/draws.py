"""Chance, and nothing else: every draw of a simulation comes from one seeded generator.

Seeded with the run's own text, so that a seed and a start give the same day on every machine. Never `random`'s module
functions: they share a state with the rest of the program.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import accumulate
from math import log
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

#: Durations are drawn within this factor of their median: a lognormal's far tail is no day's work.
_TAIL = 12.0


class Spread(NamedTuple):
    """A lognormal duration: its median in seconds, and sigma of its logarithm."""

    median_s: float
    sigma: float


class Weighted(Generic[T]):
    """Things to choose among by weight."""

    def __init__(self, *pairs: tuple[T, float]) -> None:
        self.things: Sequence[T] = [thing for thing, _ in pairs]
        self.bounds = list(accumulate(weight for _, weight in pairs))


class Draws:
    """One seeded source of chance."""

    def __init__(self, seed: str) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation, no secret

    def chance(self, probability: float) -> bool:
        """Say yes with this probability."""
        return self.random.random() < probability

    def between(self, low_s: float, high_s: float) -> int:
        """Draw evenly between two durations in seconds; returns milliseconds."""
        return int(1000 * (low_s + (high_s - low_s) * self.random.random()))

    def span(self, spread: Spread) -> int:
        """Draw a lognormal duration; returns milliseconds, at least one."""
        value = self.random.lognormvariate(log(spread.median_s), spread.sigma)
        return int(1000 * min(value, spread.median_s * _TAIL)) + 1

    def gap(self, per_second: float) -> int:
        """Draw the time to the next arrival at this rate; returns milliseconds."""
        return int(1000 * self.random.expovariate(per_second))

    def pick(self, weighted: Weighted[T]) -> T:
        """Choose one thing by weight."""
        return self.random.choices(weighted.things, cum_weights=weighted.bounds)[0]

    def below(self, count: int) -> int:
        """Draw a whole number from 0 up to, not including, `count`."""
        return int(self.random.random() * count)
