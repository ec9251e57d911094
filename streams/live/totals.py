"""Sums of panes: what one queue, one channel or the whole centre comes to over some minutes.

Everything here is an integer that is added and taken away again, so a running total is exactly what adding the panes
again would give; nothing is averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

from schemas.panes import Pane

Key = TypeVar("Key", int, str, tuple[str, str])

#: Channel and queue; None stands for all of them.
Group = tuple[str | None, str | None]

#: The whole centre.
ALL: Final[Group] = (None, None)

#: The leading fields of a pane, up to its histograms, that are plain counters.
COUNTERS: Final = 9

_N: Final = Pane._fields.index("n")
_TARGET: Final = Pane._fields.index("n_target")
_WITHIN: Final = Pane._fields.index("n_within")
_SHORT: Final = Pane._fields.index("n_short")
_SUM_MS: Final = Pane._fields.index("sum_ms")


class Change(NamedTuple):
    """What a pane's new value adds to its old one; also negative."""

    counters: Sequence[int]
    hist: Mapping[int, int]


def change(old: Pane | None, new: Pane) -> Change:
    """Return what leads from `old` (None: nothing) to `new`."""
    if old is None:
        return Change(new[:COUNTERS], new.hist)
    counters = [after - before for before, after in zip(old[:COUNTERS], new[:COUNTERS], strict=True)]
    hist = {
        bucket: difference
        for bucket in old.hist.keys() | new.hist.keys()
        if (difference := new.hist.get(bucket, 0) - old.hist.get(bucket, 0))
    }
    return Change(counters, hist)


class Total:
    """The sum of one sample's panes."""

    __slots__ = ("counters", "hist")

    def __init__(self) -> None:
        self.counters = [0] * COUNTERS
        self.hist: dict[int, int] = {}

    def add(self, counters: Sequence[int], hist: Mapping[int, int], sign: int = 1) -> None:
        """Add, or with -1 take away."""
        own = self.counters
        for field, count in enumerate(counters):
            if count:
                own[field] += sign * count
        add_counts(self.hist, hist, sign)

    @property
    def n(self) -> int:
        """Samples."""
        return self.counters[_N]

    @property
    def n_target(self) -> int:
        """Samples held against a target."""
        return self.counters[_TARGET]

    @property
    def n_within(self) -> int:
        """Of those, the ones within it."""
        return self.counters[_WITHIN]

    @property
    def n_short(self) -> int:
        """Of those held against a target, the short ones."""
        return self.counters[_SHORT]

    @property
    def sum_ms(self) -> int:
        """Sum of durations."""
        return self.counters[_SUM_MS]

    def empty(self) -> bool:
        """Tell whether nothing is left in it."""
        return not self.hist and not any(self.counters)


def add_counts(own: dict[Key, int], other: Mapping[Key, int], sign: int = 1) -> None:
    """Add counts to `own`; what comes to nothing is taken out."""
    for key, count in other.items():
        left = own.get(key, 0) + sign * count
        if left:
            own[key] = left
        else:
            own.pop(key, None)


class Totals:
    """The sums of a group: by sample, and by tag."""

    __slots__ = ("samples", "tags")

    def __init__(self) -> None:
        self.samples: dict[str, Total] = {}
        self.tags: dict[str, int] = {}

    def add_sample(self, sample: str, counters: Sequence[int], hist: Mapping[int, int], sign: int = 1) -> None:
        """Add to one sample."""
        total = self.samples.get(sample)
        if total is None:
            total = self.samples[sample] = Total()
        total.add(counters, hist, sign)
        if total.empty():
            del self.samples[sample]

    def add(self, other: Totals, sign: int = 1) -> None:
        """Add all of another group's or minute's sums, or with -1 take them away."""
        for sample, total in other.samples.items():
            self.add_sample(sample, total.counters, total.hist, sign)
        add_counts(self.tags, other.tags, sign)

    def empty(self) -> bool:
        """Tell whether nothing is left in it."""
        return not self.samples and not self.tags


def groups_of(channel: str, queue: str) -> tuple[Group, Group, Group]:
    """Name the groups that a queue counts in: itself, its channel, the centre."""
    return (channel, queue), (channel, None), ALL
