"""A contact explained: its events, its samples with what caused them, what was taken back and why, what is missing.

For someone who has to answer for a number: so it says what counted and what did not, and never what people wrote. What
was taken back is found by folding the events again in the order in which they arrived. The stream takes in several
events at once, so a value told here may never have been shown; that it was taken back, and why, holds all the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import DURATIONS, Sample
from schemas.settings import Settings
from sinks.clickhouse.reading_back import EVERYTHING, ContactRange, StoredRows
from sinks.reconcile import contact_check as contacts
from sinks.reconcile.audit import read_contacts
from sinks.reconcile.contact_check import Archived, StoredContact
from sinks.reconcile.contact_course import Told, told
from sinks.reconcile.differences import BY_PROMISE, Difference
from sinks.reconcile.epochs import Epochs
from sinks.reconcile.rules_kept import RowKey
from streams.core.event import Event, effective, merge, order
from streams.core.fold import fold

#: Ids named where one is not found.
_ALIKE: Final = 5
#: Fields that say nothing of what happened, or could hold anything.
_UNTOLD: Final = frozenset({"source", "attributes", "customer_id", "evaluator_id"})
#: Events of an agent that need an open handle segment.
_IN_HAND: Final = frozenset({"contact.held", "contact.resumed", "contact.wrapped", "contact.disconnected"})


class Unknown(NamedTuple):
    """No event of that contact is archived."""

    #: Whether rows of it are kept all the same.
    has_rows: bool
    #: Contacts whose ids end or begin alike, the latest first.
    alike: list[str]


@dataclass
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


@dataclass
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


class Arrival(NamedTuple):
    """Why an event corrected what was there."""

    event: Event
    #: `voided`, `discarded`, `conflict` or `late`.
    because: str
    says: str


class Correction(NamedTuple):
    """A sample that was there, and what became of it."""

    before: Sample
    #: None: it was taken back.
    after: Sample | None
    by: Arrival


@dataclass
class Explanation:
    """All that there is to say of a contact."""

    contact_id: str
    channel: str
    #: The contact at a glance, as its events come to.
    summary: dict[str, Any]
    events: list[EventTold]
    clock: list[Told]
    #: What became of it besides: queues, work, pauses, ends and returns.
    course: list[Told]
    samples: list[SampleTold]
    corrections: list[Correction]
    #: What one would expect and is not there.
    missing: list[str]
    #: What ClickHouse keeps otherwise than the events come to.
    differences: list[Difference]
    #: Whether it is being written, so that differences mean nothing yet.
    being_written: bool


def explain_contact(settings: Settings, rules: Rules, contact_id: str) -> Explanation | Unknown:
    """Read a contact and explain it. Raises StoreError."""
    with StoredRows(settings) as kept:
        epochs = Epochs(kept.progress())
        contact = next(read_contacts(kept, ContactRange(contact_id, contact_id), EVERYTHING), None)
        if contact is None or not contact.events:
            return Unknown(contact is not None, [] if contact is not None else kept.like(contact_id, _ALIKE))
        return explain(contact, rules, epochs)


def explain(kept: StoredContact, rules: Rules, epochs: Epochs) -> Explanation:
    """Explain a contact that has archived events."""
    events, _ = merge([], (archived.event for archived in kept.events))
    channel = kept.events[0].channel
    folded, clock, course = told(channel, events, rules)
    counting = effective(events)
    of = {event.event_id: event for event in counting}
    differences = contacts.differences(kept, contacts.owed(kept, rules), rules, epochs)
    rows = sorted(_as_held(folded.samples, kept, differences), key=lambda row: (row.at, row.sample, row.slot))
    corrections, late = _history(channel, kept.events, rules)
    return Explanation(
        kept.contact_id,
        channel,
        {name: value for name, value in folded.summary.items() if name not in {"v", "step"}},
        _events(kept, events, counting, late),
        clock,
        course,
        [_sample(row, of.get(row.caused_by or "")) for row in rows],
        corrections,
        _missing(events, counting, partial=folded.summary["partial"]),
        differences,
        not contacts.is_in(kept, epochs),
    )


def _as_held(rows: list[Sample], kept: StoredContact, differences: list[Difference]) -> list[Sample]:
    """Give samples that were computed with another configuration the policy and target used then: these count."""
    keys = {
        (each.key["sample"], each.key["slot"])
        for each in differences
        if each.table == "samples" and each.kind == BY_PROMISE and each.columns
    }
    held = {row[4:6]: Sample._make(row[4:]) for row in kept.samples if row[4:6] in keys}
    return [held.get(row[:2], row) for row in rows]


def _events(kept: StoredContact, events: list[Event], counting: list[Event], late: set[int]) -> list[EventTold]:
    voided_by = {e.fields["voids"]: e.event_id for e in events if e.type == "event.voided"}
    stands = {event.event_id: event for event in events}
    counts = {event.event_id for event in counting}
    start = counting[0] if counting and counting[0].type == "contact.started" else None
    earliest = min(map(order, counting), default=None)
    found = []
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
        taken = used and event.event_id in counts
        found.append(EventTold(*event[:4], fields, archived.received_at, taken, id(archived) in late, notes))
    return found


def _sample(row: Sample, caused: Event | None) -> SampleTold:
    apart = {"sample", "slot", "at", "policy", "target_ms", "within", "caused_by"}
    values = {name: value for name, value in row._asdict().items() if name not in apart}
    values = {name: value for name, value in values.items() if value is not None and value is not False and value != ""}
    lasts = row.sample in DURATIONS and row.sample not in {"hold", "wrap", "talk"} and row.value_ms is not None
    since = row.at - (row.value_ms or 0) if lasts else None
    kind = "" if caused is None else caused.type
    return SampleTold(*row[:3], since, values, row.caused_by, kind, row.policy, row.target_ms, row.within)


def _history(channel: str, events: list[Archived], rules: Rules) -> tuple[list[Correction], set[int]]:
    """Return the corrections that still matter, and by identity the events that arrived late.

    A sample that was issued again unchanged is left out. What an event in its order changes is the contact's course,
    and no correction: a queue that is named, a tag that is taken off.
    """
    known: list[Event] = []
    rows: dict[RowKey, Sample] = {}
    found: list[Correction] = []
    late: set[int] = set()
    apart = len({archived.source for archived in events}) > 1  # offsets of several partitions do not compare
    for archived in sorted(events, key=lambda each: (each.epoch, each.received_at if apart else 0, each.offset)):
        if _is_late(known, archived.event):
            late.add(id(archived))
        merged, _ = merge(known, [archived.event])
        if merged == known:
            continue
        now: dict[RowKey, Sample] = {row[:2]: row for row in fold(channel, merged, rules).samples}
        if by := _arrival(known, archived.event):
            found += [Correction(row, now.get(key), by) for key, row in rows.items() if now.get(key) != row]
        known, rows = merged, now
    return [each for each in found if rows.get(each.before[:2]) != each.before], late


def _is_late(known: list[Event], event: Event) -> bool:
    """Tell whether an event arrives behind some that come after it in the fold, where the start comes first of all."""
    if event.type == "contact.started":
        return bool(known) and all(each.type != "contact.started" for each in known)
    return any(order(event) < order(each) for each in known if each.type != "contact.started")


def _arrival(known: list[Event], event: Event) -> Arrival | None:
    """Say why an event corrects what was there; None where it comes in its order, or was voided before."""
    event_id = event.event_id
    if event.type == "event.voided":
        return Arrival(event, "voided", f"event {event_id} voided {event.fields['voids']}")
    if event.type == "contact.discarded":
        return Arrival(event, "discarded", f"the contact was discarded ({event.fields['reason']})")
    if any(each.event_id == event_id for each in known):
        says = f"{event_id} came again with another content, which sorts first and so stands"
        return Arrival(event, "conflict", says)
    if any(each.type == "event.voided" and each.fields["voids"] == event_id for each in known):
        return None
    if _is_late(known, event):
        return Arrival(event, "late", f"{event.type} {event_id} arrived late: it belongs before what was there")
    return None


def _missing(events: list[Event], counting: list[Event], *, partial: bool) -> list[str]:
    unseen = "no contact.started: it was under way before Pulssi saw it (partial), so no policy is held against it"
    found = [unseen] if partial else []
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
            what = f"{event.type} {event.event_id} of {agent}"
            found.append(f"{what} without a contact.connected before it: no handle time")
    return found
