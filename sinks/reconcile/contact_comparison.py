"""One contact: its stored rows compared with those of its archived events, and the rows that repair it. Pure.

The fold is the stream's own: this checks that what the stream computed was written, not that the fold is right. The
tests check the fold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from schemas.policies import Rules
from schemas.topics import CHANNELS, SourcePartition
from sinks.pending_batch import contact_row
from sinks.reconcile.configuration_changes import (
    SLOW,
    RowKey,
    differs_by_configuration,
    renamed_tags,
    slow_by_other_patience,
)
from sinks.reconcile.epochs import Epochs, epoch_of, repair_version
from sinks.reconcile.report import OTHER_CONFIGURATION, Difference, Kind
from sinks.rows import ContactRow, SampleRow
from sinks.store_protocol import Batch
from streams.core.event import Event, merge
from streams.core.fold import fold

#: Columns that are compared: not those that say who wrote a row and when.
_SAMPLE_COLUMNS: Final = tuple(name for name in SampleRow._fields if name not in {"version", "retracted"})
_CONTACT_COLUMNS: Final = tuple(name for name in ContactRow._fields if name not in {"contact_id", "version"})
#: Columns of a contact that depend on policies, calendars and horizons, which may have changed since.
_BY_CONFIGURATION: Final = frozenset(
    {
        *("target_ms", "leaves_at"),
        *(name for name in _CONTACT_COLUMNS if name.endswith(("_policy", "_warns_at", "_breached_at"))),
    }
)


class ArchivedEvent(NamedTuple):
    """One archived content of one event id."""

    event: Event
    channel: str
    topic: str
    partition: int
    epoch: int
    offset: int
    #: UTC milliseconds.
    received_at: int

    @property
    def source(self) -> SourcePartition:
        """The source partition that it came from."""
        return self.topic, self.partition


class StoredContact(NamedTuple):
    """A contact as ClickHouse has it; retracted samples are among the samples, each key once."""

    contact_id: str
    events: list[ArchivedEvent]
    samples: list[SampleRow]
    contact: ContactRow | None

    @property
    def rows(self) -> list[SampleRow | ContactRow]:
        """All rows that the fold gave."""
        return [*self.samples, *([self.contact] if self.contact else [])]


class ExpectedRows(NamedTuple):
    """The rows that a contact's events give."""

    samples: dict[RowKey, SampleRow]
    contact: ContactRow


def expected_rows(stored: StoredContact, rules: Rules) -> ExpectedRows | None:
    """Fold the archived events; None where there are none."""
    events, _ = merge([], (archived.event for archived in stored.events))
    if not events:
        return None
    channel = stored.events[0].channel or CHANNELS[0]
    folded = fold(channel, events, rules)
    samples = {row[:2]: SampleRow(stored.contact_id, channel, 0, False, *row) for row in folded.samples}
    return ExpectedRows(samples, contact_row(stored.contact_id, 0, folded.summary))


def is_written(stored: StoredContact, epochs: Epochs) -> bool:
    """Tell whether the sink has finished writing all that the archived events give, and nothing newer."""
    sources = {archived.source for archived in stored.events}
    return all(epochs.is_event_written(each.source, each.epoch, each.offset) for each in stored.events) and all(
        any(epochs.is_row_written(source, row.version) for source in sources) for row in stored.rows if sources
    )


def _has_running_epoch(stored: StoredContact, epochs: Epochs) -> bool:
    """Tell whether a running epoch wrote an event or a row of the contact."""
    written = {epoch_of(row.version) for row in stored.rows}
    return any(epochs.is_running(each.source, epoch) for each in stored.events for epoch in {each.epoch, *written})


def _lacks_events(stored: StoredContact) -> bool:
    """Tell whether rows come from events that are not archived: then the archive proves nothing."""
    known = {archived.event.event_id for archived in stored.events}
    causes = {row.caused_by for row in stored.samples if not row.retracted and row.caused_by is not None}
    last = max((archived.event.at for archived in stored.events), default=-1)
    return not stored.events or not causes <= known or (stored.contact is not None and stored.contact.last_at > last)


def differences(stored: StoredContact, expected: ExpectedRows | None, rules: Rules, epochs: Epochs) -> list[Difference]:
    """List the differences between the stored rows and the expected ones."""
    found = [*_sample_differences(stored, {} if expected is None else expected.samples, rules)]
    found += _contact_difference(stored, expected, found)
    if found:
        compared_only, unproved = _has_running_epoch(stored, epochs), _lacks_events(stored)
        for each in found:
            each.compared_only = compared_only
            if unproved and each.kind != OTHER_CONFIGURATION:
                each.kind = "not archived"
    return found


def _sample_differences(stored: StoredContact, expected: dict[RowKey, SampleRow], rules: Rules) -> Iterator[Difference]:
    in_effect = {(row.sample, row.slot): row for row in stored.samples if not row.retracted}
    by_configuration = renamed_tags(in_effect, expected, rules)
    if slow_by_other_patience(in_effect, rules):
        by_configuration.add(SLOW)
    for key in sorted(in_effect.keys() | expected.keys()):
        has, wants = in_effect.get(key), expected.get(key)
        columns, kind = {}, _kind(has, wants)
        if has is not None and wants is not None:
            columns = _differing_columns(has, wants, _SAMPLE_COLUMNS)
            if not columns:
                continue
            if differs_by_configuration(has, wants, columns):
                kind = OTHER_CONFIGURATION
        row_key = {"contact_id": stored.contact_id, "sample": key[0], "slot": key[1]}
        yield Difference("samples", OTHER_CONFIGURATION if key in by_configuration else kind, row_key, columns)


def _contact_difference(
    stored: StoredContact, expected: ExpectedRows | None, found: list[Difference]
) -> Iterator[Difference]:
    has, wants = stored.contact, None if expected is None else expected.contact
    columns, kind = {}, _kind(has, wants)
    if has is not None and wants is not None:
        columns = _differing_columns(has, wants, _CONTACT_COLUMNS)
        # The contact's tags depend on the configuration too, if only the taxonomy's names differ in their samples.
        tagged = [each.kind == OTHER_CONFIGURATION for each in found if each.key["sample"] == "tagged"]
        if columns.keys() <= (_BY_CONFIGURATION | {"tags"} if tagged and all(tagged) else _BY_CONFIGURATION):
            kind = OTHER_CONFIGURATION
    if columns or (has is None) != (wants is None):
        yield Difference("contacts", kind, {"contact_id": stored.contact_id}, columns)


def _kind(has: object, wants: object) -> Kind:
    return "missing" if has is None else "too much" if wants is None else "different"


def _differing_columns(has: Any, wants: Any, names: Iterable[str]) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 - either row
    return {name: (mine, other) for name in names if (mine := getattr(has, name)) != (other := getattr(wants, name))}


def is_repairable(difference: Difference) -> bool:
    """Tell whether a repair writes the expected row."""
    return not difference.compared_only and difference.kind not in {"not archived", OTHER_CONFIGURATION}


def repair_rows(stored: StoredContact, expected: ExpectedRows | None, found: Iterable[Difference]) -> Batch:
    """Return the rows that repair these differences."""
    batch = Batch()
    if expected is None:
        return batch
    epochs = (*(epoch_of(row.version) for row in stored.rows), *(each.epoch for each in stored.events))
    version = repair_version(max(epochs))
    for each in filter(is_repairable, found):
        if each.table == "contacts":
            batch.contacts.append(expected.contact._replace(version=version))
            continue
        name, slot = each.key["sample"], each.key["slot"]
        row = expected.samples.get((name, slot)) or SampleRow(stored.contact_id, "", version, True, name, slot)
        batch.samples.append(row._replace(version=version))
    return batch
