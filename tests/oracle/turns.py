"""Customer turns: `next_response` and `nudges`; and with the first response, `slow`."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.clock import answer
from tests.oracle.contacts import CUSTOMER_MESSAGE, HUMAN_REPLY, Contact
from tests.oracle.rows import Row, length, row


@dataclass(frozen=True)
class Turn:
    """The customer waits for the next reply: positions of the beginning and of the end, and whether that is a sample.

    The first response ends a turn without one, and so does an abandonment.
    """

    begun: int
    ended: int | None
    counts: bool


def turns(contact: Contact) -> list[Turn]:
    """List the turns: each begins with the first customer message after a human reply, or with the return."""
    found: list[Turn] = []
    answered = answer(contact)
    what, place = ("", -1) if answered is None else (answered.what, answered.position)
    back = None
    if what == "abandoned":
        back = next(iter(contact.find(CUSTOMER_MESSAGE, "contact.queued", "contact.reopened", after=place)), None)
    for begun in sorted({*contact.find(CUSTOMER_MESSAGE), *([] if back is None else [back])}):
        replies = contact.find(HUMAN_REPLY, before=begun)
        if what == "silent" and place < begun:
            replies.append(place)  # turns count from there
        if begun != back and (not replies or contact.find(CUSTOMER_MESSAGE, after=max(replies), before=begun)):
            continue
        if back is not None and replies and max(replies) < back < begun:
            continue  # it is in the return's turn
        # In a call the return's turn ends with the next connection.
        answers = ["contact.connected"] if contact.channel == "call" and begun == back else []
        ends = contact.find(HUMAN_REPLY, *answers, after=begun)
        if what == "abandoned" and begun < place:
            ends.append(place)
        ended = min(ends, default=None)
        found.append(Turn(begun, ended, counts=ended not in {None, place}))
    return found


def rows(contact: Contact) -> Iterator[Row]:
    """Give two samples at each end of a turn, and the first response of all that took too long."""
    answered = answer(contact)
    waits: list[tuple[int, int]] = []
    if answered is not None and answered.what == "first_response":
        waits.append((answered.position, length([(answered.since, contact.at(answered.position))])))
    for turn in turns(contact):
        if turn.ended is not None and turn.counts:
            during = [(contact.at(turn.begun), contact.at(turn.ended))]
            waits.append((turn.ended, length(during)))
            yield row(contact, "next_response", turn.ended, during=during, metric="next_response")
            written = contact.find(CUSTOMER_MESSAGE, after=turn.begun - 1, before=turn.ended)
            yield row(contact, "nudges", turn.ended, value=max(0, len(written) - 1))
    slow = [position for position, waited in sorted(waits) if waited > contact.centre.patience(contact.channel)]
    if slow:
        yield row(contact, "slow", slow[0])
