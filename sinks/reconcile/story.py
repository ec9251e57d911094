"""A contact explained: its events, its samples with what caused them, what was taken back and why, what is missing.

Pure. For someone who has to answer for a number: so it says what counted and what did not, and never what people wrote.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import DURATIONS, Sample
from sinks.reconcile import contacts
from sinks.reconcile.clock_story import stories
from sinks.reconcile.contacts import Archived, Kept
from sinks.reconcile.course import Told
from sinks.reconcile.findings import BY_PROMISE, Difference
from sinks.reconcile.history import Correction, corrections, in_order_of_arrival, is_late
from sinks.reconcile.lives import Lives
from streams.core.event import Event, effective, merge, order

#: Fields that say nothing of what happened, or could hold anything.
_UNTOLD: Final = frozenset({"source", "attributes", "customer_id", "evaluator_id"})
#: What an agent can only do with a contact that is in hand.
_IN_HAND: Final = frozenset({"contact.held", "contact.resumed", "contact.wrapped", "contact.disconnected"})


@dataclass(frozen=True)
class EventTold:
    """An event as it stands in the fold."""

    at: int
    seq: int
    event_id: str
    type: str
    fields: dict[str, Any]
    #: UTC milliseconds; when Kafka had it.
    received_at: int
    #: Whether it takes part in the fold.
    counts: bool
    #: Whether it arrived behind events that happened later.
    late: bool
    notes: list[str]


@dataclass(frozen=True)
class SampleTold:
    """A sample in effect, with the event that caused it."""

    sample: str
    slot: str
    at: int
    #: Where a duration begins, UTC milliseconds.
    since: int | None
    #: What it says besides, without columns that say nothing.
    values: dict[str, Any]
    #: The event that caused it.
    caused_by: str | None
    type: str
    #: What it was held against; empty where no policy applies, as to a partial contact.
    policy: str
    target_ms: int | None
    within: bool | None


@dataclass
class Explanation:
    """All that there is to say of a contact."""

    contact_id: str
    channel: str
    #: The contact at a glance, as its events come to.
    summary: dict[str, Any]
    events: list[EventTold] = field(default_factory=list)
    clock: list[Told] = field(default_factory=list)
    #: What became of it besides: queues, work, pauses, ends and returns.
    course: list[Told] = field(default_factory=list)
    samples: list[SampleTold] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    #: What one would expect and is not there.
    missing: list[str] = field(default_factory=list)
    #: What ClickHouse keeps otherwise than the events come to.
    differences: list[Difference] = field(default_factory=list)
    #: Whether it is being written, so that differences mean nothing yet.
    being_written: bool = False


def explain(kept: Kept, rules: Rules, lives: Lives) -> Explanation:
    """Explain a contact that has archived events."""
    events, _ = merge([], (archived.event for archived in kept.events))
    channel = kept.events[0].channel
    folded, clock, course = stories(channel, events, rules)
    counting = effective(events)
    of = {event.event_id: event for event in counting}
    differences = contacts.differences(kept, contacts.owed(kept, rules), rules, lives)
    rows = _as_held(folded.rows, kept, differences)
    return Explanation(
        kept.contact_id,
        channel,
        {name: value for name, value in folded.summary.items() if name not in {"v", "step"}},
        _events(kept, events, counting),
        clock,
        course,
        [_sample(row, of) for row in sorted(rows, key=lambda row: (row.at, row.sample, row.slot))],
        corrections(channel, kept.events, rules),
        list(_missing(events, counting, partial=folded.summary["partial"])),
        differences,
        not contacts.is_in(kept, lives),
    )


def _as_held(rows: list[Sample], kept: Kept, differences: list[Difference]) -> list[Sample]:
    """Tell of samples that were held against another configuration what they were held against, as it counts."""
    promised = {
        (each.key["sample"], each.key["slot"])
        for each in differences
        if each.table == "samples" and each.kind == BY_PROMISE and each.columns
    }
    held = {
        (row.sample, row.slot): Sample._make(getattr(row, name) for name in Sample._fields)
        for row in kept.samples
        if (row.sample, row.slot) in promised
    }
    return [held.get((row.sample, row.slot), row) for row in rows]


def _events(kept: Kept, events: list[Event], counting: list[Event]) -> list[EventTold]:
    voided_by = {e.fields["voids"]: e.event_id for e in events if e.type == "event.voided"}
    stands = {event.event_id: event for event in events}
    counts = {event.event_id for event in counting}
    late = _late(kept.events)
    start = counting[0] if counting and counting[0].type == "contact.started" else None
    earliest = min(map(order, counting), default=None)
    told = []
    for archived in sorted(kept.events, key=lambda each: order(each.event)):
        event, notes = archived.event, []
        used = stands[event.event_id] == event
        if not used:
            notes.append("another content under this id sorts first and stands; this one does not count")
        if start is not None and event == start and order(event) != earliest:
            notes.append("the contact's start: it counts before all others, whatever its time")
        if event.type not in MODELS:
            notes.append("a type that this version does not know: it counts nowhere")
        elif used and event.event_id not in counts:
            notes.append(f"voided by {voided_by[event.event_id]}")
        fields = {name.rstrip("_"): value for name, value in event.fields.items() if name not in _UNTOLD}
        told.append(
            EventTold(
                event.at,
                event.seq,
                event.event_id,
                event.type,
                fields,
                archived.received_at,
                used and event.event_id in counts,
                id(archived) in late,
                notes,
            )
        )
    return told


def _late(events: list[Archived]) -> set[int]:
    """Name the events, by identity, that arrived behind one that comes after them in the fold."""
    late: set[int] = set()
    before: list[Event] = []
    for archived in in_order_of_arrival(events):
        if is_late(before, archived.event):
            late.add(id(archived))
        before.append(archived.event)
    return late


def _sample(row: Sample, of: dict[str, Event]) -> SampleTold:
    said = ("queue", "priority", "team", "segment", "language", "agent_id", "tag", "outcome", "value_ms", "business_ms")
    more = ("active_ms", "active_business_ms", "value", "short", "satisfied", "partial", "in_hours", "instance")
    values = {name: getattr(row, name) for name in (*said, *more)}
    values = {name: value for name, value in values.items() if value is not None and value is not False and value != ""}
    lasts = row.sample in DURATIONS and row.sample not in {"hold", "wrap", "talk"} and row.value_ms is not None
    caused = of.get(row.caused_by or "")
    return SampleTold(
        row.sample,
        row.slot,
        row.at,
        row.at - (row.value_ms or 0) if lasts else None,
        values,
        row.caused_by,
        "" if caused is None else caused.type,
        row.policy,
        row.target_ms,
        row.within,
    )


def _missing(events: list[Event], counting: list[Event], *, partial: bool) -> list[str]:
    found = []
    if partial:
        found.append(
            "no contact.started: it was under way before Pulssi saw it (partial), so no policy is held against it"
        )
    ids = {event.event_id for event in events}
    found += [
        f"{event.event_id} voids {event.fields['voids']}, which has not arrived"
        for event in events
        if event.type == "event.voided" and event.fields["voids"] not in ids
    ]
    connected: set[str] = set()
    for event in counting:
        agent = event.fields.get("agent_id")
        if event.type == "contact.connected":
            connected.add(event.fields["agent_id"])
        elif event.type in _IN_HAND and agent is not None and agent not in connected:
            found.append(
                f"{event.type} {event.event_id} of {agent} without a contact.connected before it: no handle time"
            )
    return found
