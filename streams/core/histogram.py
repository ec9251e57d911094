"""Histograms that add and subtract: sparse buckets whose estimate is within 1 % of every value in them.

Bucket 0 holds zeros; bucket b ≥ 1 holds the durations v with 1 + ⌈log v / log gamma⌉ = b, where gamma = 1.01 / 0.99,
and stands for 2 gamma^(b-1) / (gamma + 1). Any merge over time, queues or partitions gives what one histogram over all
samples gives. After DDSketch (Masson, Rim, Lee; VLDB 2019). `pulssi_quantile` in ClickHouse computes the same from the
same buckets.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

#: Relative accuracy of an estimate.
ACCURACY: Final = 0.01
GAMMA: Final = (1 + ACCURACY) / (1 - ACCURACY)

_PER_LOG: Final = 1 / math.log(GAMMA)

#: Takes the rounding error of q x n off before it is rounded up: 0.55 x 100 is 55.00000000000001 in binary.
_RANK_SLACK: Final = 1e-9


def bucket(value_ms: int) -> int:
    """Name the bucket of a duration in milliseconds. Raises ValueError where it is negative."""
    if value_ms <= 0:
        if value_ms < 0:
            raise ValueError(f"a duration is never negative: {value_ms}")
        return 0
    return 1 + math.ceil(math.log(value_ms) * _PER_LOG)


def estimate(of: int) -> float:
    """Give the value in milliseconds that a bucket stands for."""
    return 0.0 if of == 0 else 2 * GAMMA ** (of - 1) / (GAMMA + 1)


def merge(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Add histograms; buckets that come to nothing are left out."""
    total: dict[int, int] = {}
    for histogram in histograms:
        for b, n in histogram.items():
            total[b] = total.get(b, 0) + n
    return {b: n for b, n in total.items() if n}


def quantile(histogram: Mapping[int, int], q: float) -> float | None:
    """Estimate the value of rank ⌈q n⌉ in milliseconds; None where there is nothing."""
    return quantiles(histogram, (q,))[0]


def quantiles(histogram: Mapping[int, int], qs: Sequence[float]) -> list[float | None]:
    """Estimate several, which rise, in one pass."""
    n = sum(histogram.values())
    found: list[float | None] = []
    if n > 0:
        ranks = [max(1, math.ceil(q * n - _RANK_SLACK)) for q in qs]
        seen = 0
        for b in sorted(histogram):
            seen += histogram[b]
            while len(found) < len(ranks) and seen >= ranks[len(found)]:
                found.append(estimate(b))
    return found + [None] * (len(qs) - len(found))
