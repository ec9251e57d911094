"""The service level formulas, against the figures the field checks them by."""

from __future__ import annotations

import pytest

from streams.live.service_level import FORMULAS, ServiceLevelCounts, service_level


@pytest.mark.parametrize(
    ("formula", "percent"),
    [
        ("answered_only", 86.0),
        ("offered", 81.1),
        ("abandons_met", 83.0),
        ("excluding_abandoned_within", 82.7),
        ("short_excluded", 81.1),
    ],
)
def test_the_check_of_the_field(formula: str, percent: float) -> None:
    """1000 answered, 860 within; 60 abandoned, 20 within: the known results, to a tenth of a per cent."""
    level = service_level(formula, ServiceLevelCounts(1000, 860, 60, 20))
    assert level is not None
    assert round(100 * level, 1) == percent


def test_short_abandonments_are_left_out() -> None:
    """The default formula does not hold against a centre who hung up at once."""
    assert service_level("short_excluded", ServiceLevelCounts(80, 80, 40, 0, 20)) == 0.8


@pytest.mark.parametrize("formula", FORMULAS)
def test_nothing_is_neither_nought_nor_all(formula: str) -> None:
    """Without a denominator there is no service level."""
    assert service_level(formula, ServiceLevelCounts()) is None


def test_a_queue_that_stalls_is_not_at_a_hundred_per_cent() -> None:
    """The live formula counts those that wait beyond their target now as missed, also where nobody was answered."""
    assert service_level("short_excluded", ServiceLevelCounts(8, 8), breached=2) == 0.8
    assert service_level("short_excluded", ServiceLevelCounts(), breached=2) == 0.0


def test_only_short_abandonments() -> None:
    """Where all that was counted is left out again, there is no service level either."""
    assert service_level("short_excluded", ServiceLevelCounts(abandoned=3, short=3)) is None
