"""The human clock: `offered`, `first_response` and `abandoned`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import Contact, is_customer_message, is_customers_own, is_human_reply
from tests.oracle.rows import Row, row
from tests.oracle.stretches import last_opening_before


@dataclass(frozen=True)
class Answer:
    """What came first: `first_response` or `abandoned`, at which event, after how long.

    `value_ms` is None for a call that was connected without a clock.
    """

    sample: str
    position: int
    value_ms: int | None


def clock_start(contact: Contact, before: int) -> int | None:
    """Return since when the customer waits for a human, as seen just before the event at `before`; None: no clock."""
    by_rule = _by_rule(contact, before)
    if is_customers_own(contact):
        return by_rule
    if contact.channel == "call":
        return None
    opening = last_opening_before(contact, before) or 0
    written = [event["at"] for event in contact.events[opening:before] if is_customer_message(event)]
    return int(max(written[0], by_rule)) if written and by_rule is not None else None


def _by_rule(contact: Contact, before: int) -> int | None:
    seen = contact.events[:before]
    opening = last_opening_before(contact, before)
    started = contact.first("contact.started")
    begins: int | None
    if opening is not None:
        begins = contact.events[opening]["at"]
        seen = contact.events[opening:before]
    elif started is None:
        begins = seen[0]["at"] if seen else None
    else:
        begins = contact.events[started]["at"] if started < before else None
    handed_off = [event["at"] for event in seen if event["type"] == "contact.handed_off"]
    queued = [event["at"] for event in seen if event["type"] == "contact.queued"]
    if handed_off:
        since = [at for at in queued if at >= handed_off[-1]]
        return int(since[0] if since else handed_off[-1])
    if queued:
        return int(queued[0])
    return begins


def _is_the_bots(contact: Contact, before: int) -> bool:
    """Tell whether only a bot has the contact, as seen just before the event at `before`."""
    seen = contact.events[:before]
    bot = any(event["type"] == "message.sent" and event["author"] == "bot" for event in seen)
    passed_on = any(event["type"] in {"contact.handed_off", "contact.queued", "contact.connected"} for event in seen)
    return bot and not passed_on


def answer(contact: Contact) -> Answer | None:
    """Find a contact's first response or its abandonment, whichever comes first; None where it has neither."""
    first_abandoned = contact.first("contact.abandoned")
    for position, event in enumerate(contact.events):
        connects = contact.channel == "call" and event["type"] == "contact.connected"
        replies = contact.channel != "call" and is_human_reply(event)
        if not (connects or replies or position == first_abandoned):
            continue
        start = clock_start(contact, position)
        if connects:
            return Answer("first_response", position, None if start is None else event["at"] - start)
        if start is None:
            continue
        if replies:
            return Answer("first_response", position, event["at"] - start)
        if not _is_the_bots(contact, position):
            return Answer("abandoned", position, event["at"] - start)
    return None


def _offered_at(contact: Contact) -> int | None:
    if not is_customers_own(contact):
        if contact.channel == "call":
            return None
        return next((i for i, event in enumerate(contact.events) if is_customer_message(event)), None)
    started = contact.first("contact.started")
    return 0 if started is None else started


def rows(contact: Contact) -> Iterator[Row]:
    """Give `offered`, and the first response or the abandonment."""
    offered = _offered_at(contact)
    if offered is not None:
        named = [event["queue"] for event in contact.events if event["queue"] is not None]
        yield row(contact, "offered", offered, queue=named[0] if named else "unassigned")
    found = answer(contact)
    if found is None or found.value_ms is None:
        return
    # A partial contact is outside service level: held against no target, and its abandonment is never a short one.
    short = found.sample == "abandoned" and found.value_ms < contact.centre.short_abandon
    ends = contact.events[found.position]["at"]
    during = [(ends - found.value_ms, ends)]
    yield row(contact, found.sample, found.position, during=during, metric="first_response", short=short)
