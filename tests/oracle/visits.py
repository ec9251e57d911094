"""Queue visits: `entered` and `queue_wait`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import Contact, Event, is_human_reply
from tests.oracle.rows import Row, row


@dataclass(frozen=True)
class Visit:
    """One stay in a queue: the positions of the events that open and end it."""

    queue: str
    opened: int
    ended: int | None
    outcome: str


def _enters(event: Event) -> bool:
    return event["type"] in {"contact.queued", "contact.transferred"} and event["queue"] is not None


def _outcome(event: Event, queue: str) -> str | None:
    """Say how an event ends a visit to `queue`; None where it does not."""
    if event["type"] == "contact.connected" or is_human_reply(event):
        return "answered"
    if event["type"] == "contact.abandoned":
        return "abandoned"
    if _enters(event) and event["queue"] != queue:
        return "moved"
    if event["type"] == "contact.resolved" or (event["type"] == "contact.disconnected" and event["agent_id"] is None):
        return "left"
    return None


def visits(contact: Contact) -> list[Visit]:
    """List a contact's queue visits."""
    found: list[Visit] = []
    events = contact.events
    position = 0
    while position < len(events):
        if not _enters(events[position]):
            position += 1
            continue
        queue = events[position]["queue"]
        later = range(position + 1, len(events))
        ended = next((i for i in later if _outcome(events[i], queue) is not None), None)
        outcome = "" if ended is None else _outcome(events[ended], queue) or ""
        found.append(Visit(queue, position, ended, outcome))
        if ended is None:
            break
        # What moves the contact on is itself the next visit's opening.
        position = ended
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give `entered` at each opening and `queue_wait` at each end."""
    for visit in visits(contact):
        yield row(contact, "entered", visit.opened)
        if visit.ended is not None:
            during = [(contact.events[visit.opened]["at"], contact.events[visit.ended]["at"])]
            yield row(contact, "queue_wait", visit.ended, queue=visit.queue, during=during, outcome=visit.outcome)
