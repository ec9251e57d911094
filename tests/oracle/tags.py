"""Tags: `tagged`, `any_tag` and `untagged_resolved`."""

from __future__ import annotations

from collections.abc import Iterator

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row
from tests.oracle.stretches import stretches


def _puts_on(contact: Contact, position: int, tag: str) -> bool:
    """Tell whether the event at `position` puts on what was called `tag` then."""
    event = contact.events[position]
    if event["type"] != "contact.tagged":
        return False
    return tag in {contact.centre.tag(each, event["at"])[0] for each in event["tags"]}


def _takes_off(contact: Contact, position: int, tag: str, put_on: int) -> bool:
    """Tell whether the event at `position` takes off what was called `tag` when it was put on."""
    event = contact.events[position]
    if event["type"] != "contact.untagged":
        return False
    return tag in {contact.centre.tag(each, contact.events[put_on]["at"])[0] for each in event["tags"]}


def in_effect(contact: Contact) -> dict[str, int]:
    """Return each tag in effect at the end, and the position of the event that put it into effect."""
    positions = range(len(contact.events))
    every = {
        contact.centre.tag(tag, event["at"])[0]
        for event in contact.events
        if event["type"] == "contact.tagged"
        for tag in event["tags"]
    }
    found = {}
    for tag in every:
        put_on = next((i for i in positions if _puts_on(contact, i, tag)), None)
        while put_on is not None:
            off = next((i for i in positions if i > put_on and _takes_off(contact, i, tag, put_on)), None)
            if off is None:
                found[tag] = put_on
                break
            put_on = next((i for i in positions if i > off and _puts_on(contact, i, tag)), None)
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give a row for each tag in effect, and what tells whether there is any."""
    tags = in_effect(contact)
    for tag, position in sorted(tags.items()):
        known = contact.centre.tag(tag, contact.events[position]["at"])[1]
        yield row(contact, "tagged", position, tag=tag, outcome="known" if known else "unknown")
    if tags:
        tagged = [i for i, event in enumerate(contact.events) if event["type"] == "contact.tagged"]
        yield row(contact, "any_tag", tagged[-1])
        return
    ends = [stretch.ended for stretch in stretches(contact) if stretch.ended is not None]
    if ends:
        yield row(contact, "untagged_resolved", ends[-1])
