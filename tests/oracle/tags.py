"""Tags: `tagged`, `any_tag` and `untagged_resolved`."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row
from tests.oracle.stretches import stretches


def canonical(tag: str) -> str:
    """Return a tag as it counts: trimmed, NFKC-casefolded. No taxonomy is configured."""
    folded = unicodedata.normalize("NFKC", tag.strip()).casefold()
    return unicodedata.normalize("NFKC", folded)


def _names(contact: Contact, position: int, event_type: str, tag: str) -> bool:
    event = contact.events[position]
    return event["type"] == event_type and tag in {canonical(each) for each in event["tags"]}


def in_effect(contact: Contact) -> dict[str, int]:
    """Return each tag in effect at the end, and the position of the event that put it into effect."""
    every = {canonical(tag) for event in contact.events if event["type"] == "contact.tagged" for tag in event["tags"]}
    found = {}
    for tag in every:
        positions = range(len(contact.events))
        taken_off = [i for i in positions if _names(contact, i, "contact.untagged", tag)]
        last_off = taken_off[-1] if taken_off else -1
        put_on = [i for i in positions if i > last_off and _names(contact, i, "contact.tagged", tag)]
        if put_on:
            found[tag] = put_on[0]
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give a row for each tag in effect, and what tells whether there is any."""
    tags = in_effect(contact)
    for tag, position in sorted(tags.items()):
        yield row(contact, "tagged", position, tag=tag)
    if tags:
        tagged = [i for i, event in enumerate(contact.events) if event["type"] == "contact.tagged"]
        yield row(contact, "any_tag", tagged[-1])
        return
    ends = [stretch.ended for stretch in stretches(contact) if stretch.ended is not None]
    if ends:
        yield row(contact, "untagged_resolved", ends[-1])
