"""Limits by address: what they allow, when they allow it again, and what they cost."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from streams.monitoring.rate_limits import ADDRESSES_AT_MOST, Places, RateLimit
from tests.dashboards.door_site import Clock


def test_a_burst_then_the_rate() -> None:
    """So many at once, then one whenever a share of a second has passed; the wait that is told is enough."""
    clock = Clock(0.0)
    limit = RateLimit(20, 60, clock=clock)
    assert [limit.take("a") for _ in range(60)] == [0.0] * 60
    wait_s = limit.take("a")
    assert 0 < wait_s <= 0.05
    assert limit.take("b") == 0.0, "nobody is refused for another"
    clock.now += wait_s
    assert limit.take("a") == 0.0
    assert limit.take("a") > 0
    clock.now += 60
    assert [limit.take("a") for _ in range(60)] == [0.0] * 60


def test_what_is_given_back_does_not_count() -> None:
    """A success costs nothing."""
    limit = RateLimit(1, 1, clock=Clock(0.0))
    for _ in range(100):
        assert limit.take("a") == 0.0
        limit.give_back("a")
    limit.give_back("never seen")
    assert limit.take("a") == 0.0
    assert limit.take("a") > 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 2)), max_size=60))
def test_never_more_than_burst_and_rate_allow(asked: list[tuple[str, float]]) -> None:
    """In any stretch of time, whoever asks when."""
    clock = Clock(0.0)
    limit = RateLimit(2, 3, clock=clock)
    allowed: dict[str, list[float]] = {}
    for address, passes_s in asked:
        clock.now += passes_s
        if limit.take(address) == 0.0:
            allowed.setdefault(address, []).append(clock.now)
    for times in allowed.values():
        for first in range(len(times)):
            for last in range(first, len(times)):
                assert last - first + 1 <= 3 + 2 * (times[last] - times[first]) + 1e-6


def test_a_crowd_of_addresses_costs_bounded_memory() -> None:
    """A hundred thousand strangers, none of whom comes again, leave no more than the limit remembers."""
    clock = Clock(0.0)
    limit = RateLimit(20, 60, clock=clock)
    for number in range(100_000):
        limit.take(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(limit) == ADDRESSES_AT_MOST
    assert sys.getsizeof(limit._whole_at) < 4_000_000  # noqa: SLF001 - what is measured here
    clock.now += 3600
    for _ in range(ADDRESSES_AT_MOST // 4 + 1):
        limit.take("10.0.0.1")
    assert len(limit) == 1, "those whose allowance is whole again are forgotten"


def test_places_are_counted_in_all_and_by_address() -> None:
    """They are free again when their holder leaves, and nothing is kept of who has left."""
    places = Places(3, 2)
    with places.taken("a"), places.taken("a"):
        assert "at this address" in (places.refusal("a") or "")
        assert places.refusal("b") is None
        with places.taken("b"):
            assert places.refusal("c") == "too many pages are open"
            assert len(places) == 3
    assert places.refusal("a") is None
    assert len(places) == 0
    assert not places._taken  # noqa: SLF001 - nothing may be left of a stranger
