"""Service level: the five formulas in use, by name, each from counters and never from averages.

Only what was held against a target counts; a denominator of 0 gives None, neither 0 nor 100 %. The live ones add the
contacts that wait beyond their target now to the denominator: a queue that stalls is not at 100 %.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple


class ServiceLevelCounts(NamedTuple):
    """What the formulas are made of."""

    answered: int = 0
    answered_within: int = 0
    abandoned: int = 0
    abandoned_within: int = 0
    short: int = 0


Formula = Callable[[ServiceLevelCounts], tuple[int, int]]

#: Numerator and denominator of each.
FORMULAS: Final[Mapping[str, Formula]] = MappingProxyType(
    {
        "short_excluded": lambda c: (c.answered_within, c.answered + c.abandoned - c.short),
        "answered_only": lambda c: (c.answered_within, c.answered),
        "offered": lambda c: (c.answered_within, c.answered + c.abandoned),
        "abandons_met": lambda c: (c.answered_within + c.abandoned_within, c.answered + c.abandoned),
        "excluding_abandoned_within": lambda c: (c.answered_within, c.answered + c.abandoned - c.abandoned_within),
    }
)

#: The formula where a policy names none.
DEFAULT: Final = "short_excluded"


def service_level(formula: str, of: ServiceLevelCounts, breached: int = 0) -> float | None:
    """Give a share from 0 to 1, `breached` (contacts beyond their target now) included; None: of nothing."""
    numerator, denominator = FORMULAS[formula](of)
    denominator += breached
    return numerator / denominator if denominator > 0 else None
