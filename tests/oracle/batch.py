"""All contacts together: events in; samples, counters and contacts' rows out."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.oracle import clock, segments, single, stretches, tags, turns, visits
from tests.oracle.centre import DEFAULTS, Centre
from tests.oracle.contacts import HUMAN_REPLY, Contact, contacts
from tests.oracle.rows import Row

Events = Iterable[Mapping[str, Any]]

#: Work is work: what stays of a discarded contact.
WORK = ("handle", "hold", "wrap", "talk", "missed", "evaluated")


class Counters(NamedTuple):
    """What a pane adds up. Durations in milliseconds; `n_short` only among those held against a target."""

    n: int = 0
    sum_ms: int = 0
    n_target: int = 0
    n_within: int = 0
    n_short: int = 0
    n_satisfied: int = 0
    sum_value: int = 0


@dataclass(frozen=True)
class ContactRow:
    """One contact as the batch sees it. Times in UTC milliseconds."""

    contact_id: str
    channel: str
    partial: bool
    discarded: bool
    started_at: int | None
    first_response_at: int | None
    first_response_ms: int | None
    abandoned_at: int | None
    first_resolved_at: int | None
    resolved_at: int | None
    first_resolution_ms: int | None
    resolution_ms: int | None
    rating: int | None
    agents: tuple[str, ...]
    handle_ms: int
    replies: int
    reopens: int
    tags: tuple[str, ...]


def rows_of(contact: Contact) -> Iterator[Row]:
    """Give every sample of a contact; of a discarded one that was not a test, those of work."""
    if not contact.events:
        return
    reasons = {contact.events[i]["reason"] for i in contact.find("contact.discarded")}
    for part in (clock, visits, turns, segments, stretches, tags, single):
        yield from (
            each for each in part.rows(contact) if not reasons or ("test" not in reasons and each.sample in WORK)
        )


def samples(events: Events, centre: Centre = DEFAULTS) -> list[Row]:
    """Give every sample of every contact."""
    return [each for contact in contacts(events, centre) for each in rows_of(contact)]


def added_up(rows: Iterable[Row]) -> dict[tuple[str, str, str], Counters]:
    """Add samples up by (sample, channel, queue)."""
    total: dict[tuple[str, str, str], Counters] = {}
    for each in rows:
        key = (each.sample, each.channel, each.queue)
        verdicts = each.within is not None, each.within is True, each.short is True, each.satisfied is True
        own = 1, each.value_ms or 0, *map(int, verdicts), each.value or 0
        total[key] = Counters(*(a + b for a, b in zip(total.get(key, Counters()), own, strict=True)))
    return total


def in_business_time(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[int, int]]:
    """Add business time up by (sample, queue): how many have any, and how much."""
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for each in rows:
        if each.business_ms is not None:
            n, sum_ms = total.get((each.sample, each.queue), (0, 0))
            total[each.sample, each.queue] = n + 1, sum_ms + each.business_ms
    return total


def batch(events: Events) -> dict[tuple[str, str, str], tuple[int, ...]]:
    """Fold events: (sample, channel, queue) to (n, sum_ms, n_target, n_within, n_short)."""
    return {key: each[:5] for key, each in added_up(samples(events)).items()}


def contact_rows(events: Events, centre: Centre = DEFAULTS) -> dict[str, ContactRow]:
    """Give one row a contact, by contact_id."""
    return {contact.contact_id: _contact_row(contact) for contact in contacts(events, centre) if contact.events}


def _contact_row(contact: Contact) -> ContactRow:
    rows = list(rows_of(contact))
    responded = next((each for each in rows if each.sample == "first_response"), None)
    ends = [] if contact.discarded else [each.ended for each in stretches.stretches(contact) if each.ended is not None]
    started = contact.find("contact.started")
    acted = contact.find("contact.connected", HUMAN_REPLY)
    # Both are measured from the start; of a partial contact nobody saw it.
    lengths = [max(0, contact.at(end) - contact.at(0)) for end in ends] if started else []
    return ContactRow(
        contact.contact_id,
        contact.channel,
        contact.partial,
        contact.discarded,
        contact.at(started[0]) if started else None,
        None if responded is None else responded.at,
        None if responded is None else responded.value_ms,
        next((each.at for each in rows if each.sample == "abandoned"), None),
        contact.at(ends[0]) if ends else None,
        contact.at(ends[-1]) if ends else None,
        lengths[0] if lengths else None,
        lengths[-1] if lengths else None,
        next((each.value for each in reversed(rows) if each.sample == "rated"), None),
        tuple(dict.fromkeys(agent for i in acted if (agent := contact.agent(i)))),
        sum(each.value_ms or 0 for each in rows if each.sample == "handle"),
        len(contact.find(HUMAN_REPLY)),
        sum(each.sample == "reopened" for each in rows),
        tuple(sorted(tags.in_effect(contact))),
    )
