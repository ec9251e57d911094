"""Samples that one event gives by itself: `transferred`, `missed`, `rated` and `evaluated`."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal

from tests.oracle.contacts import Contact
from tests.oracle.rows import Row, row


def _score(contact: Contact, sample: str, position: int) -> Row:
    event = contact.events[position]
    exact = (Decimal(str(event["score"])) - 1) / (Decimal(str(event["scale_max"])) - 1)
    millionths = int((exact * 1_000_000).quantize(Decimal(1), ROUND_HALF_EVEN))
    return row(contact, sample, position, value=millionths, satisfied=exact >= Decimal("0.75"))


def rows(contact: Contact) -> Iterator[Row]:
    """Give a row for each of these events; of the ratings only the last counts."""
    rated: int | None = None
    for position, event in enumerate(contact.events):
        if event["type"] == "contact.transferred":
            yield row(contact, "transferred", position, queue=contact.queue(position - 1))
        elif event["type"] == "contact.missed":
            yield row(contact, "missed", position)
        elif event["type"] == "contact.evaluated":
            yield _score(contact, "evaluated", position)
        elif event["type"] == "contact.rated":
            rated = position
    if rated is not None:
        yield _score(contact, "rated", rated)
