"""What is to be written next: steps gathered into one batch, each key once, its latest value.

Pure. A row of a contact carries the step that last changed it, so of a contact's record only what came after the last
step that is in needs writing; where that is not known, all of it. A tombstone is no retraction: it only says that the
worker forgot the contact, and is passed over.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from operator import itemgetter
from typing import Any, Final, NamedTuple, get_args

from schemas.contact_record import Summary, decode_contact
from schemas.journal import (
    CONTACT,
    PANE,
    SET_ASIDE,
    SUPPLEMENT,
    TAG_PANE,
    TAG_SUPPLEMENT,
    Head,
    OffsetRange,
    decode_pane,
    decode_pane_key,
    decode_set_aside,
    decode_tag_pane,
    decode_tag_pane_key,
    supplement_of,
)
from schemas.policies import Metric
from schemas.topics import SourcePartition, channel_of
from sinks.event_rows import rows_of_journal
from sinks.port import Batch
from sinks.rows import CONTACT_FIELDS, ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow, named, version_of
from streams.journal.step_assembly import Step

#: The step that is in where none is known: every row is later.
NOTHING: Final = -1

_NO_DEADLINE: Final[tuple[Any, ...]] = ("", None, None)
_METRICS: Final = get_args(Metric)
_NO_DEADLINES: Final = _NO_DEADLINE * len(_METRICS)
_taken: Final = itemgetter(*CONTACT_FIELDS)

_PANE: Final[tuple[Any, ...]] = ("panes", PaneRow, decode_pane_key, decode_pane)
_TAG_PANE: Final[tuple[Any, ...]] = ("tag_panes", TagPaneRow, decode_tag_pane_key, decode_tag_pane)
#: Of each kind of pane: the batch's list, its row, and how key and value are read.
_PANES: Final = {PANE: _PANE, SUPPLEMENT: _PANE, TAG_PANE: _TAG_PANE, TAG_SUPPLEMENT: _TAG_PANE}


class Reached(NamedTuple):
    """How far a partition is with the steps gathered so far."""

    head: Head
    journal_end: int


class PendingBatch:
    """Steps of one batch to be. `written` is the step that is in, by partition, where it is known."""

    def __init__(self, written: dict[SourcePartition, int] | None = None) -> None:
        self._written = dict(written or {})
        self._records: dict[tuple[SourcePartition, bytes], tuple[int, bytes]] = {}
        self._set_aside: dict[SourcePartition, dict[int, list[OffsetRange]]] = {}
        self.reached: dict[SourcePartition, Reached] = {}
        #: Bytes of keys and values held.
        self.size = 0
        self.steps = 0

    def add(self, step: Step) -> None:
        """Take the next step of its partition."""
        partition = step.source, step.partition
        if step.restarted:
            self._written.pop(partition, None)
            self._set_aside.pop(partition, None)
        records, epoch = self._records, step.head.epoch
        for offset, key, value in step.records:
            if value is None:
                continue
            if key[:1] == SET_ASIDE:
                self._add_set_aside(partition, key, value)
                continue
            before = records.get((partition, key))
            self.size += len(value) + (len(key) if before is None else -len(before[1]))
            records[partition, key] = (version_of(epoch, offset), value)
        self.reached[partition] = Reached(step.head, step.end)
        self.steps += 1

    def _add_set_aside(self, partition: SourcePartition, key: bytes, value: bytes) -> None:
        epoch, _, ranges = decode_set_aside(key, value)
        self._set_aside.setdefault(partition, {}).setdefault(epoch, []).extend(ranges)
        self.size += len(value)

    def set_aside(self, partition: SourcePartition) -> list[OffsetRange]:
        """Return the source offsets that these steps of the partition's epoch set aside, in order."""
        return self._set_aside.get(partition, {}).get(self.reached[partition].head.epoch, [])

    def leave_out(self, partitions: Collection[SourcePartition]) -> None:
        """Forget what was gathered of these partitions."""
        if not self.reached.keys().isdisjoint(partitions):
            self._records = {of: value for of, value in self._records.items() if of[0] not in partitions}
            self.reached = {of: reached for of, reached in self.reached.items() if of not in partitions}

    def after(self) -> dict[SourcePartition, int]:
        """Return the step that is in, by partition, once this is written."""
        return {**self._written, **{partition: reached.head.step for partition, reached in self.reached.items()}}

    def batch(self) -> Batch:
        """Return all of it as rows, without events and progress."""
        batch = Batch()
        for (partition, key), (version, value) in self._records.items():
            kind = key[:1]
            if kind == CONTACT:
                self._add_contact(batch, key, version, value, self._written.get(partition, NOTHING))
            elif kind in _PANES:
                rows, row, of, told = _PANES[kind]
                channel, supplement = channel_of(partition[0]) or "", supplement_of(key)
                fields = (*partition, channel, supplement, version, *of(key), *told(value))
                getattr(batch, rows).append(named(row, fields))
        return batch

    def events_of(self, partitions: Collection[SourcePartition]) -> list[EventRow]:
        """Return the events of partitions whose source records are gone, as archive rows."""
        return [
            row
            for (partition, key), (_, value) in self._records.items()
            if partition in partitions
            for row in rows_of_journal(key, value, partition, self.reached[partition].head.epoch)
        ]

    @staticmethod
    def _add_contact(batch: Batch, key: bytes, version: int, value: bytes, written: int) -> None:
        contact_id = key[1:].decode()
        summary, rows, gone = decode_contact(value, written)
        batch.contacts.append(contact_row(contact_id, version, summary))
        channel = summary["channel"]
        add = batch.samples.append
        for _, sample in rows:
            add(named(SampleRow, (contact_id, channel, version, False, *sample)))
        if gone:
            issued = {sample[:2] for _, sample in rows}
            for _, *of in gone:
                if tuple(of) not in issued:
                    add(SampleRow(contact_id, "", version, True, *of))


def contact_row(contact_id: str, version: int, summary: Summary) -> ContactRow:
    """Write a contact's row."""
    deadlines = _NO_DEADLINES
    if summary["deadlines"]:
        held = {metric: (policy, warns_at, late_at) for metric, policy, _, warns_at, late_at in summary["deadlines"]}
        deadlines = tuple(chain.from_iterable(held.get(metric, _NO_DEADLINE) for metric in _METRICS))
    row: ContactRow = named(ContactRow, (contact_id, version, *_taken(summary), *deadlines))
    return row


def progress_rows(reached: Iterable[tuple[SourcePartition, Reached]], at: int) -> list[Progress]:
    """Say how far the partitions are; `at` in UTC milliseconds."""
    return [
        Progress(topic, partition, head.epoch, head.next, head.step, head.open, end, at, head.parked, head.journal)
        for (topic, partition), (head, end) in reached
    ]


def claims(epochs: Mapping[SourcePartition, int], at: int) -> list[Progress]:
    """Say that epochs have begun, before their first row: no later life may take the number, whatever becomes of it."""
    return [Progress(*partition, epoch, 0, 0, -1, 0, at) for partition, epoch in epochs.items()]
