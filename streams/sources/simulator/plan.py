"""What tells one run from another, and chance, which comes from nothing else."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log
from typing import TypeVar
from zoneinfo import ZoneInfo

from streams.times import at

T = TypeVar("T")


@dataclass(frozen=True)
class Plan:
    """One run. `start_ms` in UTC milliseconds; `rate` in events a second on average; without `lasts_ms`: no end."""

    start_ms: int
    rate: float = 1.0
    seed: int = 1
    lasts_ms: int | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def prefix(self) -> str:
        """What the ids of this run begin with."""
        milli = f".{self.start_ms % 1000:03d}" if self.start_ms % 1000 else ""
        return f"sim:{self.seed}-{at(self.start_ms):%Y%m%dT%H%M%S}{milli}Z"


class RandomDraws(random.Random):
    """A generator of chance, seeded with text; times are drawn in whole milliseconds."""

    def chance(self, probability: float) -> bool:
        """Say yes with this probability."""
        return self.random() < probability

    def uniform_ms(self, low_s: float, high_s: float) -> int:
        """Draw evenly between two durations in seconds."""
        return int(1000 * self.uniform(low_s, high_s))

    def lognormal_ms(self, median_s: float, sigma: float) -> int:
        """Draw a lognormal duration; not its far tail, which is no day's work."""
        return int(1000 * min(self.lognormvariate(log(median_s), sigma), 12 * median_s)) + 1

    def pick(self, weights: Mapping[T, float]) -> T:
        """Choose one thing by weight."""
        return self.choices([*weights], [*weights.values()])[0]
