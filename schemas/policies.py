"""SLA policies and the other rules that the fold is given: configuration as plain values.

Rules are ordered; for each metric the first rule whose conditions hold applies. A field left out matches anything.
What changes on a day stands beside what held before it: a sample is held against what was in force at its time.
"""

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeVar

from schemas.calendars import Calendar

Metric = Literal["first_response", "next_response", "queue_wait", "resolution"]


class Policy(NamedTuple):
    """One rule: within `target_ms`, for at least the share `objective` of contacts."""

    name: str
    metric: Metric
    target_ms: int
    #: Share from 0 to 1 that is to be within the target.
    objective: float
    channel: str | None = None
    queue: str | None = None
    priority: str | None = None
    segment: str | None = None
    #: How long before the breach a warning is due.
    warning_ms: int = 0
    formula: str = "short_excluded"
    #: The calendar in which its contacts' business time is measured; None: the queue's, else the centre's.
    calendar: Calendar | None = None
    #: What `target_ms` is held against: clock time, or business time.
    clock: Literal["time", "calendar"] = "time"
    #: Over how long the objective is judged, and from how many contacts on; 0: by what reads it.
    window_ms: int = 0
    min_volume: int = 0
    #: Of a resolution: whether its pauses count, or stop the clock.
    pauses: Literal["count", "stop"] = "count"
    #: Whether the objective is judged in each queue by itself, or in all queues of a channel together.
    objective_per: Literal["queue", "channel"] = "queue"

    def applies(self, metric: str, channel: str, queue: str, priority: str, segment: str) -> bool:
        """Tell whether every condition of this rule holds."""
        return (
            self.metric == metric
            and self.channel in {None, channel}
            and self.queue in {None, queue}
            and self.priority in {None, priority}
            and self.segment in {None, segment}
        )


#: What holds where nothing is configured, so that the first screen is not empty. Each warns when a quarter of its
#: target is left, as the view `gauges` does, which knows the target alone.
DEFAULT_POLICIES: Final = (
    Policy("call-20s", "first_response", 20_000, 0.80, channel="call", warning_ms=5_000),
    Policy("chat-60s", "first_response", 60_000, 0.80, channel="chat", warning_ms=15_000),
    Policy("email-24h", "first_response", 86_400_000, 0.90, channel="email", warning_ms=21_600_000),
)

_DEFAULT_PATIENCE: Final[Mapping[str, int]] = MappingProxyType({"chat": 120_000, "email": 86_400_000, "call": 120_000})

#: How long a contact stays in memory after its last event: 2, 30 and 1 days.
_DEFAULT_HORIZONS: Final[Mapping[str, int]] = MappingProxyType(
    {"chat": 172_800_000, "email": 2_592_000_000, "call": 86_400_000}
)


@lru_cache(maxsize=65_536)
def normal_tag(tag: str) -> str:
    """Bring a tag into normal form, as tags are compared and counted: trimmed, case and compatibility forms folded."""
    return unicodedata.normalize("NFKC", tag).casefold().strip()


class Taxonomy(NamedTuple):
    """The tags that a centre knows, all in normal form."""

    names: frozenset[str]
    #: Other names of known tags.
    aliases: Mapping[str, str]


Policies = tuple[Policy, ...]


class Rules(NamedTuple):
    """Everything that the fold gets besides the events. Durations in milliseconds, times in UTC milliseconds."""

    policies: Policies = DEFAULT_POLICIES
    #: A response slower than this, by channel, counts as `slow`.
    patience_ms: Mapping[str, int] = _DEFAULT_PATIENCE
    #: An abandonment before this counts as `short`.
    short_abandon_ms: int = 5_000
    #: None: there is no taxonomy, and every tag is known.
    taxonomy: Taxonomy | None = None
    version: str = "default"
    #: What takes the place of `policies`, as a whole, from a time on; in order of time.
    policies_from: tuple[tuple[int, Policies], ...] = ()
    #: What takes the place of `taxonomy` from a time on.
    taxonomy_from: tuple[tuple[int, Taxonomy | None], ...] = ()
    #: The centre's calendar; None: it has none.
    calendar: Calendar | None = None
    #: Calendars of queues that have their own.
    queue_calendars: Mapping[str, Calendar] = MappingProxyType({})
    #: The centre's time zone, and those of queues that have their own.
    time_zone: str = "UTC"
    queue_zones: Mapping[str, str] = MappingProxyType({})
    #: How long a contact stays in memory after its last event, by channel.
    horizons_ms: Mapping[str, int] = _DEFAULT_HORIZONS
    #: A run of records of which more than this share is bad stops the worker.
    bad_record_share: float = 0.5


_T = TypeVar("_T")


def _in_force(before: _T, changes: tuple[tuple[int, _T], ...], at: int) -> _T:
    """Find what is in force at a time: what came last up to it, and before any change what was before."""
    since = bisect_right(changes, at, key=lambda change: change[0])
    return changes[since - 1][1] if since else before


def taxonomy_at(rules: Rules, at: int) -> Taxonomy | None:
    """Give the taxonomy in force at a time."""
    return _in_force(rules.taxonomy, rules.taxonomy_from, at) if rules.taxonomy_from else rules.taxonomy


def policies_since(rules: Rules, at: int) -> int:
    """Give how many times the policies have changed up to a time, by the rules themselves."""
    return bisect_right(rules.policies_from, at, key=lambda change: change[0])


_Search = Callable[[str, str, str, str, str], Policy | None]

#: Finds what applies, and keeps it: policies are looked up several times an event. By the identity of policies, whose
#: hash takes longer; they stay as long as their search stands here.
_searches: dict[int, _Search] = {}
_SEARCHES_AT_MOST: Final = 64


def _search_in(policies: Policies) -> _Search:
    @lru_cache(maxsize=4_096)
    def search(metric: str, channel: str, queue: str, priority: str, segment: str) -> Policy | None:
        return next((each for each in policies if each.applies(metric, channel, queue, priority, segment)), None)

    if len(_searches) >= _SEARCHES_AT_MOST:
        _searches.clear()
    _searches[id(policies)] = search
    return search


def policy_for(
    rules: Rules, metric: Metric, channel: str, queue: str, priority: str, segment: str, at: int
) -> Policy | None:
    """Find the policy in force at a time; None where no rule matches."""
    policies = _in_force(rules.policies, rules.policies_from, at) if rules.policies_from else rules.policies
    search = _searches.get(id(policies)) or _search_in(policies)
    return search(metric, channel, queue, priority, segment)


def calendar_for(rules: Rules, queue: str, policy: Policy | None) -> Calendar | None:
    """Find the calendar of a sample: its policy's, else its queue's, else the centre's; None where there is none."""
    if policy is not None and policy.calendar is not None:
        return policy.calendar
    return rules.queue_calendars.get(queue, rules.calendar)
