"""Handle segments: `handle`, `hold`, `wrap` and `talk`."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row

#: What ends a segment.
ENDS = ("contact.disconnected", "contact.transferred", "contact.abandoned", "contact.resolved")


@dataclass(frozen=True)
class Segment:
    """One agent's work on a contact: positions of its opening, end and `contact.wrapped`.

    `until`: the agent's next connection, which ends, uncounted, what never ended; or behind the last event.
    """

    agent: str
    opened: int
    until: int
    ended: int | None
    wrapped: int | None

    @property
    def closed(self) -> int | None:
        """Closed is the first `contact.wrapped` that is its own, else ended."""
        return self.ended if self.wrapped is None else self.wrapped

    def is_open(self, position: int) -> bool:
        """Tell whether it runs once the event at a position has happened."""
        return self.opened <= position < min(self.until, self.until if self.ended is None else self.ended)


def _of(contact: Contact, agent: str, position: int) -> bool:
    """Say whose an event is: one of these without an agent is every agent's, a transfer that of the agent in force."""
    event, kinds = contact.events[position], contact.kinds(position)
    if kinds & {"contact.resolved", "contact.abandoned"}:
        return True
    if event["agent_id"] is None and kinds & {"contact.disconnected"}:
        return True
    return (contact.agent(position) if kinds & {"contact.transferred"} else event["agent_id"]) == agent


def segments(contact: Contact) -> list[Segment]:
    """List a contact's handle segments, in the order of their openings."""
    found: list[Segment] = []
    connections = contact.find("contact.connected")
    for agent in dict.fromkeys(contact.events[i]["agent_id"] for i in connections):
        openings = [i for i in connections if contact.events[i]["agent_id"] == agent]
        mine: list[Segment] = []
        for opened, until in zip(openings, [*openings[1:], len(contact.events)], strict=True):
            ended = next((i for i in contact.find(*ENDS, after=opened, before=until) if _of(contact, agent, i)), None)
            wraps = [
                i
                for i in contact.find("contact.wrapped", after=opened, before=until)
                if contact.events[i]["agent_id"] == agent
            ]
            before_the_end = [i for i in wraps if ended is None or i < ended]
            former = mine[-1] if mine else None
            if before_the_end and former and former.ended is not None and former.wrapped is None:
                # The form of the former call, saved during the next.
                mine[-1] = Segment(agent, former.opened, former.until, former.ended, before_the_end.pop(0))
                wraps = wraps[1:]
            if before_the_end:
                ended = before_the_end[0]
            mine.append(Segment(agent, opened, until, ended, wraps[0] if wraps else None))
        found += mine
    return sorted(found, key=lambda each: each.opened)


def _holds(contact: Contact, segment: Segment, limit: int) -> list[tuple[int, int]]:
    """List that agent's holds up to a limit; a `held` during one changes nothing, an open one ends at the limit."""
    found: list[tuple[int, int]] = []
    position = segment.opened
    while True:
        own = [
            i
            for i in contact.find("contact.held", "contact.resumed", after=position, before=limit)
            if contact.events[i]["agent_id"] == segment.agent
        ]
        held = next((i for i in own if contact.kinds(i) & {"contact.held"}), None)
        if held is None:
            return found
        position = next((i for i in own if i > held and contact.kinds(i) & {"contact.resumed"}), limit)
        found.append((contact.at(held), contact.at(position)))


def rows(contact: Contact) -> Iterator[Row]:
    """Give four samples at each close, with the queue and priority in force at the opening, and the segment's agent."""
    for segment in segments(contact):
        if segment.closed is None or segment.ended is None:
            continue
        limit = min(segment.ended, segment.closed)
        begins, ends, closes = contact.at(segment.opened), contact.at(limit), contact.at(segment.closed)
        holds = _holds(contact, segment, limit)
        edges = [begins, *(moment for hold in holds for moment in hold), ends]
        parts = {
            "handle": [(begins, closes)],
            "hold": holds,
            "wrap": [(ends, closes)],
            "talk": list(zip(edges[::2], edges[1::2], strict=True)),  # between the holds
        }
        for sample, during in parts.items():
            yield row(
                contact,
                sample,
                segment.closed,
                queue=contact.queue(segment.opened),
                priority=contact.in_force(segment.opened, "priority", "normal"),
                agent_id=segment.agent,
                during=during,
                slot=contact.events[segment.opened]["event_id"],
            )
