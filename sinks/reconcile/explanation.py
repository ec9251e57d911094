"""Explains a contact: its events, its samples and their causes, what was retracted and why, what is missing.

For someone who has to answer for a number: it says what counted and what did not, and never shows what people wrote.
Retractions are found by folding the events again in the order in which they arrived. The stream folds several events at
once, so a value that is named here may never have been shown; that it was retracted, and why, is still true.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import SPANS, Sample
from schemas.settings import Settings
from sinks.clickhouse.stored_rows import EVERYTHING, ContactRange, StoredRows
from sinks.reconcile import contact_comparison
from sinks.reconcile.configuration_changes import RowKey
from sinks.reconcile.contact_comparison import ArchivedEvent, StoredContact
from sinks.reconcile.contact_story import Sentence, tell_story
from sinks.reconcile.epochs import Epochs
from sinks.reconcile.reconciliation import read_contacts
from sinks.reconcile.report import OTHER_CONFIGURATION, Difference
from streams.core.event import Event, effective, merge, order
from streams.core.fold import fold

#: How many similar ids are named where one is not found.
_SIMILAR_IDS: Final = 5
#: Fields that are not shown: they say nothing of what happened, or may hold anything.
_HIDDEN_FIELDS: Final = frozenset({"source", "attributes", "customer_id", "evaluator_id"})
#: Events of an agent that need an open handle segment.
_NEED_CONNECTION: Final = frozenset({"contact.held", "contact.resumed", "contact.wrapped", "contact.disconnected"})


class UnknownContact(NamedTuple):
    """No event of that contact is archived."""

    #: Whether there are rows of it nevertheless.
    has_rows: bool
    #: Contacts whose ids end or begin like it, the latest first.
    alike: list[str]


@dataclass
class ExplainedEvent:
    """An event, and whether it counts."""

    at: int
    seq: int
    event_id: str
    type: str
    fields: dict[str, Any]
    #: When Kafka received it, UTC milliseconds.
    received_at: int
    #: Whether it takes part in the fold.
    counts: bool
    #: Whether it arrived after events that happened later.
    late: bool
    notes: list[str]


@dataclass
class ExplainedSample:
    """A sample in effect, with the event that caused it."""

    sample: str
    slot: str
    at: int
    #: Where a duration begins, UTC milliseconds.
    since: int | None
    #: Its other columns, without empty ones.
    values: dict[str, Any]
    #: The event that caused it.
    caused_by: str | None
    type: str
    #: The policy; empty where none applies, as to a partial contact.
    policy: str
    target_ms: int | None
    within: bool | None


class Cause(NamedTuple):
    """Why an event corrected samples."""

    event: Event
    #: `voided`, `discarded`, `conflict` or `late`.
    because: str
    says: str


class Correction(NamedTuple):
    """A sample that was issued, and what replaced it."""

    before: Sample
    #: None: it was retracted.
    after: Sample | None
    by: Cause


@dataclass
class Explanation:
    """The explanation of one contact."""

    contact_id: str
    channel: str
    #: The contact's summary by its events.
    summary: dict[str, Any]
    events: list[ExplainedEvent]
    clock: list[Sentence]
    #: All other changes: queues, work, pauses, ends and returns.
    course: list[Sentence]
    samples: list[ExplainedSample]
    corrections: list[Correction]
    #: What a reader would expect and is missing.
    missing: list[str]
    #: Rows in ClickHouse that differ from what the events give.
    differences: list[Difference]
    #: Whether it is being written, so that differences mean nothing yet.
    being_written: bool


def explain_contact(settings: Settings, rules: Rules, contact_id: str) -> Explanation | UnknownContact:
    """Read a contact and explain it. Raises StoreError."""
    with StoredRows(settings) as stored:
        epochs = Epochs(stored.progress())
        contact = next(read_contacts(stored, ContactRange(contact_id, contact_id), EVERYTHING), None)
        if contact is None or not contact.events:
            has_rows = contact is not None
            return UnknownContact(has_rows, [] if has_rows else stored.similar_ids(contact_id, _SIMILAR_IDS))
        return explain(contact, rules, epochs)


def explain(stored: StoredContact, rules: Rules, epochs: Epochs) -> Explanation:
    """Explain a contact that has archived events."""
    events, _ = merge([], (archived.event for archived in stored.events))
    channel = stored.events[0].channel
    folded, clock, course = tell_story(channel, events, rules)
    in_effect = effective(events)
    counted = {event.event_id: event for event in in_effect}
    differences = contact_comparison.differences(stored, contact_comparison.expected_rows(stored, rules), rules, epochs)
    rows = _with_stored_policies(folded.samples, stored, differences)
    corrections, late = _corrections(channel, stored.events, rules)
    return Explanation(
        stored.contact_id,
        channel,
        {name: value for name, value in folded.summary.items() if name not in {"v", "step"}},
        _events(stored, events, in_effect, late),
        clock,
        course,
        [_sample(row, counted.get(row.caused_by or "")) for row in sorted(rows, key=lambda row: (row.at, *row[:2]))],
        corrections,
        _missing(events, in_effect, partial=folded.summary["partial"]),
        differences,
        not contact_comparison.is_written(stored, epochs),
    )


def _with_stored_policies(rows: list[Sample], stored: StoredContact, differences: list[Difference]) -> list[Sample]:
    """Give samples that were computed with another configuration the policy and target used then: these count."""
    keys = {
        (each.key["sample"], each.key["slot"])
        for each in differences
        if each.table == "samples" and each.kind == OTHER_CONFIGURATION and each.columns
    }
    by_key = {row[4:6]: Sample._make(row[4:]) for row in stored.samples if row[4:6] in keys}
    return [by_key.get(row[:2], row) for row in rows]


def _events(stored: StoredContact, events: list[Event], in_effect: list[Event], late: set[int]) -> list[ExplainedEvent]:
    voided_by = {e.fields["voids"]: e.event_id for e in events if e.type == "event.voided"}
    stands = {event.event_id: event for event in events}
    counts = {event.event_id for event in in_effect}
    start = in_effect[0] if in_effect and in_effect[0].type == "contact.started" else None
    earliest = min(map(order, in_effect), default=None)
    found = []
    for archived in sorted(stored.events, key=lambda each: order(each.event)):
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
        fields = {name.rstrip("_"): value for name, value in event.fields.items() if name not in _HIDDEN_FIELDS}
        is_counted = used and event.event_id in counts
        found.append(ExplainedEvent(*event[:4], fields, archived.received_at, is_counted, id(archived) in late, notes))
    return found


def _sample(row: Sample, caused: Event | None) -> ExplainedSample:
    other_fields = {"sample", "slot", "at", "policy", "target_ms", "within", "caused_by"}
    values = {name: value for name, value in row._asdict().items() if name not in other_fields}
    values = {name: value for name, value in values.items() if value is not None and value is not False and value != ""}
    has_start = row.sample in SPANS and row.value_ms is not None
    since = row.at - (row.value_ms or 0) if has_start else None
    kind = "" if caused is None else caused.type
    return ExplainedSample(*row[:3], since, values, row.caused_by, kind, row.policy, row.target_ms, row.within)


def _corrections(channel: str, events: list[ArchivedEvent], rules: Rules) -> tuple[list[Correction], set[int]]:
    """Return the corrections that still matter, and by identity the events that arrived late.

    A sample that was issued again unchanged is left out. What changes by an event that arrives in order, such as a new
    queue or a removed tag, is no correction.
    """
    known: list[Event] = []
    rows: dict[RowKey, Sample] = {}
    found: list[Correction] = []
    late: set[int] = set()
    several_partitions = (
        len({archived.source for archived in events}) > 1
    )  # offsets of several partitions do not compare
    for archived in sorted(
        events, key=lambda each: (each.epoch, each.received_at if several_partitions else 0, each.offset)
    ):
        if _is_late(known, archived.event):
            late.add(id(archived))
        merged, _ = merge(known, [archived.event])
        if merged == known:
            continue
        now: dict[RowKey, Sample] = {row[:2]: row for row in fold(channel, merged, rules).samples}
        if by := _cause_of(known, archived.event):
            found += [Correction(row, now.get(key), by) for key, row in rows.items() if now.get(key) != row]
        known, rows = merged, now
    return [each for each in found if rows.get(each.before[:2]) != each.before], late


def _is_late(known: list[Event], event: Event) -> bool:
    """Tell whether an event arrives after some that it precedes in the fold; there the start precedes all others."""
    if event.type == "contact.started":
        return bool(known) and all(each.type != "contact.started" for each in known)
    return any(order(event) < order(each) for each in known if each.type != "contact.started")


def _cause_of(known: list[Event], event: Event) -> Cause | None:
    """Say why an event corrects earlier samples; None if it arrives in order, or was voided before."""
    event_id = event.event_id
    if event.type == "event.voided":
        return Cause(event, "voided", f"event {event_id} voided {event.fields['voids']}")
    if event.type == "contact.discarded":
        return Cause(event, "discarded", f"the contact was discarded ({event.fields['reason']})")
    if any(each.event_id == event_id for each in known):
        says = f"{event_id} came again with another content, which sorts first and so stands"
        return Cause(event, "conflict", says)
    if any(each.type == "event.voided" and each.fields["voids"] == event_id for each in known):
        return None
    if _is_late(known, event):
        return Cause(event, "late", f"{event.type} {event_id} arrived late: it belongs before what was there")
    return None


def _missing(events: list[Event], in_effect: list[Event], *, partial: bool) -> list[str]:
    unseen = "no contact.started: it was under way before Pulssi saw it (partial), so no policy is held against it"
    found = [unseen] if partial else []
    ids = {event.event_id for event in events}
    found += [
        f"{event.event_id} voids {event.fields['voids']}, which has not arrived"
        for event in events
        if event.type == "event.voided" and event.fields["voids"] not in ids
    ]
    connected: set[str] = set()
    for event in in_effect:
        agent = event.fields.get("agent_id")
        if event.type == "contact.connected":
            connected.add(event.fields["agent_id"])
        elif event.type in _NEED_CONNECTION and agent is not None and agent not in connected:
            what = f"{event.type} {event.event_id} of {agent}"
            found.append(f"{what} without a contact.connected before it: no handle time")
    return found
