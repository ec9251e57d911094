"""Numbers that were passed over: however rows appear, each is read, and the position never leaves one behind."""

from collections.abc import Sequence
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.sources.following import passed_over
from streams.sources.following.passed_over import LATE_S, PassedOver

#: Rows become visible in this order; each step shows some of them.
_APPEARING: Final = st.permutations(range(1, 13)).flatmap(
    lambda order: st.lists(st.integers(1, 4), min_size=12, max_size=12).map(lambda sizes: _steps(order, sizes))
)


def _steps(order: Sequence[int], sizes: Sequence[int]) -> list[set[int]]:
    steps, begin = [], 0
    for size in sizes:
        steps.append(set(order[begin : begin + size]))
        begin += size
    return steps


@given(_APPEARING, st.sets(st.integers(1, 12)))
def test_each_row_is_read_once(steps: list[set[int]], never: set[int]) -> None:
    """What is behind the highest number, and what lies in the gaps, are together all rows that were not read."""
    passed, visible, read = PassedOver(0, lambda: 0.0), set[int](), list[int]()
    for step in steps:
        visible |= step - never
        new = sorted(number for number in visible if number > passed.highest)
        passed.note(new)
        late = [number for number in sorted(visible) if any(a <= number <= b for a, b in passed.awaited)]
        passed.note(late)
        read += new + late
        assert sorted(read) == sorted(visible)
        unread_below = [number for number in range(1, passed.highest) if number not in visible]
        assert passed.settled == (unread_below[0] - 1 if unread_below else passed.highest)
        assert [number for a, b in passed.awaited for number in range(a, b + 1)] == unread_below


def test_what_is_waited_for_is_given_up_in_time() -> None:
    """Each gap by its own age, also when a row has split it."""
    now = 0.0
    passed = PassedOver(0, lambda: now)
    passed.note([1, 5])
    now = LATE_S / 2
    passed.note([3, 8])
    passed.give_up(now)
    assert passed.awaited == [(2, 2), (4, 4), (6, 7)]
    now = LATE_S
    passed.give_up(now)
    assert (passed.awaited, passed.settled) == ([(6, 7)], 5)


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where numbers are given out in steps, each row leaves a gap: the oldest go."""
    monkeypatch.setattr(passed_over, "GAPS_AT_MOST", 2)
    passed = PassedOver(0, lambda: 0.0)
    passed.note([3, 6, 9, 12])
    assert (passed.awaited, passed.settled) == ([(7, 8), (10, 11)], 6)
