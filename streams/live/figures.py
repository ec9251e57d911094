"""The figures of one group over one window: counts, averages and percentiles, from its sums alone."""

from collections.abc import Iterable
from operator import add
from typing import Final, NamedTuple

from schemas.panes import Pane
from streams.core.histogram import quantiles
from streams.live.pane_sums import GroupSums
from streams.live.service_level import ServiceLevelCounts

#: How many tags are named.
TOP_TAGS: Final = 8


class Durations(NamedTuple):
    """A sample's durations in milliseconds; None where there is none."""

    n: int = 0
    average_ms: float | None = None
    p50_ms: float | None = None
    p80_ms: float | None = None
    p90_ms: float | None = None
    p95_ms: float | None = None


class Figures(NamedTuple):
    """A group's figures over a window."""

    offered: int = 0
    entered: int = 0
    abandoned: int = 0
    resolved: int = 0
    #: Settled by a bot alone; they are among the offered, and never answered or abandoned.
    bot_contained: int = 0
    counted: ServiceLevelCounts = ServiceLevelCounts()
    first_response: Durations = Durations()
    next_response: Durations = Durations()
    handle: Durations = Durations()
    #: The most frequent tags and their counts, the most frequent first.
    tags: tuple[tuple[str, int], ...] = ()
    #: Mean satisfaction from 0 to 1, and of how many ratings.
    rating: float | None = None
    ratings: int = 0


_MILLIONTHS: Final = 1_000_000
_PERCENTILES: Final = (0.5, 0.8, 0.9, 0.95)


class Counted(NamedTuple):
    """A group's counts in some time: offered, abandoned, and those held against a target."""

    offered: int = 0
    abandoned: int = 0
    counted: ServiceLevelCounts = ServiceLevelCounts()


def counted_of(sums: GroupSums) -> Counted:
    """Read a group's counts alone, which takes a hundredth of the time that all its figures take."""
    first, abandoned, offered = (sums.samples.get(name) for name in ("first_response", "abandoned", "offered"))
    answered = first.counters[1:3] if first is not None else (0, 0)
    left = abandoned.counters[1:4] if abandoned is not None else (0, 0, 0)
    return Counted(
        0 if offered is None else offered.counters[0],
        0 if abandoned is None else abandoned.counters[0],
        ServiceLevelCounts(*answered, *left),
    )


def add_counted(counted: Iterable[Counted]) -> Counted:
    """Add up the counts of groups that have no queue in common."""
    sums = Counted()
    for each in counted:
        of_target = ServiceLevelCounts._make(map(add, sums.counted, each.counted))
        sums = Counted(sums.offered + each.offered, sums.abandoned + each.abandoned, of_target)
    return sums


def figures_of(sums: GroupSums) -> Figures:
    """Compute a group's figures."""
    pane = sums.pane
    first, abandoned, rated = pane("first_response"), pane("abandoned"), pane("rated")
    return Figures(
        offered=pane("offered").n,
        entered=pane("entered").n,
        abandoned=abandoned.n,
        resolved=pane("resolution").n,
        bot_contained=pane("bot_contained").n,
        counted=ServiceLevelCounts(
            first.n_target, first.n_within, abandoned.n_target, abandoned.n_within, abandoned.n_short
        ),
        first_response=durations_of(first),
        next_response=durations_of(pane("next_response")),
        handle=durations_of(pane("handle")),
        tags=tuple(sorted(sums.tags.items(), key=lambda tag: (-tag[1], tag[0]))[:TOP_TAGS]),
        rating=rated.sum_value / rated.n / _MILLIONTHS if rated.n > 0 else None,
        ratings=rated.n,
    )


def durations_of(pane: Pane) -> Durations:
    """Compute a sample's average and percentiles."""
    if pane.n <= 0:
        return Durations()
    return Durations(pane.n, pane.sum_ms / pane.n, *quantiles(pane.hist, _PERCENTILES))
