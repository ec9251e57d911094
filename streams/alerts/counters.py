"""Contacts judged and contacts bad, by minute, policy, channel and queue, and their sums over the windows of the rules.

Journals bring a pane as an absolute value for its source partition and epoch, as `streams.live.live_panes` says. What
it adds to the last value seen goes to the policy in force at the pane's start and into the windows that hold the
minute, so that a judgement costs only what changed. A policy's formula says who is judged and who is bad.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import orjson

from schemas.alert_rules import REACH_MS, AlertRules, burn_rates_for
from schemas.calendars import Calendar
from schemas.journal import PANE, decode_pane_key
from schemas.panes import PANE_MS, PaneKey
from schemas.policies import Metric, Policy, Rules, calendar_for, policies_since, policy_for
from schemas.topics import SourcePartition
from streams.alerts.groups import ALL_QUEUES, Counted, Group, Window, Windows
from streams.alerts.open_time import window_at
from streams.alerts.policies import policies_at
from streams.live.service_level import FORMULAS, ServiceLevelCounts
from streams.live.windows import pane_of

#: The metric whose policy a sample is held against.
METRICS: Final[Mapping[str, Metric]] = MappingProxyType(
    {
        "first_response": "first_response",
        "abandoned": "first_response",
        "next_response": "next_response",
        "queue_wait": "queue_wait",
        "resolution": "resolution",
    }
)

HALF_HOUR_MS: Final = 1_800_000

#: Panes are kept for a minute more than windows reach, for clocks that differ.
_KEPT_MS: Final = REACH_MS + PANE_MS


#: What a pane holds of contacts that were held against a target: how many, those within, and the short ones.
Held = tuple[int, int, int]
_NONE: Final[Held] = (0, 0, 0)


def judged_and_bad(sample: str, held: Held, formula: str) -> tuple[int, int]:
    """Give how many contacts a pane adds to the judged and to the bad.

    A first response goes by the policy's formula. The pane of `queue_wait` does not say how a visit ended: every visit
    counts by its length, a short abandonment not at all. Where the target is below what counts as short, the pane does
    not say either how many short ones are among those within. The highest possible number is taken, so that the share
    in time may look worse than it is, and never better.
    """
    n, within, short = held
    if sample == "first_response":
        good, judged = FORMULAS[formula](ServiceLevelCounts(answered=n, answered_within=within))
    elif sample == "abandoned":
        good, judged = FORMULAS[formula](ServiceLevelCounts(abandoned=n, abandoned_within=within, short=short))
    else:
        good, judged = max(0, within - short), n - short
    return judged, judged - good


def formula_of(policy: Policy) -> str:
    """Name the formula that a policy's contacts are counted by: visits have one of their own."""
    return {"first_response": policy.formula, "queue_wait": "visits_by_length"}.get(policy.metric, "answered_only")


class MinuteCounters:
    """The counters of all groups.

    `changed` has the groups whose sums changed since it was last taken, by their names: after a start that is all of
    them, and looking each up again would take longer than judging it. A group that is gone is there as it last was.
    """

    def __init__(self, rules: Rules, alert_rules: AlertRules) -> None:
        self._rules = rules
        self._alert_rules = alert_rules
        self._now = 0
        self._eras = 0
        #: By pane start: the last value of each (source partition, key) with its channel.
        self._values: dict[int, dict[tuple[SourcePartition, bytes], tuple[str, Held]]] = {}
        #: Which groups have counts in a minute.
        self._in_minute: dict[int, set[Counted]] = {}
        self._windows: dict[tuple[Calendar | None, int], Window] = {}
        self._shared: dict[tuple[Calendar | None, tuple[int, ...]], Windows] = {}
        self._policies: Mapping[str, Policy] = {}
        #: The policies in force that are judged in all queues of a channel together.
        self.together = frozenset[str]()
        self.groups: dict[Counted, Group] = {}
        self.changed: dict[Counted, Group | None] = {}

    def use(self, rules: Rules, alert_rules: AlertRules) -> None:
        """Count by other rules from now on, what was counted before included."""
        self._rules, self._alert_rules = rules, alert_rules
        self._recount()

    def _recount(self) -> None:
        self._in_minute.clear()
        self.changed.update(self.groups)
        self.groups = {}
        self._renew_policies()
        for start, values in self._values.items():
            for (_, key), (channel, held) in values.items():
                self._add(decode_pane_key(key), start, channel, held, _NONE)

    def advance(self, now_ms: int) -> None:
        """Advance to `now_ms`, never back: windows roll, policies come into force, old panes are dropped."""
        self._now = max(self._now, now_ms)
        for start in [start for start in self._values if start < self._now - _KEPT_MS]:
            del self._values[start]
        before = self.together
        if not self._policies or policies_since(self._rules, self._now) != self._eras:
            self._renew_policies()
            if self.together != before:
                self._recount()
        for window in self._windows.values():
            self._roll(window)
        for start in [start for start in self._in_minute if start < self._now - _KEPT_MS]:
            for counted in self._in_minute.pop(start):
                self._forget(counted, start)

    def update(self, partition: SourcePartition, channel: str, key: bytes, value: bytes) -> None:
        """Apply the new value of a pane."""
        if key[:1] != PANE:
            return
        pane_key = decode_pane_key(key)
        if pane_key.sample not in METRICS or pane_key.start < self._now - _KEPT_MS:
            return
        fields = orjson.loads(value)
        held = fields[1], fields[2], fields[3]
        values = self._values.setdefault(pane_key.start, {})
        _, before = values.get((partition, key), ("", _NONE))
        values[partition, key] = channel, held
        if held != before:
            self._add(pane_key, pane_key.start, channel, held, before)

    def retract(self, partition: SourcePartition, epoch: int) -> None:
        """Subtract what a source partition's panes of an epoch added: its journal is read again."""
        for start, values in self._values.items():
            for of in [of for of in values if of[0] == partition]:
                pane_key = decode_pane_key(of[1])
                if pane_key.epoch == epoch:
                    channel, held = values.pop(of)
                    self._add(pane_key, start, channel, _NONE, held)

    def group(self, counted: Counted) -> Group:
        """Give a group, a new one where nothing is counted yet."""
        group = self.groups.get(counted)
        if group is None:
            group = self.groups[counted] = Group(counted)
            self._renew(group)
        return group

    def counted_between(self, begin: int, end: int) -> set[Counted]:
        """Name the groups that have counts in the minutes from `begin` to before `end`."""
        return {counted for start in self._minutes_between(begin, end) for counted in self._in_minute[start]}

    def _add(self, key: PaneKey, start: int, channel: str, held: Held, before: Held) -> None:
        policy = policy_for(self._rules, METRICS[key.sample], channel, key.queue, key.priority, key.segment, start)
        if policy is None:
            return
        judged, bad = judged_and_bad(key.sample, held, policy.formula)
        judged_before, bad_before = judged_and_bad(key.sample, before, policy.formula)
        judged, bad = judged - judged_before, bad - bad_before
        if not judged and not bad:
            return
        group = self.group((policy.name, channel, ALL_QUEUES if policy.name in self.together else key.queue))
        if start not in group.minutes:
            self._in_minute.setdefault(start, set()).add(group.counted)
        _add_to(group.minutes, start, judged, bad)
        if self._alert_rules.intervals is not None:
            _add_to(group.halves, half_of(start), judged, bad)
        group.add(start, judged, bad)
        self.changed[group.counted] = group

    def _forget(self, counted: Counted, start: int) -> None:
        group = self.groups[counted]
        del group.minutes[start]
        group.halves.pop(half_of(start), None)
        self.changed[counted] = group
        if not group.minutes:
            del self.groups[counted]

    def _renew_policies(self) -> None:
        """Find the policies in force now, and the windows that they are judged over."""
        self._eras = policies_since(self._rules, self._now)
        self._policies = policies_at(self._rules, self._now)
        self.together = frozenset(each.name for each in self._policies.values() if each.objective_per == "channel")
        self._windows, self._shared = {}, {}
        for group in self.groups.values():
            self._renew(group)
        self.changed.update(self.groups)

    def _renew(self, group: Group) -> None:
        name, _, queue = group.counted
        policy = group.policy = self._policies.get(name)
        if policy is None:
            group.burn_rates, group.windows, group.sums = (), Windows(), []
            return
        calendar = calendar_for(self._rules, queue, policy)
        group.burn_rates = burn_rates_for(self._alert_rules.burn_rates, policy.name, policy.objective)
        lengths = {policy.window_ms or self._alert_rules.attainment.window_ms}
        group.least_volume = max(1, policy.min_volume or self._alert_rules.attainment.min_volume)
        for rate in group.burn_rates:
            lengths |= {rate.long_ms, rate.short_ms}
            group.least_volume = min(group.least_volume, rate.min_long)
        group.windows = self._windows_of(calendar, tuple(sorted(lengths)))
        group.sums = [0] * (2 * len(lengths))
        for start, (judged, bad) in group.minutes.items():
            group.add(start, judged, bad)

    def _windows_of(self, calendar: Calendar | None, lengths: tuple[int, ...]) -> Windows:
        windows = self._shared.get((calendar, lengths))
        if windows is None:
            each = tuple(self._window(calendar, length) for length in lengths)
            places = {length: place for place, length in enumerate(lengths)}
            windows = self._shared[calendar, lengths] = Windows(each, places)
        return windows

    def _window(self, calendar: Calendar | None, length_ms: int) -> Window:
        window = self._windows.get((calendar, length_ms))
        if window is None:
            window = self._windows[calendar, length_ms] = Window(calendar, length_ms)
            window.span = window_at(calendar, length_ms, pane_of(self._now))
        return window

    def _roll(self, window: Window) -> None:
        """Move a window to the present panes; the groups that have counts in panes that enter or leave it change."""
        before, span = window.span, window_at(window.calendar, window.length_ms, pane_of(self._now))
        if span == before:
            return
        window.span = span
        leaves, enters = (before.begin, min(before.end, span.begin)), (max(before.end, span.begin), span.end)
        for (begin, end), sign in ((leaves, -1), (enters, 1)):
            for start in self._minutes_between(begin, end):
                for counted in self._in_minute[start]:
                    self._shift(self.groups[counted], window, start, sign)

    def _minutes_between(self, begin: int, end: int) -> Iterable[int]:
        if (end - begin) // PANE_MS < len(self._in_minute):
            return [start for start in range(begin, end, PANE_MS) if start in self._in_minute]
        return [start for start in self._in_minute if begin <= start < end]

    def _shift(self, group: Group, window: Window, start: int, sign: int) -> None:
        place = group.windows.places.get(window.length_ms)
        if place is not None and group.windows.windows[place] is window:
            judged, bad = group.minutes[start]
            group.add_at(place, sign * judged, sign * bad)
            self.changed[group.counted] = group


def _add_to(counts: dict[int, tuple[int, int]], start: int, judged: int, bad: int) -> None:
    before = counts.get(start, (0, 0))
    counts[start] = before[0] + judged, before[1] + bad


def half_of(at_ms: int) -> int:
    """Return the start of the half hour that a time lies in."""
    return at_ms - at_ms % HALF_HOUR_MS
