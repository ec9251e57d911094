"""Samples that one event gives by itself: `offered`, `transferred`, `missed`, `rated` and `evaluated`."""

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

from tests.oracle.contacts import CUSTOMER_MESSAGE, Contact
from tests.oracle.rows import Row, row


def _score(contact: Contact, sample: str, position: int) -> Row:
    """Compute (score - 1) / (scale_max - 1) in millionths, halves to even; satisfied from 0.75 on."""
    event = contact.events[position]
    exact = (Decimal(str(event["score"])) - 1) / (Decimal(str(event["scale_max"])) - 1)
    millionths = int((exact * 1_000_000).quantize(Decimal(1), ROUND_HALF_EVEN))
    return row(contact, sample, position, value=millionths, satisfied=millionths >= 750_000)


def rows(contact: Contact) -> Iterator[Row]:
    """Give a row for each of these events; of the ratings, for the last of each survey."""
    offered = contact.find("contact.started")
    if not contact.customers_own:
        offered = [] if contact.channel == "call" else contact.find(CUSTOMER_MESSAGE)
    for position in offered[:1]:
        named = [event["queue"] for event in contact.events if event["queue"] is not None]
        yield row(contact, "offered", position, queue=named[0] if named else "unassigned")
    for position in contact.find("contact.transferred"):
        yield row(contact, "transferred", position, queue=contact.queue(position - 1))  # the one it leaves
    for position in contact.find("contact.missed"):
        yield row(contact, "missed", position)
    for position in contact.find("contact.evaluated"):
        yield _score(contact, "evaluated", position)
    for position in sorted({contact.events[i]["survey_id"]: i for i in contact.find("contact.rated")}.values()):
        yield _score(contact, "rated", position)
