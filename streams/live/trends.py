"""Counts by five minutes: what a trend of the last hour, and a half hour so far, are made of.

Updated with what a pane adds, as the windows are, so that a push costs only what changed. Counts are sums of panes.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from streams.live.figures import Counted
from streams.live.pane_sums import Group, GroupSums, groups_of
from streams.live.service_level import ServiceLevelCounts

STEP_MS: Final = 300_000
#: Steps of a trend: an hour.
TREND_STEPS: Final = 12


#: Of a group that has nothing in a step.
_NOTHING: Final = (0,) * (2 + len(ServiceLevelCounts._fields))
_NONE: Final = Counted()


def step_of(at_ms: int) -> int:
    """Return the start of the five minutes that a time lies in."""
    return at_ms - at_ms % STEP_MS


def trend_begin(now_ms: int) -> int:
    """Return when the trend of the last hour begins: its last step is the one that is under way."""
    return step_of(now_ms) - (TREND_STEPS - 1) * STEP_MS


class Trends:
    """The counts of each group by five minutes, for as long as panes are kept."""

    def __init__(self) -> None:
        #: By step and group: offered, abandoned, and the counts of the service level in their order.
        self._steps: dict[int, dict[Group, list[int]]] = {}

    def add(self, start: int, channel: str, queue: str, added: GroupSums) -> None:
        """Add what a queue's panes that begin at `start` got; it may be negative."""
        offered, first, abandoned = (added.samples.get(name) for name in ("offered", "first_response", "abandoned"))
        if offered is None and first is None and abandoned is None:
            return
        counts = [0] * len(_NOTHING)
        if offered is not None:
            counts[0] = offered.counters[0]
        if abandoned is not None:
            counts[1] = abandoned.counters[0]
            counts[4:] = abandoned.counters[1:4]
        if first is not None:
            counts[2:4] = first.counters[1:3]
        step = self._steps.setdefault(step_of(start), {})
        for group in groups_of(channel, queue):
            before = step.get(group)
            step[group] = counts if before is None else [one + other for one, other in zip(before, counts, strict=True)]

    def drop(self, before: int) -> None:
        """Drop the steps that end before a time."""
        for start in [start for start in self._steps if start + STEP_MS <= before]:
            del self._steps[start]

    def between(self, groups: Sequence[Group], begin: int, end: int) -> Counted:
        """Count groups together from one step's start to before another's; they have no queue in common."""
        found = [_together(step, groups) for start in range(begin, end, STEP_MS) if (step := self._steps.get(start))]
        return _counted([sum(counts) for counts in zip(_NOTHING, *found, strict=True)])

    def trend(self, groups: Sequence[Group], begin: int) -> list[Counted]:
        """Count groups together in each step of the hour that begins at `begin`."""
        starts = range(begin, begin + TREND_STEPS * STEP_MS, STEP_MS)
        return [_counted(_together(self._steps.get(start, {}), groups)) for start in starts]


def _together(step: Mapping[Group, Sequence[int]], groups: Sequence[Group]) -> Sequence[int]:
    if len(groups) == 1:
        return step.get(groups[0], _NOTHING)
    return [sum(counts) for counts in zip(_NOTHING, *(step[group] for group in groups if group in step), strict=True)]


def _counted(counts: Sequence[int]) -> Counted:
    if counts is _NOTHING:
        return _NONE
    return Counted(counts[0], counts[1], ServiceLevelCounts._make(counts[2:]))
