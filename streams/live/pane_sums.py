"""Sums of panes: of one queue, one channel or the whole centre over some minutes.

Everything here is an integer that is added and subtracted again, so a running sum is exactly the sum of its panes;
nothing is averaged.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Self, TypeVar

from schemas.panes import Pane

Key = TypeVar("Key", int, str, tuple[str, str])

#: Channel and queue; None stands for all of them.
Group = tuple[str | None, str | None]

#: The whole centre.
CENTRE: Final[Group] = (None, None)

#: The leading fields of a pane, up to its histograms, that are plain counters.
COUNTERS: Final = 9


class SampleSums:
    """The sum of one sample's panes."""

    def __init__(self) -> None:
        self.counters = [0] * COUNTERS
        self.hist: dict[int, int] = {}

    def add(self, counters: Sequence[int], hist: Mapping[int, int], sign: int = 1) -> None:
        """Add, or with -1 subtract."""
        target = self.counters
        for field, count in enumerate(counters):
            if count:
                target[field] += sign * count
        add_counts(self.hist, hist, sign)

    def is_empty(self) -> bool:
        """Tell whether nothing is left in it."""
        return not self.hist and not any(self.counters)


def add_counts(target: dict[Key, int], other: Mapping[Key, int], sign: int = 1) -> None:
    """Add counts to `target`; counts of 0 are removed."""
    for key, count in other.items():
        left = target.get(key, 0) + sign * count
        if left:
            target[key] = left
        else:
            target.pop(key, None)


class GroupSums:
    """The sums of a group: by sample, and by tag."""

    def __init__(self) -> None:
        self.samples: dict[str, SampleSums] = {}
        self.tags: dict[str, int] = {}

    def add_sample(self, sample: str, counters: Sequence[int], hist: Mapping[int, int], sign: int = 1) -> None:
        """Add to one sample."""
        sums = self.samples.get(sample)
        if sums is None:
            sums = self.samples[sample] = SampleSums()
        sums.add(counters, hist, sign)
        if sums.is_empty():
            del self.samples[sample]

    def add(self, other: Self, sign: int = 1) -> None:
        """Add all sums of another group or minute, or with -1 subtract them."""
        for sample, sums in other.samples.items():
            self.add_sample(sample, sums.counters, sums.hist, sign)
        add_counts(self.tags, other.tags, sign)

    def pane(self, sample: str) -> Pane:
        """Give the sums of one sample, zeros where it has none; of durations in clock time alone the histogram."""
        sums = self.samples.get(sample)
        return Pane() if sums is None else Pane._make((*sums.counters, sums.hist, {}))

    def is_empty(self) -> bool:
        """Tell whether nothing is left in it."""
        return not self.samples and not self.tags


def groups_of(channel: str, queue: str) -> tuple[Group, Group, Group]:
    """Name the groups that a queue counts in: itself, its channel, the centre."""
    return (channel, queue), (channel, None), CENTRE
