"""Open stretches and pauses: `resolution`, `reopened`, `replies` and `bot_contained`."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.contacts import BOT_MESSAGE, CUSTOMER_MESSAGE, HUMAN_REPLY, Contact
from tests.oracle.rows import Row, row
from tests.oracle.segments import segments
from tests.oracle.visits import awaits_callback, visits

#: A reopening.
REOPENS = ("contact.reopened", CUSTOMER_MESSAGE)


@dataclass(frozen=True)
class Stretch:
    """A time in which the contact is open: positions of its opening and its end.

    `reopened`: a reopening opened it, rather than the start or a call that continues.
    """

    opened: int
    ended: int | None
    reopened: bool


def leaves_nobody(contact: Contact, position: int) -> bool:
    """Tell whether a disconnection leaves no segment un-ended and no visit open, and is no call back's."""
    return not (
        awaits_callback(contact, position)
        or any(segment.is_open(position) for segment in segments(contact))
        or any(visit.is_open(position) for visit in visits(contact))
    )


def stretches(contact: Contact) -> list[Stretch]:
    """List a contact's open stretches; a partial contact is open from its first event, which may already end it."""
    found = [_stretch(contact, 0, -1 if contact.partial else 0, reopened=False)]
    while found[-1].ended is not None:
        ended = found[-1].ended
        resolved = contact.find("contact.resolved", after=ended - 1)
        later = [
            position
            for position in contact.find(*REOPENS, "contact.queued", "contact.connected", after=ended)
            # After a `contact.resolved` only a reopening opens again.
            if contact.kinds(position) & {*REOPENS} or not any(each < position for each in resolved)
        ]
        if not later:
            break
        found.append(_stretch(contact, later[0], later[0], reopened=bool(contact.kinds(later[0]) & {*REOPENS})))
    return found


def _stretch(contact: Contact, opened: int, after: int, *, reopened: bool) -> Stretch:
    """End a stretch with a `contact.resolved`, for a call that was ever connected also with its last disconnection."""
    for position in contact.find("contact.resolved", "contact.disconnected", after=after):
        hangs_up = contact.channel == "call" and contact.find("contact.connected", before=position)
        if contact.kinds(position) & {"contact.resolved"} or (hangs_up and leaves_nobody(contact, position)):
            return Stretch(opened, position, reopened)
    return Stretch(opened, None, reopened)


def pauses(contact: Contact, stretch: Stretch, now: int) -> list[tuple[int, int]]:
    """List the pauses of a stretch; of one that began before it, only what lies inside counts.

    From `contact.paused` to the first of `contact.unpaused`, the end of its stretch (`now` where it has none) and,
    where it is for the customer, the next customer message. A pause of a paused contact changes nothing.
    """
    found: list[tuple[int, int]] = []
    last = [other.ended for other in stretches(contact) if other.ended is not None and other.ended < stretch.opened]
    position = max(last, default=-1)
    over = len(contact.events) if stretch.ended is None else stretch.ended
    begins, ends = contact.at(stretch.opened), now if stretch.ended is None else contact.at(stretch.ended)
    while paused := contact.find("contact.paused", after=position, before=over)[:1]:
        answers = [CUSTOMER_MESSAGE] if contact.events[paused[0]]["for"] == "customer" else []
        stops = contact.find("contact.unpaused", *answers, after=paused[0], before=over)[:1]
        position = stops[0] if stops else over
        until = min(ends, contact.at(stops[0])) if stops else ends
        found.append((max(begins, contact.at(paused[0])), until))
    return [(begin, end) for begin, end in found if begin < end]


def rows(contact: Contact) -> Iterator[Row]:
    """Give each end's `resolution`, each `reopened`, and what counts once a contact."""
    every = stretches(contact)
    for number, stretch in enumerate(every, 1):
        if stretch.reopened:
            yield row(contact, "reopened", stretch.opened)
        # Of a partial contact's first stretch nobody saw the beginning.
        if stretch.ended is not None and not (contact.partial and number == 1):
            ends = contact.at(stretch.ended)
            yield row(
                contact,
                "resolution",
                stretch.ended,
                during=[(contact.at(stretch.opened), ends)],
                pauses=pauses(contact, stretch, ends),
                metric="resolution",
                instance=number,
            )
    over = [stretch.ended for stretch in every if stretch.ended is not None]
    if not over or contact.partial:
        return
    yield row(contact, "replies", over[-1], value=len(contact.find(HUMAN_REPLY, before=over[-1])))
    humans = contact.find("contact.handed_off", "contact.queued", "contact.connected", HUMAN_REPLY)
    if contact.find(BOT_MESSAGE) and not humans:
        yield row(contact, "bot_contained", over[0])
