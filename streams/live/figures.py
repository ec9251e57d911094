"""The figures of one group over one window: counts, averages and percentiles, from its sums alone."""

from __future__ import annotations

from typing import Final, NamedTuple

from schemas.panes import Pane
from streams.core.histogram import quantile
from streams.live.service_level import Counted, counted
from streams.live.totals import Total, Totals

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
    """What a group comes to over a window."""

    offered: int = 0
    entered: int = 0
    abandoned: int = 0
    resolved: int = 0
    #: Settled by a bot alone; they are among the offered, and never answered or abandoned.
    bot_contained: int = 0
    counted: Counted = Counted()
    first_response: Durations = Durations()
    next_response: Durations = Durations()
    handle: Durations = Durations()
    #: The most frequent tags and their counts, the most frequent first.
    tags: tuple[tuple[str, int], ...] = ()
    #: Mean satisfaction from 0 to 1, and of how many ratings.
    rating: float | None = None
    ratings: int = 0


_SUM_VALUE: Final = Pane._fields.index("sum_value")
_MILLIONTHS: Final = 1_000_000


def figures(totals: Totals) -> Figures:
    """Work out a group's figures."""
    samples = totals.samples
    rated = samples.get("rated")
    return Figures(
        offered=_n(samples.get("offered")),
        entered=_n(samples.get("entered")),
        abandoned=_n(samples.get("abandoned")),
        resolved=_n(samples.get("resolution")),
        bot_contained=_n(samples.get("bot_contained")),
        counted=counted(samples),
        first_response=durations(samples.get("first_response")),
        next_response=durations(samples.get("next_response")),
        handle=durations(samples.get("handle")),
        tags=tuple(sorted(totals.tags.items(), key=lambda tag: (-tag[1], tag[0]))[:TOP_TAGS]),
        rating=rated.counters[_SUM_VALUE] / rated.n / _MILLIONTHS if rated and rated.n > 0 else None,
        ratings=_n(rated),
    )


def durations(total: Total | None) -> Durations:
    """Work out a sample's average and percentiles."""
    if total is None or total.n <= 0:
        return Durations()
    return Durations(
        total.n,
        total.sum_ms / total.n,
        quantile(total.hist, 0.5),
        quantile(total.hist, 0.8),
        quantile(total.hist, 0.9),
        quantile(total.hist, 0.95),
    )


def _n(total: Total | None) -> int:
    return total.n if total else 0
