"""What is to be written next: steps gathered into one batch, each key once, its latest value.

Pure. A row of a contact carries the step that last changed it, so of a contact's record only what came after the last
step that is in needs writing; where that is not known, all of it. A tombstone is no retraction: it only says that the
worker forgot the contact, and is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple, get_args

from schemas.journal import (
    CONTACT,
    PANE,
    SUPPLEMENT,
    TAG_PANE,
    TAG_SUPPLEMENT,
    Head,
    Summary,
    decode_contact,
    decode_pane,
    decode_pane_key,
    decode_supplement_key,
    decode_tag_pane,
    decode_tag_pane_key,
    decode_tag_supplement_key,
    encode_pane_key,
    encode_tag_pane_key,
)
from schemas.policies import Metric
from schemas.topics import channel_of
from sinks.archive import rows_of_contact
from sinks.port import Batch
from sinks.rows import ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow, named, version_of
from streams.journal.assembly import Step

#: The step that is in where none is known: every row is later.
NOTHING: Final = -1

#: A contact's columns of a clock, and of all of them, where none runs.
_NO_DEADLINE: Final[tuple[Any, ...]] = ("", None, None)
_NO_DEADLINES: Final = _NO_DEADLINE * len(get_args(Metric))
_FIRST_DEADLINE: Final = f"{get_args(Metric)[0]}_policy"

#: Takes a contact's columns from its summary: those between its id and version, and the clocks.
_taken: Final = itemgetter(*ContactRow._fields[2 : ContactRow._fields.index(_FIRST_DEADLINE)])

#: A source topic and a partition of it.
Place = tuple[str, int]


class Reached(NamedTuple):
    """How far a partition is with the steps gathered so far."""

    head: Head
    journal_end: int


class Pending:
    """Steps of one batch to be. `written` is the step that is in, by partition, where it is known."""

    def __init__(self, written: dict[Place, int] | None = None) -> None:
        self._written = dict(written or {})
        self._records: dict[tuple[Place, bytes], tuple[int, bytes]] = {}
        self.reached: dict[Place, Reached] = {}
        #: Bytes of keys and values held.
        self.size = 0
        self.steps = 0

    def add(self, step: Step) -> None:
        """Take the next step of its partition."""
        place = step.source, step.partition
        if step.restarted:
            self._written.pop(place, None)
        records, epoch = self._records, step.head.epoch
        for offset, key, value in step.records:
            if value is None:
                continue
            before = records.get((place, key))
            self.size += len(value) + (len(key) if before is None else -len(before[1]))
            records[place, key] = (version_of(epoch, offset), value)
        self.reached[place] = Reached(step.head, step.end)
        self.steps += 1

    def after(self) -> dict[Place, int]:
        """Return the step that is in, by partition, once this is written."""
        return {**self._written, **{place: reached.head.step for place, reached in self.reached.items()}}

    def batch(self) -> Batch:
        """Return all of it as rows, without events and progress."""
        batch = Batch()
        for (place, key), (version, value) in self._records.items():
            kind = key[:1]
            if kind == CONTACT:
                self._add_contact(batch, place, key, version, value)
            elif kind == PANE:
                batch.panes.append(_pane_row(place, key, version, value))
            elif kind == TAG_PANE:
                batch.tag_panes.append(_tag_pane_row(place, key, version, value))
            elif kind == SUPPLEMENT:
                pane, step = decode_supplement_key(key)
                row = _pane_row(place, encode_pane_key(pane), version, value)
                batch.panes.append(row._replace(supplement=str(step)))
            elif kind == TAG_SUPPLEMENT:
                tag_pane, step = decode_tag_supplement_key(key)
                tag_row = _tag_pane_row(place, encode_tag_pane_key(tag_pane), version, value)
                batch.tag_panes.append(tag_row._replace(supplement=str(step)))
        return batch

    def events_of(self, places: Collection[Place]) -> list[EventRow]:
        """Return the events of the contacts of partitions whose source records are gone, as archive rows."""
        return [
            row
            for (place, key), (_, value) in self._records.items()
            if place in places and key[:1] == CONTACT
            for row in rows_of_contact(
                key[1:].decode(), channel_of(place[0]) or "", value, place, self.reached[place].head.epoch
            )
        ]

    def _add_contact(self, batch: Batch, place: Place, key: bytes, version: int, value: bytes) -> None:
        contact_id = key[1:].decode()
        summary, rows, gone = decode_contact(value, self._written.get(place, NOTHING))
        batch.contacts.append(contact_row(contact_id, version, summary))
        channel = summary["channel"]
        add = batch.samples.append
        for _, (name, slot, at, *rest) in rows:
            add(named(SampleRow, (name, contact_id, slot, version, False, at, channel, *rest)))
        if gone:
            issued = {sample[:2] for _, sample in rows}
            for _, name, slot in gone:
                if (name, slot) not in issued:
                    add(SampleRow(name, contact_id, slot, version, True))


def contact_row(contact_id: str, version: int, summary: Summary) -> ContactRow:
    """Write a contact's row."""
    deadlines = _NO_DEADLINES
    if summary["deadlines"]:
        held = {metric: (policy, warns_at, late_at) for metric, policy, _, warns_at, late_at in summary["deadlines"]}
        deadlines = tuple(chain.from_iterable(held.get(metric, _NO_DEADLINE) for metric in get_args(Metric)))
    row: ContactRow = named(ContactRow, (contact_id, version, *_taken(summary), *deadlines, summary["leaves_at"]))
    return row


def progress_rows(reached: Iterable[tuple[Place, Reached]], at: int) -> list[Progress]:
    """Say how far the partitions are; `at` in UTC milliseconds."""
    return [
        Progress(topic, partition, head.epoch, head.next, head.step, head.open, end, at, head.parked)
        for (topic, partition), (head, end) in reached
    ]


def claims(reached: Iterable[tuple[Place, Reached]], at: int) -> list[Progress]:
    """Say that an epoch has begun, before its first row: no later life may take its number, whatever becomes of it."""
    return [Progress(topic, partition, head.epoch, 0, 0, -1, 0, at) for (topic, partition), (head, _) in reached]


def _pane_row(place: Place, key: bytes, version: int, value: bytes) -> PaneRow:
    epoch, start, *dimensions, sample = decode_pane_key(key)
    channel = channel_of(place[0]) or ""
    return PaneRow._make([sample, start, channel, *dimensions, epoch, *place, "", version, *decode_pane(value)])


def _tag_pane_row(place: Place, key: bytes, version: int, value: bytes) -> TagPaneRow:
    epoch, start, queue, tag = decode_tag_pane_key(key)
    n, known = decode_tag_pane(value)
    return TagPaneRow(start, channel_of(place[0]) or "", queue, tag, epoch, *place, "", version, known, n)
