"""Tags: `tagged`, `any_tag` and `untagged_resolved`."""

from collections.abc import Iterator

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row
from tests.oracle.stretches import stretches


def _named(contact: Contact, position: int, as_of: int) -> set[str]:
    """Name the tags of an event as the taxonomy in force at another has them."""
    return {contact.centre.tag(each, contact.at(as_of))[0] for each in contact.events[position]["tags"]}


def _takes_off(contact: Contact, position: int, tag: str, put_on: int) -> bool:
    """Untagging takes off what it names; tagging that replaces, what it does not name."""
    event, named = contact.events[position], tag in _named(contact, position, put_on)
    return named if event["type"] == "contact.untagged" else bool(event["replace"]) and not named


def in_effect(contact: Contact) -> dict[str, int]:
    """Return each tag in effect at the end, and the position of the event that put it into effect."""
    found: dict[str, int] = {}
    every = contact.find("contact.tagged", "contact.untagged")
    for put_on in contact.find("contact.tagged"):
        for tag in _named(contact, put_on, put_on):
            if tag not in found and not any(_takes_off(contact, i, tag, put_on) for i in every if i > put_on):
                found[tag] = put_on
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give a row for each tag in effect, and one that says whether there is any."""
    tags = in_effect(contact)
    for tag, position in sorted(tags.items()):
        known = contact.centre.tag(tag, contact.at(position))[1]
        yield row(contact, "tagged", position, tag=tag, outcome="known" if known else "unknown")
    ends = [stretch.ended for stretch in stretches(contact) if stretch.ended is not None]
    if tags:
        yield row(contact, "any_tag", contact.find("contact.tagged")[-1])
    elif ends and not contact.partial:
        yield row(contact, "untagged_resolved", ends[-1])
