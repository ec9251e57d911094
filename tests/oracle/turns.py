"""Customer turns: `next_response` and `nudges`; and with the first response, `slow`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from tests.oracle.contacts import Contact, is_customer_message, is_human_reply
from tests.oracle.responses import answer
from tests.oracle.rows import Row, row


def rows(contact: Contact) -> Iterator[Row]:
    """Look from each human reply to the one before: what the customer wrote between is the turn that it ends."""
    events = contact.events
    replies = [i for i, event in enumerate(events) if is_human_reply(event)]
    found = answer(contact)
    first_response = found if found is not None and found.sample == "first_response" else None
    responses: list[tuple[int, int]] = []
    if first_response is not None and first_response.value_ms is not None:
        responses.append((first_response.position, first_response.value_ms))
    for previous, reply in pairwise(replies):
        turn = [i for i in range(previous + 1, reply) if is_customer_message(events[i])]
        if not turn or (first_response is not None and reply == first_response.position):
            continue
        begun, ended = events[turn[0]]["at"], events[reply]["at"]
        responses.append((reply, ended - begun))
        yield row(contact, "next_response", reply, during=[(begun, ended)], metric="next_response")
        yield row(contact, "nudges", reply, value=len(turn) - 1)
    slow = [position for position, waited in sorted(responses) if waited > contact.centre.patience(contact.channel)]
    if slow:
        yield row(contact, "slow", slow[0])
