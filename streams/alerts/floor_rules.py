"""The floor: the longest wait, the number waiting, and nobody available while somebody waits, in each queue.

Whether anybody is available is judged by the free slots of the rule's agent group in the queue's channel; where no
slots are known, by the available agents. Where no agent is known, it is not judged.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Final, NamedTuple, cast

from schemas.alert_rules import AlertRules, FloorRule
from schemas.alerts import CostlyContact, Dimensions, Measurement
from schemas.policies import Rules, calendar_for
from schemas.topics import Channel
from streams.alerts.observation import Observation, alert_key
from streams.core.business_time import in_hours
from streams.live.gauges import GaugeReading
from streams.live.live_agents import AgentsReading
from streams.live.pane_sums import Group

_NOBODY: Final = GaugeReading()


class Floor(NamedTuple):
    """The floor at a moment."""

    gauges: Mapping[Group, GaugeReading]
    agents: Mapping[str | None, AgentsReading]
    #: Names the contacts that have waited longest in a channel's queue.
    waiting_longest: Callable[[str, str], tuple[CostlyContact, ...]]


def observations(
    floor: Floor, rules: Rules, alert_rules: AlertRules, now: int, watched: Collection[str]
) -> dict[str, Observation]:
    """Report each queue that a rule finds beyond its limit or not clear of it, and those whose keys are watched."""
    found = {}
    for channel, queue in _queues(floor):
        calendar = calendar_for(rules, queue, None)
        is_open = calendar is None or in_hours(calendar, now)
        for rule in alert_rules.floor:
            if rule.condition == "surge":
                continue  # `surge_rules` judges it
            if (is_open or rule.always) and rule.channel in {None, channel} and rule.queue in {None, queue}:
                seen = _observe(rule, floor, channel, queue, now, alert_rules.timing.hysteresis)
                if seen is not None and (not seen.clear or seen.key in watched):
                    found[seen.key] = seen
    return found


def _queues(floor: Floor) -> Iterator[tuple[str, str]]:
    for channel, queue in floor.gauges:
        if channel is not None and queue is not None:
            yield channel, queue


def _observe(
    rule: FloorRule, floor: Floor, channel: str, queue: str, now: int, hysteresis: float
) -> Observation | None:
    gauge = floor.gauges.get((channel, queue), _NOBODY)
    if rule.condition == "nobody_available":
        free = free_slots(floor.agents.get(rule.group), channel)
        if free is None:
            return None
        beyond = gauge.waiting > 0 and free == 0
        measured = Measurement(value=free, limit=1, unit="count", n=gauge.waiting)
        clear = not beyond
    else:
        if rule.condition == "waiting":
            value, beyond = gauge.waiting, gauge.waiting >= rule.limit
        else:
            since = gauge.oldest_waiting_since
            value = 0 if since is None else max(0, now - since)
            beyond = value > rule.limit
        measured = Measurement(
            value=value, limit=rule.limit, unit="count" if rule.condition == "waiting" else "ms", n=gauge.waiting
        )
        clear = not beyond and value <= rule.limit * (1 - hysteresis)
    return Observation(
        key=alert_key("floor", rule.name, channel, queue),
        kind="floor",
        condition=rule.condition,
        rule=rule.name,
        severity=rule.severity,
        dimensions=Dimensions(channel=cast("Channel", channel), queue=queue),
        measured=measured,
        contacts=() if clear else floor.waiting_longest(channel, queue),
        beyond=beyond,
        clear=clear,
        hold_ms=rule.hold_ms,
    )


def free_slots(agents: AgentsReading | None, channel: str) -> int | None:
    """Give a group's free slots in a channel, or its available agents where no slots are known; None: no agents."""
    if agents is None:
        return None
    free = next((slots.free for slots in agents.slots if slots.channel == channel), None)
    return agents.by_status["available"] if free is None else free
