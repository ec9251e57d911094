"""The next batch to write: steps gathered, each key once with its latest value. Pure.

Each row in a contact's record has the step that last changed it, so only rows of later steps than the last written one
are written; all rows where that step is not known. A tombstone only says that the worker evicted the contact. It
retracts nothing and is ignored.
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
from sinks.event_rows import rows_from_journal
from sinks.rows import (
    CONTACT_FIELDS,
    ContactRow,
    EventRow,
    PaneRow,
    Progress,
    SampleRow,
    TagPaneRow,
    row_of,
    version_of,
)
from sinks.store_protocol import Batch
from streams.journal.step_assembly import Step

#: Stands for the last written step where it is not known: every row is later.
NO_STEP: Final = -1

_NO_DEADLINE: Final[tuple[Any, ...]] = ("", None, None)
_METRICS: Final = get_args(Metric)
_NO_DEADLINES: Final = _NO_DEADLINE * len(_METRICS)
_summary_columns: Final = itemgetter(*CONTACT_FIELDS)

_PANE: Final[tuple[Any, ...]] = ("panes", PaneRow, decode_pane_key, decode_pane)
_TAG_PANE: Final[tuple[Any, ...]] = ("tag_panes", TagPaneRow, decode_tag_pane_key, decode_tag_pane)
#: By kind of key: the batch's list, the row's class, and the decoders of key and value.
_PANE_KINDS: Final = {PANE: _PANE, SUPPLEMENT: _PANE, TAG_PANE: _TAG_PANE, TAG_SUPPLEMENT: _TAG_PANE}


class Position(NamedTuple):
    """How far the steps gathered so far reach in a partition."""

    head: Head
    journal_end: int


class PendingBatch:
    """The steps of one batch. `written` has the last written step of each partition where it is known."""

    def __init__(self, written: dict[SourcePartition, int] | None = None) -> None:
        self._written = dict(written or {})
        self._records: dict[tuple[SourcePartition, bytes], tuple[int, bytes]] = {}
        self._set_aside: dict[SourcePartition, dict[int, list[OffsetRange]]] = {}
        self.positions: dict[SourcePartition, Position] = {}
        #: Bytes of keys and values in memory.
        self.size = 0
        self.steps = 0

    def add(self, step: Step) -> None:
        """Add the next step of its partition."""
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
        self.positions[partition] = Position(step.head, step.end)
        self.steps += 1

    def _add_set_aside(self, partition: SourcePartition, key: bytes, value: bytes) -> None:
        epoch, _, ranges = decode_set_aside(key, value)
        self._set_aside.setdefault(partition, {}).setdefault(epoch, []).extend(ranges)
        self.size += len(value)

    def set_aside(self, partition: SourcePartition) -> list[OffsetRange]:
        """Return the source offsets that these steps of the partition's epoch set aside, in order."""
        return self._set_aside.get(partition, {}).get(self.positions[partition].head.epoch, [])

    def leave_out(self, partitions: Collection[SourcePartition]) -> None:
        """Remove the steps of these partitions."""
        if not self.positions.keys().isdisjoint(partitions):
            self._records = {of: value for of, value in self._records.items() if of[0] not in partitions}
            self.positions = {of: position for of, position in self.positions.items() if of not in partitions}

    def steps_once_written(self) -> dict[SourcePartition, int]:
        """Return the last written step of each partition as it will be once this is written."""
        return {**self._written, **{partition: position.head.step for partition, position in self.positions.items()}}

    def batch(self) -> Batch:
        """Return the rows of all steps, without events and progress."""
        batch = Batch()
        for (partition, key), (version, value) in self._records.items():
            kind = key[:1]
            if kind == CONTACT:
                self._add_contact(batch, key, version, value, self._written.get(partition, NO_STEP))
            elif kind in _PANE_KINDS:
                rows, row, decode_key, decode_value = _PANE_KINDS[kind]
                channel, supplement = channel_of(partition[0]) or "", supplement_of(key)
                fields = (*partition, channel, supplement, version, *decode_key(key), *decode_value(value))
                getattr(batch, rows).append(row_of(row, fields))
        return batch

    def events_from_journal(self, partitions: Collection[SourcePartition]) -> list[EventRow]:
        """Return archive rows of partitions whose source records are lost."""
        return [
            row
            for (partition, key), (_, value) in self._records.items()
            if partition in partitions
            for row in rows_from_journal(key, value, partition, self.positions[partition].head.epoch)
        ]

    @staticmethod
    def _add_contact(batch: Batch, key: bytes, version: int, value: bytes, written: int) -> None:
        contact_id = key[1:].decode()
        summary, rows, retracted = decode_contact(value, written)
        batch.contacts.append(contact_row(contact_id, version, summary))
        channel = summary["channel"]
        add = batch.samples.append
        for _, sample in rows:
            add(row_of(SampleRow, (contact_id, channel, version, False, *sample)))
        in_effect = {sample[:2] for _, sample in rows} if retracted else set()
        for _, name, slot in retracted:
            if (name, slot) not in in_effect:
                add(SampleRow(contact_id, "", version, True, name, slot))


def contact_row(contact_id: str, version: int, summary: Summary) -> ContactRow:
    """Make a contact's row."""
    deadlines = _NO_DEADLINES
    if summary["deadlines"]:
        of = {metric: (policy, warns_at, late_at) for metric, policy, _, warns_at, late_at in summary["deadlines"]}
        deadlines = tuple(chain.from_iterable(of.get(metric, _NO_DEADLINE) for metric in _METRICS))
    row: ContactRow = row_of(ContactRow, (contact_id, version, *_summary_columns(summary), *deadlines))
    return row


def progress_rows(positions: Iterable[tuple[SourcePartition, Position]], at: int) -> list[Progress]:
    """Make the progress rows of these partitions; `at` in UTC milliseconds."""
    return [
        Progress(topic, partition, head.epoch, head.next, head.step, head.open, end, at, head.parked, head.journal)
        for (topic, partition), (head, end) in positions
    ]


def epoch_claims(epochs: Mapping[SourcePartition, int], at: int) -> list[Progress]:
    """Make the rows that claim epochs before their first data row: no later epoch may take the same number."""
    return [Progress(*partition, epoch, 0, 0, -1, 0, at) for partition, epoch in epochs.items()]
