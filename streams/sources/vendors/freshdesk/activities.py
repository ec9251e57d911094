"""The daily export of activities: what was changed of tickets, second by second.

Dates are day-first. A status is written by its name, but tickets have its number. Rows have no ids, and some are equal:
each row states what holds from then on, so an equal row repeats the statement and changes nothing.
"""

import re
from typing import Any, Final

from streams.sources.adapter import UnmappableError
from streams.sources.vendor_values import (
    Json,
    JsonObject,
    list_at,
    object_at,
    optional_text_at,
    text_at,
    time_of,
    value_at,
)
from streams.sources.vendors.freshdesk.tickets import Ticket, add_group, add_state, priority_named

_DAY_FIRST: Final = re.compile(r"(\d\d)-(\d\d)-(\d{4}) (\d\d:\d\d:\d\d) ?([+-]\d\d:?\d\d)")


def performed_at(row: JsonObject) -> str:
    """Return when a row was performed: `DD-MM-YYYY HH:MM:SS +0000`."""
    path = "activity.performed_at"
    found = _DAY_FIRST.fullmatch(text_at(row, path))
    if found is None:
        raise UnmappableError(path, "must be a time such as 28-02-2026 08:00:00 +0000")
    day, month, year, clock, zone = found.groups()
    return time_of(f"{year}-{month}-{day}T{clock}{zone}", path)


def add_activities(ticket: Ticket, rows: list[Json]) -> None:
    """Add what rows of one ticket tell, in their order."""
    ticket_id = text_at(ticket.given, "ticket.id")
    seen: set[str] = set()
    state = ""
    for each in rows:
        given = {"activity": each}
        if text_at(given, "activity.ticket_id") != ticket_id:
            raise UnmappableError("activity.ticket_id", "is not the ticket's id")
        before = len(ticket.events)
        state = _add(ticket, given, state)
        made = ticket.events.events[before:]
        ticket.events.events[before:] = [event for event in made if event["event_id"] not in seen]
        seen.update(event["event_id"] for event in made)


def _add(ticket: Ticket, given: JsonObject, state: str) -> str:
    """Add what a row tells; returns the state that the ticket is in behind it, empty while nothing says."""
    at, add = performed_at(given), ticket.events.add
    changed: dict[str, Any] = {"activity": object_at(given, "activity.activity")}
    written = optional_text_at(changed, "activity.priority")
    if written:
        priority = priority_named(written, "activity.priority")
        add("contact.prioritised", at, "priority", priority, at, priority=priority)
    status = optional_text_at(changed, "activity.status")
    if status:
        known = ticket.state_named(status, "activity.status")
        add_state(ticket, known, at)
        state = known
    group = optional_text_at(changed, "activity.group") or optional_text_at(changed, "activity.group_id")
    queue = ticket.account.queue_named(group) if group else ""
    if queue and state != "resolved":
        add_group(ticket, group, queue, at)
    for name, kind in (("added_tags", "contact.tagged"), ("removed_tags", "contact.untagged")):
        tags = [text_at({"tag": tag}, "tag") for tag in list_at(changed, f"activity.{name}")]
        ticket.events.add_tags(kind, at, tags, name, at)
    if value_at(changed, "activity.spam") is True:
        add("contact.discarded", at, "spam", at, reason="spam")
    return state
