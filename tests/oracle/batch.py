"""The whole batch fold: events in, samples, counters and contacts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.oracle import responses, segments, single, stretches, tags, turns, visits
from tests.oracle.centre import DEFAULTS, Centre
from tests.oracle.contacts import Contact, contacts, is_human_reply
from tests.oracle.rows import Row

Events = Iterable[Mapping[str, Any]]


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
    handle_ms: int
    replies: int
    reopens: int
    tags: tuple[str, ...]


def rows_of(contact: Contact) -> Iterator[Row]:
    """Give every sample of a contact; a discarded one has none."""
    if contact.discarded or not contact.events:
        return
    for part in (responses, visits, turns, segments, stretches, tags, single):
        yield from part.rows(contact)


def samples(events: Events, centre: Centre = DEFAULTS) -> list[Row]:
    """Give every sample of every contact."""
    return [each for contact in contacts(events, centre) for each in rows_of(contact)]


def added_up(rows: Iterable[Row]) -> dict[tuple[str, str, str], Counters]:
    """Add samples up by (sample, channel, queue)."""
    total: dict[tuple[str, str, str], Counters] = {}
    for each in rows:
        key = (each.sample, each.channel, each.queue)
        known = total.get(key, Counters())
        total[key] = Counters(
            known.n + 1,
            known.sum_ms + (each.value_ms or 0),
            known.n_target + (each.within is not None),
            known.n_within + (each.within is True),
            known.n_short + each.short,
            known.n_satisfied + (each.satisfied is True),
            known.sum_value + (each.value or 0),
        )
    return total


def in_business_time(rows: Iterable[Row]) -> dict[tuple[str, str], tuple[int, int]]:
    """Add business time up by (sample, queue): how many have any, and how much."""
    total: dict[tuple[str, str], tuple[int, int]] = {}
    for each in rows:
        if each.business_ms is not None:
            n, sum_ms = total.get((each.sample, each.queue), (0, 0))
            total[each.sample, each.queue] = n + 1, sum_ms + each.business_ms
    return total


def batch(events: Events) -> dict[tuple[str, str, str], tuple[int, int, int, int, int]]:
    """Fold events: (sample, channel, queue) to (n, sum_ms, n_target, n_within, n_short)."""
    return {
        key: (each.n, each.sum_ms, each.n_target, each.n_within, each.n_short)
        for key, each in added_up(samples(events)).items()
    }


def tag_counts(events: Events) -> dict[tuple[str, str, str], int]:
    """Count contacts by (tag, channel, queue)."""
    counts: dict[tuple[str, str, str], int] = {}
    for each in samples(events):
        if each.sample == "tagged":
            key = (each.tag, each.channel, each.queue)
            counts[key] = counts.get(key, 0) + 1
    return counts


def contact_rows(events: Events, centre: Centre = DEFAULTS) -> dict[str, ContactRow]:
    """Give one row a contact, by contact_id."""
    return {contact.contact_id: _contact_row(contact) for contact in contacts(events, centre) if contact.events}


def _contact_row(contact: Contact) -> ContactRow:
    rows = list(rows_of(contact))
    at: dict[str, list[int]] = {}
    for each in rows:
        at.setdefault(each.sample, []).append(each.at)
    first = next((each for each in rows if each.sample == "first_response"), None)
    started = contact.first("contact.started")
    return ContactRow(
        contact.contact_id,
        contact.channel,
        contact.partial,
        contact.discarded,
        None if started is None else contact.events[started]["at"],
        None if first is None else first.at,
        None if first is None else first.value_ms,
        at.get("abandoned", [None])[0],
        at.get("resolution", [None])[0],
        at.get("resolution", [None])[-1],
        sum(each.value_ms or 0 for each in rows if each.sample == "handle"),
        sum(1 for event in contact.events if is_human_reply(event)),
        len(at.get("reopened", [])),
        tuple(sorted(tags.in_effect(contact))),
    )
