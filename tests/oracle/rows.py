"""One measurement, as the oracle gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.oracle.centre import Table, ms
from tests.oracle.contacts import Contact, is_human_reply


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
    short: bool = False
    satisfied: bool | None = None
    tag: str = ""
    outcome: str = ""
    active_ms: int | None = None
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
    slot: str = ""


def agent_of(contact: Contact, position: int) -> str:
    """Name the agent in force: the event's own, else the last who connected or replied."""
    named = contact.events[position]["agent_id"]
    if named is not None:
        return str(named)
    return who_acted_last(contact, position) or ""


def who_acted_last(contact: Contact, before: int) -> str | None:
    """Name the agent who connected or replied last."""
    acted = [
        event["agent_id"]
        for event in contact.events[:before]
        if event["agent_id"] is not None and (event["type"] == "contact.connected" or is_human_reply(event))
    ]
    return acted[-1] if acted else None


def policy_of(contact: Contact, metric: str, position: int) -> Table | None:
    """Find the policy that the event at `position` is held against; a partial contact is outside service level."""
    if contact.partial:
        return None
    return contact.centre.policy(
        metric,
        contact.events[position]["at"],
        channel=contact.channel,
        queue=contact.queue(position),
        priority=contact.priority(position),
        segment=contact.in_force(position, "segment", ""),
    )


def row(
    contact: Contact,
    sample: str,
    position: int,
    *,
    queue: str | None = None,
    priority: str | None = None,
    agent: str | None = None,
    during: Sequence[tuple[int, int]] | None = None,
    value: int | None = None,
    metric: str | None = None,
    short: bool = False,
    satisfied: bool | None = None,
    tag: str = "",
    outcome: str = "",
    active_ms: int | None = None,
    instance: int | None = None,
    slot: str = "",
) -> Row:
    """Make a row at the event at `position`, with the dimensions in force there unless told otherwise.

    `during` is what a duration is made of, from when to when each; it is held against the policy of a `metric`.
    """
    centre, at = contact.centre, contact.events[position]["at"]
    queue = contact.queue(position) if queue is None else queue
    policy = None if metric is None else policy_of(contact, metric, position)
    calendar = centre.calendar_of(queue, policy)
    value_ms = None if during is None else sum(end - begin for begin, end in during)
    business_ms = None
    if during is not None and calendar is not None:
        business_ms = sum(centre.business_ms(calendar, begin, end) for begin, end in during)
    within = None
    if policy is not None:
        by_calendar = policy.get("clock", "calendar" if "calendar" in policy else "time") == "calendar"
        within = ((business_ms if by_calendar else value_ms) or 0) <= ms(policy["target"])
    return Row(
        sample,
        contact.channel,
        contact.contact_id,
        queue,
        contact.priority(position) if priority is None else priority,
        at,
        value_ms,
        value,
        within,
        short and policy is not None,  # told only beside a target
        satisfied,
        tag,
        outcome,
        active_ms,
        instance,
        business_ms,
        None if calendar is None else centre.is_open(calendar, at),
        "" if policy is None else policy["name"],
        None if policy is None else ms(policy["target"]),
        contact.in_force(position, "team", ""),
        contact.in_force(position, "segment", ""),
        contact.in_force(position, "language", ""),
        agent_of(contact, position) if agent is None else agent,
        contact.partial,
        contact.events[position]["event_id"],
        slot,
    )
