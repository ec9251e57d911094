"""Gauges at a moment: who waits, who is to be answered, what is at risk and beyond its target, by channel and queue."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.oracle.centre import ms
from tests.oracle.clock import REACHES_HUMANS, answer, clock_start, is_with_bot
from tests.oracle.contacts import HUMAN_REPLY, Contact
from tests.oracle.rows import Spans, measured, policy_of
from tests.oracle.segments import segments
from tests.oracle.stretches import REOPENS, Stretch, leaves_nobody, pauses, stretches
from tests.oracle.turns import turns
from tests.oracle.visits import visits


@dataclass(frozen=True)
class Now:
    """One contact at a moment. Times in UTC milliseconds; None: it does not wait."""

    channel: str
    queue: str
    open: bool = False
    waiting_since: int | None = None
    awaiting_since: int | None = None
    #: Since when the clock of the first response runs.
    clock_since: int | None = None
    handling: int = 0
    at_risk: tuple[str, ...] = ()
    breached: tuple[str, ...] = ()
    stale: bool = False


@dataclass
class Gauge:
    """One channel's queue at a moment; what is at risk and breached by policy metric."""

    waiting: list[int] = field(default_factory=list)
    awaiting: list[int] = field(default_factory=list)
    at_risk: dict[str, int] = field(default_factory=dict)
    breached: dict[str, int] = field(default_factory=dict)
    open: int = 0
    handling: int = 0
    stale: int = 0


def gauges(contacts: Iterable[Contact], now: int) -> dict[tuple[str, str], Gauge]:
    """Count by channel and queue; `waiting` and `awaiting` list since when each waits."""
    found: dict[tuple[str, str], Gauge] = {}
    for contact in contacts:
        one = at_a_moment(contact, now)
        gauge = found.setdefault((one.channel, one.queue), Gauge())
        gauge.waiting += [] if one.waiting_since is None else [one.waiting_since]
        gauge.awaiting += [] if one.awaiting_since is None else [one.awaiting_since]
        for counts, metrics in ((gauge.at_risk, one.at_risk), (gauge.breached, one.breached)):
            counts.update({metric: counts.get(metric, 0) + 1 for metric in metrics})
        gauge.open, gauge.handling = gauge.open + one.open, gauge.handling + one.handling
        gauge.stale += one.stale
    return found


def at_a_moment(contact: Contact, now: int) -> Now:
    """Tell what a contact gives to the gauges; its events are all that have arrived."""
    last = len(contact.events) - 1
    place = contact.channel, contact.queue(last)
    if contact.discarded or not contact.events:
        return Now(*place)
    there = is_open(contact)
    waits = [contact.at(visit.opened) for visit in visits(contact) if visit.is_open(last)]
    clock = clock_since(contact) if there else None
    waits += [] if clock is None else [clock]
    awaits = list(_awaits(contact)) if there else []
    handling = sum(segment.is_open(last) for segment in segments(contact))
    if max(event["at"] for event in contact.events) + contact.centre.horizon(contact.channel) <= now:
        return Now(*place, stale=bool(there or waits or handling))
    risk, late = [], []
    for metric, queue, during, paused in _runs(contact, now):
        policy = policy_of(contact, metric, last, queue, now)
        if policy is None:
            continue
        elapsed = measured(contact, contact.centre.calendar_of(queue, policy), during, paused).held(policy)
        left = ms(policy["target"]) - elapsed
        warning = ms(policy["warning"]) if "warning" in policy else ms(policy["target"]) // 4
        late += [metric] if left < 0 else []
        risk += [metric] if 0 <= left < warning else []
    return Now(
        *place,
        there,
        min(waits, default=None),
        min(awaits, default=None),
        clock,
        handling,
        tuple(sorted(risk)),
        tuple(sorted(late)),
    )


def is_open(contact: Contact) -> bool:
    """Started, not resolved, abandoned or discarded, and no call that was disconnected."""
    hung_up = [i for i in contact.find("contact.disconnected") if leaves_nobody(contact, i)]
    back = ("contact.queued", "contact.connected", *REOPENS)
    if contact.channel == "call" and hung_up and not contact.find(*back, after=hung_up[-1]):
        return False
    # Who left is open again once back, or seen to.
    left = contact.find("contact.abandoned")
    if left and not contact.find(*back, HUMAN_REPLY, after=left[-1]):
        return False
    seen = any(event["type"] != "event.voided" for event in contact.events)  # which only takes another back
    return seen and stretches(contact)[-1].ended is None


def clock_since(contact: Contact) -> int | None:
    """Since when the clock runs without a response; the bot's and those in a menu have none."""
    behind = len(contact.events)
    return None if answer(contact) is not None or is_with_bot(contact, behind) else clock_start(contact, behind)


def is_in_a_menu(contact: Contact) -> bool:
    """A call for which nobody was asked yet is not at risk or breached."""
    return contact.channel == "call" and not contact.find(*REACHES_HUMANS)


def _awaits(contact: Contact) -> Iterator[int]:
    """A customer turn is open, or a reopened contact has no reply yet."""
    yield from (contact.at(turn.begun) for turn in turns(contact) if turn.ended is None)
    replies = (HUMAN_REPLY, "contact.connected") if contact.channel == "call" else (HUMAN_REPLY,)
    reopened = [stretch.opened for stretch in stretches(contact) if stretch.reopened][-1:]
    yield from (contact.at(i) for i in reopened if not contact.find(*replies, after=i))


def _runs(contact: Contact, now: int) -> Iterator[tuple[str, str, Spans, Spans]]:
    """Give each metric that runs: its queue, and the time so far without and with pauses."""
    last = len(contact.events) - 1
    queue, clock = contact.queue(last), clock_since(contact)
    for visit in visits(contact):
        if visit.is_open(last):
            yield "queue_wait", visit.queue, [(contact.at(visit.opened), now)], []
    if not is_open(contact) or is_with_bot(contact, last + 1) or is_in_a_menu(contact):
        return
    if clock is not None:
        yield "first_response", queue, [(clock, now)], []
    for turn in turns(contact):
        if turn.ended is None and clock is None:
            yield "next_response", queue, [(contact.at(turn.begun), now)], []
    stretch: Stretch = stretches(contact)[-1]
    yield "resolution", queue, [(contact.at(stretch.opened), now)], pauses(contact, stretch, now)
