"""Remembers the gaps in the numbers of rows that were read in the order of their numbers.

A database gives a row its number when the row is inserted, but shows it only when its transaction is committed. So a
row may appear after rows with higher numbers. A number without a row, as after a rollback, is given up after LATE_S.
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

#: How long a missing number is waited for, in seconds.
LATE_S: Final = 300.0
#: The most gaps that are remembered; the oldest are given up first.
GAPS_AT_MOST: Final = 10_000


class _Gap(NamedTuple):
    first: int
    last: int
    since: float


class PassedOver:
    """The gaps between the rows that were read."""

    def __init__(self, highest: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`highest`: up to it nothing is waited for."""
        #: Tells the time, in seconds.
        self.clock = clock
        #: The highest number that was read.
        self.highest = highest
        #: In ascending order, which is also the order of their age: the first is the oldest.
        self._gaps: list[_Gap] = []

    @property
    def settled(self) -> int:
        """The number up to which every row was read or given up."""
        return self._gaps[0].first - 1 if self._gaps else self.highest

    @property
    def awaited(self) -> list[tuple[int, int]]:
        """The gaps that are waited for: first and last number of each."""
        return [(gap.first, gap.last) for gap in self._gaps]

    def note(self, numbers: Iterable[int]) -> None:
        """Note the numbers of rows that were read."""
        for number in numbers:
            if number > self.highest:
                if number > self.highest + 1:
                    self._gaps.append(_Gap(self.highest + 1, number - 1, self.clock()))
                self.highest = number
            elif (place := self._place(number)) is not None:
                gap = self._gaps[place]
                around = ((gap.first, number - 1), (number + 1, gap.last))
                self._gaps[place : place + 1] = [_Gap(*each, gap.since) for each in around if each[0] <= each[1]]
        del self._gaps[:-GAPS_AT_MOST]

    def give_up(self, looked_at: float) -> None:
        """Forget numbers that had been waited for long enough when all were looked for, by the clock."""
        del self._gaps[: bisect_right(self._gaps, looked_at - LATE_S, key=lambda gap: gap.since)]

    def _place(self, number: int) -> int | None:
        place = bisect_right(self._gaps, number, key=lambda gap: gap.first) - 1
        return place if place >= 0 and self._gaps[place].last >= number else None
