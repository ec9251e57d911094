"""Handle segments: `handle`, `hold`, `wrap` and `talk`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row, who_acted_last


@dataclass(frozen=True)
class Segment:
    """One agent's work on a contact: positions of its events, and of those that end and close it."""

    agent: str
    opened: int
    own: list[int]
    ended: int | None
    wrapped: int | None

    @property
    def closed(self) -> int | None:
        """The first wrap-up's end, else the end."""
        return self.wrapped if self.wrapped is not None else self.ended


def _is_of(agent: str, contact: Contact, position: int) -> bool:
    event = contact.events[position]
    if event["type"] == "contact.transferred" and event["agent_id"] is None:
        return agent == who_acted_last(contact, position)
    if event["type"] == "contact.resolved":
        return True
    if event["type"] == "contact.disconnected" and event["agent_id"] is None:
        return True
    return bool(event["agent_id"] == agent)


def segments(contact: Contact) -> list[Segment]:
    """List a contact's handle segments, in the order of their openings."""
    events = contact.events
    connections = [i for i, event in enumerate(events) if event["type"] == "contact.connected"]
    found = []
    for opened in connections:
        agent = events[opened]["agent_id"]
        again = next((i for i in connections if i > opened and events[i]["agent_id"] == agent), len(events))
        own = [i for i in range(opened + 1, again) if _is_of(agent, contact, i)]
        ends = {"contact.disconnected", "contact.transferred", "contact.resolved"}
        ended = next((i for i in own if events[i]["type"] in ends), None)
        wrapped = next((i for i in own if events[i]["type"] == "contact.wrapped"), None)
        found.append(Segment(agent, opened, own, ended, wrapped))
    return found


def _holds(contact: Contact, segment: Segment) -> list[tuple[int, int]]:
    limit = min(i for i in (segment.ended, segment.wrapped) if i is not None)
    found: list[tuple[int, int]] = []
    position = segment.opened
    while True:
        inside = [i for i in segment.own if position < i < limit]
        held = next((i for i in inside if contact.events[i]["type"] == "contact.held"), None)
        if held is None:
            return found
        resumed = next((i for i in inside if i > held and contact.events[i]["type"] == "contact.resumed"), limit)
        found.append((contact.events[held]["at"], contact.events[resumed]["at"]))
        position = resumed


def rows(contact: Contact) -> Iterator[Row]:
    """Give four samples at each segment's close, with the queue and priority in force at its opening."""
    for segment in segments(contact):
        closed = segment.closed
        if closed is None:
            continue
        at = [event["at"] for event in contact.events]
        holds = _holds(contact, segment)
        talk_ends = at[segment.ended] if segment.ended is not None and segment.ended < closed else at[closed]
        # Talk is what lies between holds, up to the wrap-up.
        edges = [at[segment.opened], *(moment for hold in holds for moment in hold), talk_ends]
        parts = {
            "handle": [(at[segment.opened], at[closed])],
            "hold": holds,
            "wrap": [(talk_ends, at[closed])],
            "talk": list(zip(edges[::2], edges[1::2], strict=True)),
        }
        for sample, during in parts.items():
            yield row(
                contact,
                sample,
                closed,
                queue=contact.queue(segment.opened),
                priority=contact.priority(segment.opened),
                agent=segment.agent,
                during=during,
                slot=contact.events[segment.opened]["event_id"],
            )
