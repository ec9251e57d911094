"""Histograms: the laws that let figures be added over time, queues and partitions."""

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.histogram import ACCURACY, bucket, estimate, merge, quantile

_DAY_MS = 86_400_000

#: The largest whole number that a double, and so JSON in a browser, tells from its neighbours.
_LARGEST = 2**53
#: A bucket's upper border over the one before: exactly 1.01 / 0.99.
_GAMMA = Fraction(101, 99)

durations = (
    st.sampled_from((0, 1, 2, _LARGEST - 1, _LARGEST)) | st.integers(0, 400 * _DAY_MS) | st.integers(0, _LARGEST)
)
samples = st.lists(durations, max_size=200)
shares = st.sampled_from((0.5, 0.8, 0.9, 0.95, 0.99)) | st.floats(0, 1)


def _of(values: list[int]) -> Counter[int]:
    return Counter(bucket(value) for value in values)


@given(durations)
def test_estimate_is_within_the_accuracy(value: int) -> None:
    """Every duration is told within 1 % by its bucket, and zero exactly."""
    assert abs(estimate(bucket(value)) - value) <= ACCURACY * value * (1 + 1e-9)


def test_borders_are_where_they_are_said_to_be() -> None:
    """Of every bucket up to a year: the last duration in it, and the first above it, by exact fractions."""
    border, number = Fraction(1), 1
    while border < 366 * _DAY_MS:
        last = math.floor(border)
        assert bucket(last) == number or border / _GAMMA >= last, "nothing whole lies in this bucket"
        assert bucket(last) <= number < bucket(last + 1)
        border, number = border * _GAMMA, number + 1
    assert number > 1_200


def test_the_smallest_and_the_largest() -> None:
    """Nothing, a millisecond, and what is larger than any: within 1 %, in whole numbers."""
    for value in (0, 1, 2, 3, _LARGEST - 1, _LARGEST):
        assert abs(Fraction(estimate(bucket(value))) - value) * 100 <= value * (1 + Fraction(1, 10**9))
    assert bucket(_LARGEST) < 2**16, "a bucket has 16 bits in ClickHouse"


@given(durations, durations)
def test_buckets_keep_the_order(one: int, other: int) -> None:
    """A longer duration is never in a lower bucket."""
    assert (one <= other) == (bucket(one) <= bucket(other)) or bucket(one) == bucket(other)


def test_zero_has_a_bucket_of_its_own() -> None:
    """Not even a millisecond shares it."""
    assert bucket(0) == 0
    assert bucket(1) == 1
    assert estimate(0) == 0.0


def test_a_negative_duration_is_refused() -> None:
    """Durations are never negative; one that is would be a fault of the fold."""
    with pytest.raises(ValueError, match="never negative"):
        bucket(-1)


@given(samples, samples, samples)
def test_merging_is_adding(one: list[int], two: list[int], three: list[int]) -> None:
    """Any merge gives what one histogram over all samples gives, in any order and grouping."""
    whole = dict(_of(one + two + three))
    assert merge([_of(one), _of(two), _of(three)]) == whole
    assert merge([_of(three), merge([_of(two), _of(one)])]) == whole


@given(samples, samples)
def test_what_was_added_can_be_taken_away(kept: list[int], gone: list[int]) -> None:
    """Subtracting leaves what would be there had it never been added, and no empty bucket."""
    negative = {of: -n for of, n in _of(gone).items()}
    assert merge([_of(kept + gone), negative]) == dict(_of(kept))


@given(st.lists(durations, min_size=1, max_size=200), shares)
def test_quantile_is_that_of_the_rank(values: list[int], q: float) -> None:
    """The quantile is the value of rank ⌈q n⌉, within 1 %."""
    rank = max(1, math.ceil(q * len(values) - 1e-9))
    exact = sorted(values)[rank - 1]
    told = quantile(_of(values), q)
    assert told is not None
    assert abs(told - exact) <= ACCURACY * exact * (1 + 1e-9)


@pytest.mark.parametrize(
    ("q", "rank"), [(0.0, 1), (0.01, 1), (0.5, 50), (0.55, 55), (0.56, 56), (0.57, 57), (0.99, 99), (1.0, 100)]
)
def test_rank_of_a_hundred(q: float, rank: int) -> None:
    """Ranks are exact where q n is whole, though 0.55 x 100 is a hair more in binary."""
    assert quantile(dict.fromkeys(range(1, 101), 1), q) == estimate(rank)


def test_nothing_has_no_quantile() -> None:
    """An empty histogram tells nothing, neither zero nor an error."""
    assert quantile({}, 0.5) is None
    assert quantile({3: 0}, 0.5) is None
