"""The clock of the first response: `first_response`, `abandoned` and `ivr_abandoned`."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import BOT_MESSAGE, CUSTOMER_MESSAGE, HUMAN_REPLY, Contact
from tests.oracle.rows import Row, row
from tests.oracle.stretches import stretches

REACHES_HUMANS = ("contact.queued", "contact.handed_off", "contact.connected")


@dataclass(frozen=True)
class Answer:
    """What came first: `first_response` or `abandoned`, at which event, and since when its clock ran (UTC ms).

    `silent`: the wait of a partial contact ended, and nobody saw its beginning.
    """

    what: str
    position: int
    since: int


def beginning(contact: Contact, before: int) -> int:
    """Resolved before any response and opened again: the last such opening takes the place of `contact.started`."""
    return [stretch.opened for stretch in stretches(contact) if stretch.opened < before or stretch.opened == 0][-1]


def clock_start(contact: Contact, before: int) -> int | None:
    """Return since when the customer waits for a human, as seen just before an event; None: no clock runs."""
    begins = beginning(contact, before)
    since = _by_rule(contact, begins, before)
    if contact.customers_own:
        return since
    # Outbound, or initiated by an agent or the system: its first customer message, or the rule's time where later.
    written = contact.find(CUSTOMER_MESSAGE, after=begins - 1, before=before)
    if contact.channel == "call" or since is None or not written:
        return None
    return max(since, contact.at(written[0]))


def _by_rule(contact: Contact, begins: int, before: int) -> int | None:
    handed_off = contact.find("contact.handed_off", after=begins - 1, before=before)[-1:]
    queued = contact.find("contact.queued", after=begins - 1, before=before)
    if handed_off:  # "at or after" compares times
        queued = [i for i in queued if contact.at(i) >= contact.at(handed_off[0])]
    if queued or handed_off:
        return contact.at([*queued, *handed_off][0])
    # A call that was neither is in a menu; a partial contact's clock runs only from what was seen.
    return None if contact.channel == "call" or contact.partial else contact.at(begins)


def is_with_bot(contact: Contact, before: int) -> bool:
    """Until the first hand-off, queue or connection, a contact in which a bot has written is the bot's."""
    return bool(contact.find(BOT_MESSAGE, before=before)) and not contact.find(*REACHES_HUMANS, before=before)


def answer(contact: Contact) -> Answer | None:
    """Find the first response or the abandonment, whichever comes first, never both; None where there is neither."""
    for position in contact.find("contact.connected", HUMAN_REPLY, "contact.abandoned"):
        kinds, since = contact.kinds(position), clock_start(contact, position)
        if "contact.abandoned" in kinds:
            # The first that comes while the clock runs.
            if since is not None and not is_with_bot(contact, position):
                return Answer("abandoned", position, since)
        elif contact.partial and since is None:
            return Answer("silent", position, contact.at(position))
        elif ("contact.connected" in kinds) == (contact.channel == "call"):
            if since is None and contact.channel == "call" and contact.customers_own:
                since = contact.at(beginning(contact, position))  # connected from the menu
            if since is not None:
                return Answer("first_response", position, since)
    return None


def rows(contact: Contact) -> Iterator[Row]:
    """Give the first response or the abandonment, and who left in the menu."""
    found = answer(contact)
    if found is not None and found.what != "silent":
        yield row(
            contact,
            found.what,
            found.position,
            during=[(found.since, contact.at(found.position))],
            metric="first_response",
            may_be_short=found.what == "abandoned",
        )
    left = contact.find("contact.abandoned")[:1]
    if contact.channel == "call" and not contact.partial and left and not contact.find(*REACHES_HUMANS, before=left[0]):
        yield row(contact, "ivr_abandoned", left[0], during=[(contact.at(0), contact.at(left[0]))])
