"""The service level formulas at their edges; `tests/sinks/test_worked_example.py` has the figures of the field."""

import pytest

from streams.live.service_level import FORMULAS, ServiceLevelCounts, service_level


def test_short_abandonments_are_left_out() -> None:
    """The default formula does not hold against a centre who hung up at once; of these alone there is no level."""
    assert service_level("short_excluded", ServiceLevelCounts(80, 80, 40, 0, 20)) == 0.8
    assert service_level("short_excluded", ServiceLevelCounts(abandoned=3, short=3)) is None


@pytest.mark.parametrize("formula", FORMULAS)
def test_nothing_is_neither_nought_nor_all(formula: str) -> None:
    """Without a denominator there is no service level."""
    assert service_level(formula, ServiceLevelCounts()) is None


def test_a_queue_that_stalls_is_not_at_a_hundred_per_cent() -> None:
    """The live formula counts those that wait beyond their target now as missed, also where nobody was answered."""
    assert service_level("short_excluded", ServiceLevelCounts(8, 8), breached=2) == 0.8
    assert service_level("short_excluded", ServiceLevelCounts(), breached=2) == 0.0
