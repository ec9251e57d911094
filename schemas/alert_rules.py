"""The rules that alerts are raised by, as plain values: what `alerts.toml` says, beside what the policies promise.

Durations are milliseconds, shares lie between 0 and 1, and times are UTC milliseconds.
"""

from collections.abc import Iterable
from typing import Final, Literal, NamedTuple

from schemas.alerts import Dimensions, Kind, Severity
from schemas.calendars import Calendar
from schemas.topics import Channel

#: Windows of alerts reach back so far in clock time, because minutes are kept for so long.
REACH_MS: Final = 86_400_000

#: A factor above this part of the largest possible burn rate could fire only when nearly every contact is bad.
_PART_OF_LARGEST: Final = 0.9
#: Shares are decimal fractions, which floating point does not hold exactly.
_ROUNDING: Final = 1e-9


def largest_burn_rate(objective: float) -> float | None:
    """Give the burn rate at which every contact is bad, 1 / (1 - objective); None where nothing may be bad."""
    return 1 / (1 - objective) if objective < 1 else None


def can_burn(factor: float, objective: float) -> bool:
    """Tell whether a burn rate can reach `factor` before nearly every contact is bad, and only beyond the objective."""
    return factor > 1 and factor * (1 - objective) < _PART_OF_LARGEST - _ROUNDING and objective < 1


class BurnRate(NamedTuple):
    """The budget burns `factor` times too fast, over a long and over a short window of open time."""

    name: str
    factor: float
    long_ms: int
    short_ms: int
    #: From how many contacts in the windows on it is judged.
    min_long: int
    min_short: int
    severity: Severity
    #: Of this policy alone, in place of the one of this name that is for all; None: of each policy at whose objective
    #: it can fire.
    policy: str | None = None


DEFAULT_BURN_RATES: Final = (
    BurnRate("now", 3.0, 1_800_000, 300_000, 20, 4, "critical"),
    BurnRate("shift", 2.0, 7_200_000, 900_000, 40, 8, "critical"),
    BurnRate("day", 1.5, 36_000_000, 3_600_000, 100, 20, "warning"),
)


def burn_rates_for(burn_rates: Iterable[BurnRate], policy: str, objective: float) -> tuple[BurnRate, ...]:
    """Select the burn rates that a policy is judged by."""
    general: dict[str, BurnRate] = {}
    own: dict[str, BurnRate] = {}
    for rate in burn_rates:
        if rate.policy is None:
            general[rate.name] = rate
        elif rate.policy == policy:
            own[rate.name] = rate
    return tuple(rate for rate in (general | own).values() if can_burn(rate.factor, objective))


class Attainment(NamedTuple):
    """The service level over a policy's window lies below its objective."""

    #: Where the policy names none.
    window_ms: int = 3_600_000
    min_volume: int = 20
    severity: Severity = "warning"


class Budget(NamedTuple):
    """How many contacts a policy expects in the period of its objective: then alerts tell the budget that is used."""

    policy: str
    contacts: int


class Intervals(NamedTuple):
    """Too few half hours of the policy's window attain the objective, as many contracts count it."""

    #: The least share of half hours that have to attain it.
    share: float
    #: From how many contacts on a half hour counts, and from how many such half hours on it is judged.
    min_volume: int = 10
    min_intervals: int = 4
    severity: Severity = "warning"


class ContactAlerts(NamedTuple):
    """Which contacts raise alerts of their own."""

    channels: frozenset[Channel] = frozenset({"chat", "email", "call"})
    at_risk: bool = True


#: Who tells people of objectives besides what `hooks.toml` names: Grafana's contact points, or nobody.
Notifier = Literal["hooks", "grafana"]

FloorCondition = Literal["longest_wait", "waiting", "nobody_available", "surge"]

#: A surge is judged over clock time of at least and at most so much: of the weeks before quarter hours are known, and
#: minutes are kept for so long.
SURGE_WINDOW_MS: Final = (900_000, 14_400_000)
#: Each tag by itself.
EVERY_TAG: Final = "*"


class FloorRule(NamedTuple):
    """Something about a queue at this moment, judged for each queue that matches."""

    name: str
    condition: FloorCondition
    #: Of `longest_wait` milliseconds, of `waiting` contacts, of `surge` the least contacts; of others nothing.
    limit: int = 0
    channel: Channel | None = None
    queue: str | None = None
    #: Of `nobody_available`: the agents of this group; None: of the centre.
    group: str | None = None
    #: How long it has to hold before it fires.
    hold_ms: int = 60_000
    severity: Severity = "warning"
    #: Whether it is judged while the queue's calendar is closed, too.
    always: bool = False
    #: Of `surge`: contacts with this tag (in normal form) of all queues that match; None: each queue's arrivals.
    tag: str | None = None
    window_ms: int = 1_800_000
    #: How many times as many as in the same hours of the last weeks.
    factor: float = 2.0


#: From how many contacts on a surge is judged, where its rule does not say.
DEFAULT_SURGE_VOLUME: Final = 20

DEFAULT_FLOOR: Final = (
    FloorRule("long wait of a call", "longest_wait", 300_000, "call"),
    FloorRule("long wait of a chat", "longest_wait", 600_000, "chat"),
    FloorRule("no agent for a call", "nobody_available", channel="call", severity="critical"),
    FloorRule("no agent for a chat", "nobody_available", channel="chat", severity="critical"),
)


class PipelineRules(NamedTuple):
    """When Pulssi itself needs somebody."""

    #: Open time without an event of a channel that has had some; None: it is not judged. It needs a calendar.
    no_events_ms: int | None = 1_800_000
    #: How old the newest record is that a part has dealt with, while others wait.
    behind_ms: int = 60_000
    #: How long a part has not been heard of.
    away_ms: int = 30_000
    #: So many dead letters in so much clock time.
    dead_letters: int = 10
    dead_letters_within_ms: int = 900_000
    hold_ms: int = 30_000


class Timing(NamedTuple):
    """How alerts change their state."""

    #: How long an objective has to be missed before its alert fires.
    hold_ms: int = 30_000
    least_firing_ms: int = 60_000
    #: How long an alert stays resolved, whatever is seen.
    least_resolved_ms: int = 60_000
    #: An alert resolves when what it measures is better than its limit by this part of the limit.
    hysteresis: float = 0.1
    #: How often people are reminded of a firing alert, until somebody acknowledges it; None: never.
    reminder_ms: int | None = 3_600_000
    #: How long a resolved alert is kept.
    keep_ms: int = 86_400_000


class Maintenance(NamedTuple):
    """A time in which matching alerts are silenced: by a calendar, or from an instant to before another."""

    name: str
    calendar: Calendar | None = None
    #: Whether it lasts while the calendar is open, or while it is closed.
    while_open: bool = True
    since: int = 0
    until: int = 0
    rule: str | None = None
    kind: Kind | None = None
    dimensions: Dimensions = Dimensions()


class AlertRules(NamedTuple):
    """All that `alerts.toml` says."""

    burn_rates: tuple[BurnRate, ...] = DEFAULT_BURN_RATES
    attainment: Attainment = Attainment()
    budgets: tuple[Budget, ...] = ()
    #: None: half hours are not judged.
    intervals: Intervals | None = None
    contacts: ContactAlerts = ContactAlerts()
    floor: tuple[FloorRule, ...] = DEFAULT_FLOOR
    pipeline: PipelineRules = PipelineRules()
    timing: Timing = Timing()
    maintenance: tuple[Maintenance, ...] = ()
    notifier: Notifier = "hooks"
