"""Surges: far more contacts, of a queue or with a tag, than in the same hours of the last four weeks.

A count is a surge from the largest of three numbers on: the rule's factor times the mean of those weeks, its least
contacts, and five standard deviations above the mean, as chance alone gives them to contacts that come one by one.
Without the last weeks nothing is judged, and alerts that are there keep their state.
"""

from collections.abc import Collection, Mapping, Sequence
from math import sqrt
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.alert_rules import EVERY_TAG, AlertRules, FloorRule
from schemas.alerts import Dimensions, Measurement
from schemas.panes import PANE_MS
from schemas.policies import Rules, calendar_for
from schemas.topics import CHANNELS, Channel
from streams.alerts.arrivals import Arrivals
from streams.alerts.observation import Observation, alert_key, key_parts
from streams.core.business_time import in_hours
from streams.live.windows import pane_of
from streams.seasonal.past import HOUR_MS, Past, counts_at, same_times

#: One week does not show how much weeks differ.
LEAST_WEEKS: Final = 2
#: Standard deviations: windows overlap and queues are many, so that three would be reached each day by chance. With
#: five, chance raises an alert on one of 60 days of a queue at most, by a simulation of contacts that come one by one.
DEVIATIONS: Final = 5.0


class Expected(NamedTuple):
    """The same hours of the last weeks."""

    mean: float
    weeks: int


def limit_of(rule: FloorRule, expected: Expected) -> float:
    """Give from how many contacts on there is a surge; few weeks give an uncertain mean, which raises the limit."""
    by_chance = expected.mean + DEVIATIONS * sqrt(expected.mean * (1 + 1 / expected.weeks))
    return max(rule.factor * expected.mean, rule.limit, by_chance)


class KnownPast:
    """The last weeks, with what rules often need of them; a new one is made for each reading."""

    def __init__(self, past: Past, zone: ZoneInfo) -> None:
        self._past = past
        self._zone = zone
        #: A queue's first arrival: before it the queue may not have been there, so that weeks before it are not known.
        self._since = {
            (channel, queue): max(past.known_since((channel,)), min(counts))
            for (channel, queue), counts in past.arrivals.items()
            if counts
        }
        self._of_tag: dict[str, list[tuple[str, str]]] = {}
        for channel, queue, tag in past.tags:
            self._of_tag.setdefault(tag, []).append((channel, queue))

    def times(self, begin: int, end: int) -> list[tuple[int, int]]:
        """Give when the same hours were, in UTC milliseconds."""
        return same_times(begin, end, self._zone)

    def of_queue(self, channel: str, queue: str, times: Sequence[tuple[int, int]]) -> Expected | None:
        """Give what a queue's arrivals were; None: too few weeks are known."""
        since = self._since.get((channel, queue))
        if since is None:
            return None
        return _expected(counts_at(self._past.arrivals[channel, queue], since, times))

    def of_tag(self, rule: FloorRule, tag: str, times: Sequence[tuple[int, int]]) -> Expected | None:
        """Give how many contacts had a tag, in the queues that a rule names; None: too few weeks are known."""
        of_rule = {queue: since for queue, since in self._since.items() if _is_of(rule, *queue)}
        queues = [queue for queue in self._of_tag.get(tag, ()) if _is_of(rule, *queue)]
        if not of_rule or (self._past.left_out and tag not in self._of_tag):
            return None
        # Every channel has to be known: the counts of some are not the whole.
        since = max(min(of_rule.values()), self._past.known_since(channel for channel, _ in of_rule))
        by_queue = [counts_at(self._past.tags[*queue, tag], since, times, HOUR_MS) for queue in queues]
        return _expected(tuple(map(sum, zip(*by_queue, strict=True))) if by_queue else counts_at({}, since, times))


def _expected(counts: Sequence[int]) -> Expected | None:
    return Expected(sum(counts) / len(counts), len(counts)) if len(counts) >= LEAST_WEEKS else None


def _is_of(rule: FloorRule, channel: str, queue: str) -> bool:
    return rule.channel in {None, channel} and rule.queue in {None, queue}


def windows_of(rules: AlertRules) -> set[int]:
    """Give the lengths of time that surges are judged over, in milliseconds."""
    return {rule.window_ms for rule in rules.floor if rule.condition == "surge"}


def observations(
    arrivals: Arrivals,
    past: KnownPast | None,
    rules: Rules,
    alert_rules: AlertRules,
    now: int,
    watched: Collection[str],
) -> dict[str, Observation]:
    """Report each surge, each cause that is not clear of one, and those whose keys are watched.

    Without the last weeks the watched ones are held.
    """
    found: dict[str, Observation] = {}
    for rule in alert_rules.floor:
        if rule.condition == "surge":
            of_rule = {key for key in watched if key_parts(key)[:2] == ["floor", rule.name]}
            if past is None:
                found |= {key: _held(rule, key) for key in of_rule}
            else:
                found |= _Judge(rule, past, rules, now, alert_rules.timing.hysteresis).observe(arrivals, of_rule)
    return found


class _Judge:
    """One rule at a time."""

    def __init__(self, rule: FloorRule, past: KnownPast, rules: Rules, now: int, hysteresis: float) -> None:
        self._rule = rule
        self._past = past
        self._rules = rules
        self._now = now
        self._hysteresis = hysteresis
        begin = pane_of(now) + PANE_MS - rule.window_ms
        self._times = past.times(begin, now)

    def observe(self, arrivals: Arrivals, watched: Collection[str]) -> dict[str, Observation]:
        counts = dict(self._counts(arrivals))
        for key in watched:
            counts.setdefault(_parts(key), 0)
        # Below the rule's least contacts everything is clear, whatever was expected.
        almost = self._rule.limit * (1 - self._hysteresis)
        found = {}
        for parts, count in counts.items():
            key = alert_key("floor", self._rule.name, *parts)
            if count > almost or key in watched:
                seen = self._seen(key, parts, count)
                if seen is not None and (not seen.clear or key in watched):
                    found[key] = seen
        return found

    def _counts(self, arrivals: Arrivals) -> Mapping[tuple[str, ...], int]:
        """Count by what a key names: channel and queue, or the tag."""
        rule, counts = self._rule, dict[tuple[str, ...], int]()
        for (channel, queue, tag), n in arrivals.sums(rule.window_ms).items():
            if not _is_of(rule, channel, queue):
                continue
            if rule.tag is None and not tag:
                counts[channel, queue] = n
            elif tag and rule.tag in {EVERY_TAG, tag}:
                counts[(tag,)] = counts.get((tag,), 0) + n
        return counts

    def _seen(self, key: str, parts: tuple[str, ...], count: int) -> Observation | None:
        rule = self._rule
        of_tag = rule.tag is not None
        if of_tag != (len(parts) == 1):
            return None  # the rule was another one when its alert began
        queue = (rule.queue or "") if of_tag else parts[1]
        calendar = calendar_for(self._rules, queue, None)
        if not (rule.always or calendar is None or in_hours(calendar, self._now)):
            return None
        if of_tag:
            expected = self._past.of_tag(rule, parts[0], self._times)
        else:
            expected = self._past.of_queue(parts[0], parts[1], self._times)
        if expected is None:
            return None
        limit = limit_of(rule, expected)
        measured = Measurement(
            value=count,
            limit=limit,
            unit="count",
            window_ms=rule.window_ms,
            expected=expected.mean,
            weeks=expected.weeks,
        )
        beyond = count >= limit
        clear = not beyond and count <= limit * (1 - self._hysteresis)
        return _observation(rule, key, measured)._replace(beyond=beyond, clear=clear, hold_ms=rule.hold_ms)


def _held(rule: FloorRule, key: str) -> Observation:
    measured = Measurement(value=0, limit=rule.limit, unit="count")
    return _observation(rule, key, measured)._replace(beyond=False, held=True)


def _observation(rule: FloorRule, key: str, measured: Measurement) -> Observation:
    return Observation(
        key=key,
        kind="floor",
        condition="surge",
        rule=rule.name,
        severity=rule.severity,
        dimensions=_dimensions(rule, _parts(key)),
        measured=measured,
    )


def _parts(key: str) -> tuple[str, ...]:
    """Read what a key names after its rule."""
    return tuple(key_parts(key)[2:])


def _dimensions(rule: FloorRule, parts: tuple[str, ...]) -> Dimensions:
    if len(parts) == 1:
        return Dimensions(channel=rule.channel, queue=rule.queue, tag=parts[0])
    return Dimensions(channel=_channel(parts[0]), queue=parts[1])


def _channel(name: str) -> Channel | None:
    return next((channel for channel in CHANNELS if channel == name), None)
