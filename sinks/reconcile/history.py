"""How a contact's samples came to be what they are: its events folded again in the order in which they arrived. Pure.

What was taken back or corrected is told with the arrival that did it. The stream takes in several events at once, so a
value told here may never have been shown; that it was taken back, and why, holds all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from schemas.policies import Rules
from schemas.samples import Sample
from sinks.reconcile.contacts import Archived
from streams.core.event import Event, merge, order
from streams.core.fold import fold

RowKey = tuple[str, str]


class Arrival(NamedTuple):
    """Why an event changed what was there."""

    event: Event
    #: `voided`, `discarded`, `conflict`, `late`, or `in order`, which is the contact's course and corrects nothing.
    because: str
    says: str


class Correction(NamedTuple):
    """A sample that was there, and what became of it."""

    before: Sample
    #: None: it was taken back.
    after: Sample | None
    by: Arrival


def in_order_of_arrival(events: list[Archived]) -> list[Archived]:
    """Order events as the worker read them; where a contact came by several partitions, by when they were received."""
    if len({archived.place for archived in events}) > 1:
        return sorted(events, key=lambda archived: (archived.epoch, archived.received_at, archived.offset))
    return sorted(events, key=lambda archived: (archived.epoch, archived.offset))


def corrections(channel: str, events: list[Archived], rules: Rules) -> list[Correction]:
    """Give every correction that still matters: one of a sample that was issued again unchanged is left out.

    What an event in its order changes is the course of the contact: a queue that is named, a tag that is taken off.
    """
    known: list[Event] = []
    rows: dict[RowKey, Sample] = {}
    found: list[Correction] = []
    for archived in in_order_of_arrival(events):
        merged, _ = merge(known, [archived.event])
        if merged == known:
            continue
        now = {(row.sample, row.slot): row for row in fold(channel, merged, rules).rows}
        by = _arrival(known, archived.event)
        for key, before in rows.items():
            after = now.get(key)
            if after != before and by.because != "in order":
                found.append(Correction(before, after, by))
        known, rows = merged, now
    return [each for each in found if _matters(each, rows)]


def is_late(known: Sequence[Event], event: Event) -> bool:
    """Tell whether an event arrives behind some that come after it in the fold, where the start comes first of all."""
    if event.type == "contact.started":
        return bool(known) and all(each.type != "contact.started" for each in known)
    return any(order(event) < order(each) for each in known if each.type != "contact.started")


def _matters(correction: Correction, rows: dict[RowKey, Sample]) -> bool:
    now = rows.get((correction.before.sample, correction.before.slot))
    return now != correction.before


def _arrival(known: list[Event], event: Event) -> Arrival:
    if event.type == "event.voided":
        return Arrival(event, "voided", f"event {event.event_id} voided {event.fields['voids']}")
    if event.type == "contact.discarded":
        return Arrival(event, "discarded", f"the contact was discarded ({event.fields['reason']})")
    voided = next(
        (each for each in known if each.type == "event.voided" and each.fields["voids"] == event.event_id), None
    )
    if any(each.event_id == event.event_id for each in known):
        says = f"{event.event_id} came again with another content, which sorts first and so stands"
        return Arrival(event, "conflict", says)
    if voided is None and is_late(known, event):
        return Arrival(event, "late", f"{event.type} {event.event_id} arrived late: it belongs before what was there")
    return Arrival(event, "in order", f"{event.type} {event.event_id} came after")
