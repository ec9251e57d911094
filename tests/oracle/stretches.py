"""Open stretches: `resolution`, `reopened`, `replies` and `bot_contained`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import Contact, is_customer_message, is_human_reply
from tests.oracle.rows import Row, row
from tests.oracle.segments import segments
from tests.oracle.visits import visits


@dataclass(frozen=True)
class Stretch:
    """A time in which the contact is open: positions of its opening and its end.

    `reopened`: it was opened by a reopening, rather than by the start or a call that goes on.
    """

    opened: int
    ended: int | None
    reopened: bool


def _hangs_up(contact: Contact, position: int) -> bool:
    """Tell whether a call is over with the disconnection at `position`: nobody talks, nobody waits."""
    if contact.channel != "call" or contact.events[position]["type"] != "contact.disconnected":
        return False
    begun = [segment for segment in segments(contact) if segment.opened < position]
    if not begun:
        return False
    for segment in begun:
        newer = any(other.agent == segment.agent and other.opened > segment.opened for other in begun)
        if not newer and (segment.ended is None or segment.ended > position):
            return False
    return not any(
        visit.opened <= position and (visit.ended is None or visit.ended > position) for visit in visits(contact)
    )


def _ends(contact: Contact, position: int) -> bool:
    return contact.events[position]["type"] == "contact.resolved" or _hangs_up(contact, position)


def stretches(contact: Contact) -> list[Stretch]:
    """List a contact's open stretches."""
    events = contact.events
    found: list[Stretch] = []
    started = contact.first("contact.started")
    # A partial contact was under way before its earliest event, which may already end it.
    opened = 0 if started is None else started
    look_from = 0 if started is None else started + 1
    reopened = False
    while True:
        ended = next((i for i in range(look_from, len(events)) if _ends(contact, i)), None)
        found.append(Stretch(opened, ended, reopened))
        if ended is None:
            return found
        hung_up = events[ended]["type"] == "contact.disconnected"
        for position in range(ended + 1, len(events)):
            event = events[position]
            if event["type"] == "contact.reopened" or is_customer_message(event):
                opened, reopened = position, True
                break
            if hung_up and event["type"] in {"contact.queued", "contact.connected"}:
                opened, reopened = position, False
                break
        else:
            return found
        look_from = opened + 1


def last_opening_before(contact: Contact, position: int) -> int | None:
    """Return where the contact was last opened anew before `position`."""
    anew = [stretch.opened for stretch in stretches(contact)[1:] if stretch.opened < position]
    return anew[-1] if anew else None


def _paused_ms(contact: Contact, begins: int, ends: int) -> int:
    """Return how long the contact was paused between two positions."""
    total = 0
    position = 0
    while True:
        later = range(position, len(contact.events))
        paused = next((i for i in later if contact.events[i]["type"] == "contact.paused"), None)
        if paused is None:
            return total
        after = [i for i in later if i > paused]
        unpaused = next((i for i in after if contact.events[i]["type"] == "contact.unpaused"), len(contact.events))
        first, last = max(paused, begins), min(unpaused, ends)
        if first < last:
            total += contact.events[last]["at"] - contact.events[first]["at"]
        position = unpaused + 1


def rows(contact: Contact) -> Iterator[Row]:
    """Give each end's `resolution`, each `reopened`, and what counts once a contact."""
    events = contact.events
    ends: list[int] = []
    for stretch in stretches(contact):
        if stretch.reopened:
            yield row(contact, "reopened", stretch.opened)
        if stretch.ended is None:
            continue
        ends.append(stretch.ended)
        begun, ended = events[stretch.opened]["at"], events[stretch.ended]["at"]
        yield row(
            contact,
            "resolution",
            stretch.ended,
            during=[(begun, ended)],
            metric="resolution",
            active_ms=ended - begun - _paused_ms(contact, stretch.opened, stretch.ended),
            instance=len(ends),
        )
    if not ends:
        return
    replies = sum(1 for event in events[: ends[-1] + 1] if is_human_reply(event))
    yield row(contact, "replies", ends[-1], value=replies)
    bot = any(event["type"] == "message.sent" and event["author"] == "bot" for event in events)
    human = any(is_human_reply(event) for event in events) or (
        contact.first("contact.handed_off", "contact.queued", "contact.connected") is not None
    )
    if bot and not human:
        yield row(contact, "bot_contained", ends[0])
