"""Queue visits: `entered` and `queue_wait`."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import HUMAN_REPLY, Contact
from tests.oracle.rows import Row, row


@dataclass(frozen=True)
class Visit:
    """One stay in a queue: the positions of the events that open and end it."""

    queue: str
    opened: int
    ended: int | None
    outcome: str

    def is_open(self, position: int) -> bool:
        """Tell whether it is open once the event at a position has happened."""
        return self.opened <= position and (self.ended is None or self.ended > position)


def awaits_callback(contact: Contact, position: int) -> bool:
    """A call back lasts from a `contact.dequeued` for it to the next connection."""
    taken = [i for i in contact.find("contact.dequeued", before=position) if contact.events[i]["reason"] == "callback"]
    return bool(taken) and not contact.find("contact.connected", after=taken[-1], before=position)


def _outcome(contact: Contact, position: int, queue: str) -> str | None:
    """Say how an event ends a visit to a queue; None where it does not."""
    event, kinds = contact.events[position], contact.kinds(position)
    if kinds & {"contact.connected", HUMAN_REPLY}:
        return "answered"
    if kinds & {"contact.abandoned"}:
        return "abandoned"
    if kinds & {"contact.queued", "contact.transferred"} and event["queue"] not in {None, queue}:
        return "moved"
    if kinds & {"contact.dequeued"}:
        return str(event["reason"])
    hung_up = kinds & {"contact.disconnected"} and event["agent_id"] is None and not awaits_callback(contact, position)
    return "left" if hung_up or kinds & {"contact.resolved"} else None


def visits(contact: Contact) -> list[Visit]:
    """A visit opens at `contact.queued` and at a transfer that names a queue; one in that queue already continues."""
    found: list[Visit] = []
    for opened in contact.find("contact.queued", "contact.transferred"):
        queue = contact.events[opened]["queue"]
        if queue is None or (found and found[-1].is_open(opened)):
            continue
        later = [(i, _outcome(contact, i, queue)) for i in range(opened + 1, len(contact.events))]
        ended, outcome = next(((i, how) for i, how in later if how is not None), (None, ""))
        found.append(Visit(queue, opened, ended, outcome))
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give `entered` at each opening and `queue_wait` at each end, with the visit's queue."""
    for visit in visits(contact):
        yield row(contact, "entered", visit.opened)
        if visit.ended is not None:
            yield row(
                contact,
                "queue_wait",
                visit.ended,
                queue=visit.queue,
                during=[(contact.at(visit.opened), contact.at(visit.ended))],
                metric="queue_wait",
                may_be_short=visit.outcome == "abandoned",
                outcome=visit.outcome,
            )
