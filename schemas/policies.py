"""SLA policies and the other rules that the fold is given: configuration as plain values.

Rules are ordered; for each metric the first rule whose conditions hold applies. A field left out matches anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

Metric = Literal["first_response", "next_response", "resolution"]


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


class Taxonomy(NamedTuple):
    """The tags that a centre knows, all in normal form (`streams.core.tags.taxonomy` brings them into it)."""

    names: frozenset[str]
    #: Other names of known tags.
    aliases: Mapping[str, str]


class Rules(NamedTuple):
    """All that the fold is told besides the events. Durations in milliseconds."""

    policies: tuple[Policy, ...] = DEFAULT_POLICIES
    #: A response slower than this, by channel, counts as `slow`.
    patience_ms: Mapping[str, int] = _DEFAULT_PATIENCE
    #: An abandonment before this counts as `short`.
    short_abandon_ms: int = 5_000
    #: None: there is no taxonomy, and every tag is known.
    taxonomy: Taxonomy | None = None
    version: str = "default"


@lru_cache(maxsize=65_536)
def _first(
    policies: tuple[Policy, ...], metric: str, channel: str, queue: str, priority: str, segment: str
) -> Policy | None:
    return next((policy for policy in policies if policy.applies(metric, channel, queue, priority, segment)), None)


def policy_for(rules: Rules, metric: Metric, channel: str, queue: str, priority: str, segment: str) -> Policy | None:
    """Find the policy in force; None where no rule matches."""
    return _first(rules.policies, metric, channel, queue, priority, segment)
