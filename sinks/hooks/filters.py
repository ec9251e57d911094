"""Decides which destination gets a message about which change. Pure."""

from collections.abc import Collection
from typing import Final

from schemas.alerts import Alert, Reason
from schemas.policies import normal_tag
from sinks.hooks.destinations import Destination
from sinks.hooks.messages import TaggedContact

#: Changes that a message is sent about; none is sent about old figures or the beginning of a silence.
_NOTIFIED: Final[frozenset[Reason]] = frozenset(
    {"first", "changed", "reminder", "resolved", "acknowledged", "unsilenced"}
)


def wants_alert(destination: Destination, alert: Alert) -> bool:
    """Tell whether a destination gets a message about this change of an alert.

    In a silence only resolutions are sent, and those only if a message about the firing was sent.
    """
    over, of = alert.state == "resolved", destination.filter
    quiet = not alert.notified if over else alert.silenced_by is not None
    if quiet or "alerts" not in destination.events or alert.reason not in _NOTIFIED:
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


def wants_end(destination: Destination, alert: Alert) -> bool:
    """Tell whether a destination that got a message about an alert gets its resolution, whatever has changed since."""
    states = destination.filter.states
    return alert.notified and "alerts" in destination.events and _has(states, "resolved")


def wants_tag(destination: Destination, tagged: TaggedContact) -> bool:
    """Tell whether a destination gets a message about this tag."""
    of = destination.filter
    return (
        "tags" in destination.events
        and normal_tag(tagged.tag) in set(map(normal_tag, of.tags))
        and _has(of.channels, tagged.channel)
        and _has(of.queues, tagged.queue)
    )


def _has(wanted: Collection[object], value: object) -> bool:
    return not wanted or value in wanted
