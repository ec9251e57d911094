"""Who is told of what: pure."""

from collections.abc import Collection
from typing import Final

from schemas.alerts import Alert, Reason
from schemas.policies import normal_tag
from sinks.hooks.destinations import Destination
from sinks.hooks.messages import TaggedContact

#: Changes that people are told of; that figures are old, or that a silence begins, is none.
_TOLD: Final[frozenset[Reason]] = frozenset({"first", "changed", "reminder", "resolved", "acknowledged", "unsilenced"})


def is_told_of_alert(destination: Destination, alert: Alert) -> bool:
    """Tell whether a destination gets this change of an alert.

    In a silence nobody does, but for the end of an alert whose beginning was told; an end without that is told to none.
    """
    over, of = alert.state == "resolved", destination.filter
    quiet = not alert.notified if over else alert.silenced_by is not None
    if quiet or "alerts" not in destination.events or alert.reason not in _TOLD:
        return False
    dimensions = alert.dimensions
    return (
        _has(of.kinds, alert.kind)
        and _has(of.conditions, alert.condition)
        and _has(of.severities, alert.severity)
        and _has(of.rules, alert.rule)
        and _has(of.states, alert.state)
        and _has(of.channels, dimensions.channel)
        and _has(of.queues, dimensions.queue)
        and _has(list(map(normal_tag, of.tags)), None if dimensions.tag is None else normal_tag(dimensions.tag))
    )


def is_told_of_end(destination: Destination, alert: Alert) -> bool:
    """Tell whether a destination that was told of an alert's beginning gets its end: whatever it became since."""
    states = destination.filter.states
    return alert.notified and "alerts" in destination.events and _has(states, "resolved")


def is_told_of_tag(destination: Destination, tagged: TaggedContact) -> bool:
    """Tell whether a destination gets a message of this tag."""
    of = destination.filter
    return (
        "tags" in destination.events
        and normal_tag(tagged.tag) in set(map(normal_tag, of.tags))
        and _has(of.channels, tagged.channel)
        and _has(of.queues, tagged.queue)
    )


def _has(wanted: Collection[object], value: object) -> bool:
    return not wanted or value in wanted
