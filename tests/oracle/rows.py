"""One sample, as the oracle gives it: what was measured, the dimensions in force, and what it is held against."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.oracle.centre import Table, ms
from tests.oracle.contacts import Contact

#: From when to when, each: what a duration is made of. UTC milliseconds.
Spans = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Row:
    """One sample of one contact. `at` in UTC milliseconds, `value_ms` a duration, `value` a count or millionths."""

    sample: str
    channel: str
    contact_id: str
    queue: str
    priority: str
    at: int
    value_ms: int | None = None
    value: int | None = None
    within: bool | None = None
    short: bool | None = None
    satisfied: bool | None = None
    tag: str = ""
    outcome: str = ""
    active_ms: int | None = None
    active_business_ms: int | None = None
    instance: int | None = None
    business_ms: int | None = None
    in_hours: bool | None = None
    policy: str = ""
    target_ms: int | None = None
    team: str = ""
    segment: str = ""
    language: str = ""
    agent_id: str = ""
    partial: bool = False
    caused_by: str = ""
    #: For what is measured of a handle segment, the event that opened it: two segments may have one end.
    slot: str = field(default="", kw_only=True)


def length(spans: Spans) -> int:
    """Add spans up; where clocks disagree, an end before its beginning gives 0."""
    return sum(max(0, end - begin) for begin, end in spans)


@dataclass(frozen=True)
class Measured:
    """A duration on each clock in milliseconds: as it is, and without pauses; business time is None without hours."""

    value_ms: int
    business_ms: int | None
    active_ms: int
    active_business_ms: int | None

    def held(self, policy: Table) -> int:
        """Return the duration that a policy's target is held against."""
        by_calendar = policy.get("clock", "calendar" if "calendar" in policy else "time") == "calendar"
        stops = policy.get("pauses", "count") == "stop"
        if by_calendar:
            return (self.active_business_ms if stops else self.business_ms) or 0
        return self.active_ms if stops else self.value_ms


def measured(contact: Contact, calendar: str | None, during: Spans, pauses: Spans = ()) -> Measured:
    """Measure a duration, in business time where a calendar applies."""
    business = paused = None
    if calendar is not None:
        business, paused = (
            sum(contact.centre.business_ms(calendar, begin, end) for begin, end in spans) for spans in (during, pauses)
        )
    active = None if business is None or paused is None else business - paused
    return Measured(length(during), business, length(during) - length(pauses), active)


def policy_of(contact: Contact, metric: str, position: int, queue: str, at: int) -> Table | None:
    """Find the policy in force at a time, by the dimensions at an event; a partial contact is held against none."""
    if contact.partial:
        return None
    priority, segment = contact.in_force(position, "priority", "normal"), contact.in_force(position, "segment")
    conditions = {"channel": contact.channel, "queue": queue, "priority": priority, "segment": segment}
    return contact.centre.policy(metric, at, **conditions)


def row(
    contact: Contact,
    sample: str,
    position: int,
    *,
    queue: str | None = None,
    during: Spans | None = None,
    pauses: Spans | None = None,
    metric: str | None = None,
    may_be_short: bool = False,
    **own: Any,  # noqa: ANN401 - whatever a row has
) -> Row:
    """Make a row at an event, with its own columns, and for others what is in force there."""
    centre, at = contact.centre, contact.at(position)
    queue = contact.queue(position) if queue is None else queue
    policy = None if metric is None else policy_of(contact, metric, position, queue, at)
    calendar = centre.calendar_of(queue, policy)
    if calendar is not None:
        own["in_hours"] = centre.is_open(calendar, at)
    if during is not None:
        lasted = measured(contact, calendar, during, pauses or ())
        own |= {"value_ms": lasted.value_ms, "business_ms": lasted.business_ms}
        if pauses is not None:
            own |= {"active_ms": lasted.active_ms, "active_business_ms": lasted.active_business_ms}
        if policy is not None:
            target = ms(policy["target"])
            own |= {"policy": policy["name"], "target_ms": target, "within": lasted.held(policy) <= target}
            own["short"] = lasted.value_ms < centre.short_abandon if may_be_short else None
    in_force = {"priority": contact.in_force(position, "priority", "normal"), "agent_id": contact.agent(position)}
    in_force |= {name: contact.in_force(position, name) for name in ("team", "segment", "language")}
    told = {"partial": contact.partial, "caused_by": contact.events[position]["event_id"]}
    return Row(sample, contact.channel, contact.contact_id, queue, at=at, **{**in_force, **told, **own})
