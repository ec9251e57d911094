"""Where a service level is likely to end: of the half hour and of the day that are under way. Pure.

With the counters so far, the arrivals still to come and the level at which contacts are answered now:

- `so_far` = within / judged, of what there was since the beginning; within and judged by the policy's formula.
- `expected` = the mean of the arrivals in the rest of the time, on the same weekday of the last four weeks, times the
  ratio of today's arrivals so far to the mean of theirs. The ratio counts only where both are at least 20 contacts,
  and lies between 0.5 and 2; else it is 1.
- `likely` = (within + expected x level) / (judged + waiting beyond the target + expected), where `level` is that of the
  last hour, and of the day so far where the last hour has fewer than 10 judged contacts.
- `best` = (within + expected) / (judged + waiting beyond the target + expected): all that still comes is in time.

Every arrival is taken for one that will be judged. What is not known is None, never 0 or 1.
"""

from datetime import tzinfo
from typing import Final, NamedTuple

from streams.live.service_level import FORMULAS, ServiceLevelCounts
from streams.live.windows import midnight
from streams.times import at

HALF_HOUR_MS: Final = 1_800_000
#: A ratio of fewer contacts says nothing.
_RATIO_FROM: Final = 20
_RATIO_AT_LEAST: Final = 0.5
_RATIO_AT_MOST: Final = 2.0
#: The level of an hour with fewer contacts says nothing.
_LEVEL_FROM: Final = 10
#: From a midnight on some time of the next day, however long the day is.
_NEXT_DAY_MS: Final = 30 * 3_600_000


class Projection(NamedTuple):
    """Shares between 0 and 1; None: not known."""

    so_far: float | None
    likely: float | None
    best: float | None


def half_hour(at_ms: int, zone: tzinfo) -> tuple[int, int]:
    """Give the half hour of the wall clock that a time lies in, UTC milliseconds."""
    local = at(at_ms).astimezone(zone)
    begin = at_ms - (local.minute % 30) * 60_000 - at_ms % 60_000
    return begin, begin + HALF_HOUR_MS


def day_end(begin: int, zone: tzinfo) -> int:
    """Give when the day ends that begins at a time, UTC milliseconds."""
    return midnight(begin + _NEXT_DAY_MS, zone)


def ratio(today: int, then: float | None) -> float:
    """Give how many times the usual arrivals there were today so far."""
    if then is None or today < _RATIO_FROM or then < _RATIO_FROM:
        return 1.0
    return min(max(today / then, _RATIO_AT_LEAST), _RATIO_AT_MOST)


def level(formula: str, hour: ServiceLevelCounts, day: ServiceLevelCounts) -> float | None:
    """Give the level at which contacts are answered now."""
    within, judged = FORMULAS[formula](hour)
    if judged < _LEVEL_FROM:
        within, judged = FORMULAS[formula](day)
    return within / judged if judged > 0 else None


def project(
    formula: str,
    so_far: ServiceLevelCounts,
    waiting_beyond: int,
    expected: float | None,
    level_now: float | None,
) -> Projection:
    """Project a service level; `waiting_beyond`: contacts that wait beyond their target now."""
    within, judged = FORMULAS[formula](so_far)
    told = within / judged if judged > 0 else None
    if expected is None or judged + waiting_beyond + expected <= 0:
        return Projection(told, None, None)
    of = judged + waiting_beyond + expected
    likely = None if level_now is None else (within + expected * level_now) / of
    return Projection(told, likely, (within + expected) / of)
