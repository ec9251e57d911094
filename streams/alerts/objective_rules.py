"""Objectives: the share of contacts in time over a window, in half hours, and how fast the budget burns.

A contact that waits beyond its target is bad and judged in every window, from the second that its target passes until
it is over; then the minute counters have it. A burn rate is the share of bad contacts divided by the share that may be
bad: at 1 the budget lasts exactly as long as its period.
"""

from collections.abc import Collection, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any, Final, NamedTuple, cast

from schemas.alert_rules import REACH_MS, AlertRules, BurnRate
from schemas.alerts import Condition, Dimensions, Measurement, Severity
from schemas.policies import Policy
from schemas.topics import Channel
from streams.alerts.counters import HALF_HOUR_MS, MinuteCounters, formula_of, half_of
from streams.alerts.groups import Counted, Group
from streams.alerts.observation import Observation, alert_key, key_parts
from streams.alerts.open_contacts import OpenContacts
from streams.live.windows import pane_of

#: Shares are decimal fractions, which floating point does not hold exactly.
_ROUNDING: Final = 1e-9

#: Beyond the limit, and clear of it.
Verdict = tuple[bool, bool]


def attainment_verdict(judged: int, bad: int, objective: float, min_volume: int, hysteresis: float) -> Verdict:
    """Judge the share in time against the objective; below the minimum volume it is clear."""
    if judged < max(1, min_volume):
        return False, True
    allowed = (1 - objective) * judged
    rounding = _ROUNDING * judged
    return bad > allowed + rounding, bad <= allowed * (1 - hysteresis) + rounding


def burn_rate_of(judged: int, bad: int, objective: float) -> float:
    """Give how many times too fast the budget burns; 0 where nobody is judged."""
    return bad / judged / (1 - objective) if judged else 0.0


def burn_verdict(
    rate: BurnRate, objective: float, long: tuple[int, int], short: tuple[int, int], hysteresis: float
) -> Verdict:
    """Judge the burn rates of both windows, each as (judged, bad): both have to reach the factor.

    One of them that is below it by the hysteresis clears. Below its minimum volume the long window clears too, and the
    short one neither fires nor clears.
    """
    if long[0] < rate.min_long:
        return False, True
    limit, better = rate.factor - _ROUNDING, rate.factor * (1 - hysteresis)
    of_long, of_short = burn_rate_of(*long, objective), burn_rate_of(*short, objective)
    enough = short[0] >= rate.min_short
    beyond = enough and of_long >= limit and of_short >= limit
    return beyond, not beyond and (of_long < better - _ROUNDING or (enough and of_short < better - _ROUNDING))


def budget_used(bad: int, objective: float, expected: int) -> float:
    """Give the share of a period's budget that bad contacts use: by volume, as traffic is not even."""
    return bad / ((1 - objective) * expected)


class Seen(NamedTuple):
    """All that a group's objective is judged by."""

    group: Group
    policy: Policy
    #: Contacts that wait beyond their target.
    waiting_bad: int
    now: int

    def sums(self, length_ms: int) -> tuple[int, int]:
        """Give judged and bad over a window, those that wait included."""
        judged, bad = self.group.sum_over(length_ms)
        return judged + self.waiting_bad, bad + self.waiting_bad


def judge(
    seen: Seen, rules: AlertRules, *, only_slipping: bool
) -> Iterator[tuple[str, Verdict, Condition, BurnRate | None]]:
    """Give key, verdict, condition and burn rate of a group's objectives; `only_slipping` leaves out clear ones."""
    group, policy, hysteresis = seen.group, seen.policy, rules.timing.hysteresis
    if only_slipping and _is_without_bad(seen) and rules.intervals is None:
        return
    window_ms, min_volume = attainment_window(policy, rules)
    verdict = attainment_verdict(*seen.sums(window_ms), policy.objective, min_volume, hysteresis)
    if not (only_slipping and verdict[1]):
        yield alert_key("attainment", *group.counted), verdict, "attainment", None
    for rate in group.burn_rates:
        verdict = burn_verdict(rate, policy.objective, seen.sums(rate.long_ms), seen.sums(rate.short_ms), hysteresis)
        if not (only_slipping and verdict[1]):
            yield alert_key("burn_rate", *group.counted, rate.name), verdict, "burn_rate", rate
    if rules.intervals is not None:
        counted, missed = intervals_of(seen, rules.intervals.min_volume)
        verdict = attainment_verdict(counted, missed, rules.intervals.share, rules.intervals.min_intervals, hysteresis)
        if not (only_slipping and verdict[1]):
            yield alert_key("interval_attainment", *group.counted), verdict, "interval_attainment", None


def _is_without_bad(seen: Seen) -> bool:
    return not seen.waiting_bad and not any(seen.group.sums[1::2])


def attainment_window(policy: Policy, rules: AlertRules) -> tuple[int, int]:
    """Give the window of a policy's attainment, and from how many contacts on it is judged."""
    return policy.window_ms or rules.attainment.window_ms, policy.min_volume or rules.attainment.min_volume


def intervals_of(seen: Seen, min_volume: int) -> tuple[int, int]:
    """Count the whole half hours of the last 24 hours with enough contacts, and those that missed the objective."""
    end = half_of(seen.now)
    first = end - REACH_MS + HALF_HOUR_MS  # the half hour before this one has lost minutes already
    counted = [
        (judged, bad)
        for start, (judged, bad) in seen.group.halves.items()
        if first <= start < end and judged >= max(1, min_volume)
    ]
    missed = sum(bad > (1 - seen.policy.objective) * judged + _ROUNDING * judged for judged, bad in counted)
    return len(counted), missed


class ObjectiveRules:
    """Judges the groups whose counts changed, and remembers those that slip."""

    def __init__(self, alert_rules: AlertRules) -> None:
        self._rules = alert_rules
        self._budgets = {budget.policy: budget.contacts for budget in alert_rules.budgets}
        self._minute = -1
        #: Groups whose counts changed since the last judgement but one.
        self.changed: Mapping[Counted, object] = {}
        #: Observations of groups that are not clear.
        self._slipping: dict[Counted, dict[str, Observation]] = {}

    def observations(
        self, counters: MinuteCounters, contacts: OpenContacts, now: int, watched: Collection[str]
    ) -> dict[str, Observation]:
        """Report each objective that is not clear, and those whose keys are watched.

        Takes what changed since the last call from `counters` and `contacts`.
        """
        changed, counters.changed = counters.changed, {}
        changed |= {counted: counters.groups.get(counted) for counted in contacts.changed}
        contacts.changed.clear()
        minute = pane_of(now)
        if minute != self._minute:
            changed |= {counted: counters.groups.get(counted) for counted in self._again(counters, minute, now)}
            self._minute = minute
        self.changed = changed
        self._judge_again(changed, counters, contacts, now)
        observed = {key: seen for group in self._slipping.values() for key, seen in group.items()}
        for key in watched:
            if key not in observed and (named := _counted_of(key)) is not None:
                found = dict(self._observe(counters, contacts, named, now, only_slipping=False))
                observed |= {other: seen for other, seen in found.items() if other == key}
        return observed

    def _again(self, counters: MinuteCounters, minute: int, now: int) -> set[Counted]:
        """Name the groups that are to be judged in a new minute, though nothing of them has changed."""
        again = set(self._slipping)
        if self._rules.intervals is not None and half_of(minute) != half_of(self._minute):
            last = max(self._minute, now - REACH_MS)
            again |= counters.counted_between(half_of(last), half_of(now))  # whole since then, and gone
            again |= counters.counted_between(half_of(last) - REACH_MS, half_of(now) - REACH_MS + HALF_HOUR_MS)
        return again

    def _judge_again(
        self, changed: Mapping[Counted, Group | None], counters: MinuteCounters, contacts: OpenContacts, now: int
    ) -> None:
        """Find out which of the groups that changed slip."""
        slipping = self._slipping
        looked_at: AbstractSet[Counted] = changed.keys()
        if self._rules.intervals is None:
            # This rules out most groups at once: after a start all of them are looked at.
            looked_at = {of for of, group in changed.items() if group is not None and not group.cannot_slip()}
            looked_at |= contacts.breached.keys() & changed.keys()
            for counted in (slipping.keys() & changed.keys()) - looked_at:
                del slipping[counted]
        for counted in looked_at:
            found = dict(self._observe(counters, contacts, counted, now, only_slipping=True))
            if found:
                slipping[counted] = found
            else:
                slipping.pop(counted, None)

    def seen(self, counters: MinuteCounters, contacts: OpenContacts, counted: Counted, now: int) -> Seen | None:
        """Give all that a group's objective is judged by; None: it is not judged."""
        waiting_bad = contacts.bad(counted)
        group = counters.group(counted) if waiting_bad else counters.groups.get(counted)
        if group is None or group.policy is None or (not waiting_bad and group.is_empty()):
            return None
        return Seen(group, group.policy, waiting_bad, now)

    def _observe(
        self, counters: MinuteCounters, contacts: OpenContacts, counted: Counted, now: int, *, only_slipping: bool
    ) -> Iterator[tuple[str, Observation]]:
        seen = self.seen(counters, contacts, counted, now)
        if seen is None:
            return
        costliest = contacts.costliest(counted, pane_of(now)) if seen.waiting_bad else ()
        for key, verdict, condition, rate in judge(seen, self._rules, only_slipping=only_slipping):
            yield (
                key,
                Observation(
                    key=key,
                    kind="objective",
                    condition=condition,
                    rule=seen.policy.name,
                    severity=self._severity(condition, rate),
                    dimensions=_dimensions(counted, seen.policy.priority, seen.policy.segment),
                    measured=self._measurement(seen, condition, rate),
                    contacts=costliest,
                    beyond=verdict[0],
                    clear=verdict[1],
                    hold_ms=self._rules.timing.hold_ms,
                ),
            )

    def _severity(self, condition: Condition, rate: BurnRate | None) -> Severity:
        if rate is not None:
            return rate.severity
        if condition == "interval_attainment" and self._rules.intervals is not None:
            return self._rules.intervals.severity
        return self._rules.attainment.severity

    def _measurement(self, seen: Seen, condition: Condition, rate: BurnRate | None) -> Measurement:
        policy, group = seen.policy, seen.group
        same: dict[str, Any] = {
            "unit": "share",
            "metric": policy.metric,
            "target_ms": policy.target_ms,
            "objective": policy.objective,
            "formula": formula_of(policy),
        }
        if condition == "interval_attainment" and self._rules.intervals is not None:
            counted, missed = intervals_of(seen, self._rules.intervals.min_volume)
            share = 1 - missed / counted if counted else 1.0
            same |= {"value": share, "limit": self._rules.intervals.share, "n": counted, "bad": missed}
            return Measurement(**same, window_ms=REACH_MS)
        length_ms = attainment_window(policy, self._rules)[0] if rate is None else rate.long_ms
        judged, bad = seen.sums(length_ms)
        expected = self._budgets.get(policy.name)
        same |= {
            "n": judged,
            "bad": bad,
            "window_ms": group.span(length_ms).open_ms,
            "budget_used": None
            if expected is None or policy.objective >= 1
            else budget_used(bad, policy.objective, expected),
        }
        if rate is None:
            return Measurement(**same, value=1 - bad / judged if judged else 1.0, limit=policy.objective)
        short = group.span(rate.short_ms)
        value = burn_rate_of(judged, bad, policy.objective)
        same |= {"value": value, "limit": rate.factor, "unit": "ratio", "short_window_ms": short.open_ms}
        return Measurement(**same)


@lru_cache(maxsize=10_000)
def _dimensions(counted: Counted, priority: str | None, segment: str | None) -> Dimensions:
    _, channel, queue = counted
    return Dimensions(channel=cast("Channel", channel), queue=queue or None, priority=priority, segment=segment)


def _counted_of(key: str) -> Counted | None:
    """Read the group that an objective's key names; None where it is the key of another rule."""
    condition, *parts = key_parts(key)
    if condition not in {"attainment", "burn_rate", "interval_attainment"}:
        return None
    return parts[0], parts[1], parts[2]
