"""One contact: its archived events folded again, held against its rows, and the rows that would mend it. Pure.

The fold is the stream's own, so that what is compared here is what was written, not what the rules mean; whether the
fold means what it should is the tests' question.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from schemas.policies import Rules
from schemas.topics import CHANNELS, SourcePartition
from sinks.batching import contact_row
from sinks.port import Batch
from sinks.reconcile.differences import BY_PROMISE, Difference, Kind
from sinks.reconcile.epochs import Epochs, epoch_of, mended
from sinks.reconcile.rules_kept import SLOW, RowKey, judged_by_patience, same_promise, tags_renamed
from sinks.rows import ContactRow, SampleRow
from streams.core.event import Event, merge
from streams.core.fold import fold

#: Columns that say who wrote a row and when, not what it says.
_OF_SAMPLES: Final = tuple(name for name in SampleRow._fields if name not in {"version", "gone"})
_OF_CONTACTS: Final = tuple(name for name in ContactRow._fields if name not in {"contact_id", "version"})
#: Those that follow from policies, calendars and horizons: rules that may be others by now.
_PROMISED: Final = frozenset(
    {
        *("target_ms", "leaves_at"),
        *(name for name in _OF_CONTACTS if name.endswith(("_policy", "_warns_at", "_breached_at"))),
    }
)


class Archived(NamedTuple):
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
        """The source partition that it came by."""
        return self.topic, self.partition


class StoredContact(NamedTuple):
    """A contact as ClickHouse has it; samples with those taken back, each key once."""

    contact_id: str
    events: list[Archived]
    samples: list[SampleRow]
    contact: ContactRow | None


class Owed(NamedTuple):
    """What a contact's events come to."""

    samples: dict[RowKey, SampleRow]
    contact: ContactRow


def owed(kept: StoredContact, rules: Rules) -> Owed | None:
    """Fold the archived events; None where there are none."""
    events, _ = merge([], (archived.event for archived in kept.events))
    if not events:
        return None
    channel = kept.events[0].channel or CHANNELS[0]
    folded = fold(channel, events, rules)
    rows = {row[:2]: SampleRow(kept.contact_id, channel, 0, False, *row) for row in folded.samples}
    return Owed(rows, contact_row(kept.contact_id, 0, folded.summary))


def is_in(kept: StoredContact, epochs: Epochs) -> bool:
    """Tell whether all that the archive says of the contact is in, and nothing beyond it."""
    sources = {archived.source for archived in kept.events}
    return all(epochs.event_in(each.source, each.epoch, each.offset) for each in kept.events) and all(
        any(epochs.row_in(source, row.version) for source in sources) for row in _rows(kept) if sources
    )


def _is_running(kept: StoredContact, epochs: Epochs) -> bool:
    """Tell whether an epoch that still runs has a part in the contact."""
    written = {epoch_of(row.version) for row in _rows(kept)}
    return any(
        epochs.runs(each.source, each.epoch) or any(epochs.runs(each.source, epoch) for epoch in written)
        for each in kept.events
    )


def _rows(kept: StoredContact) -> list[SampleRow | ContactRow]:
    return [*kept.samples, *([kept.contact] if kept.contact else [])]


def _lacks_events(kept: StoredContact) -> bool:
    """Tell whether rows are kept of events that the archive does not have: then the archive proves nothing."""
    known = {archived.event.event_id for archived in kept.events}
    caused = {row.caused_by for row in kept.samples if not row.gone and row.caused_by is not None}
    last = max((archived.event.at for archived in kept.events), default=-1)
    return not kept.events or not caused <= known or (kept.contact is not None and kept.contact.last_at > last)


def differences(kept: StoredContact, wanted: Owed | None, rules: Rules, epochs: Epochs) -> list[Difference]:
    """List what differs between the rows that are kept and those that the events come to."""
    found = [*_of_samples(kept, {} if wanted is None else wanted.samples, rules)]
    found += _of_contact(kept, wanted, found)
    if found:
        compared_only, unproved = _is_running(kept, epochs), _lacks_events(kept)
        for each in found:
            each.compared_only = compared_only
            if unproved and each.kind != BY_PROMISE:
                each.kind = "not archived"
    return found


def _of_samples(kept: StoredContact, there: dict[RowKey, SampleRow], rules: Rules) -> Iterator[Difference]:
    here = {(row.sample, row.slot): row for row in kept.samples if not row.gone}
    promised = tags_renamed(here, there, rules)
    if judged_by_patience(here, rules):
        promised.add(SLOW)
    for key in sorted(here.keys() | there.keys()):
        has, wants = here.get(key), there.get(key)
        columns, kind = {}, _kind(has, wants)
        if has is not None and wants is not None:
            columns = _columns(has, wants, _OF_SAMPLES)
            if not columns:
                continue
            if same_promise(has, wants, columns):
                kind = BY_PROMISE
        named = {"contact_id": kept.contact_id, "sample": key[0], "slot": key[1]}
        yield Difference("samples", BY_PROMISE if key in promised else kind, named, columns)


def _of_contact(kept: StoredContact, wanted: Owed | None, found: list[Difference]) -> Iterator[Difference]:
    has, wants = kept.contact, None if wanted is None else wanted.contact
    columns, kind = {}, _kind(has, wants)
    if has is not None and wants is not None:
        columns = _columns(has, wants, _OF_CONTACTS)
        # What clocks are held against is a promise; so are tags whose samples differ by a taxonomy's names alone.
        tagged = [each.kind == BY_PROMISE for each in found if each.key["sample"] == "tagged"]
        if columns.keys() <= (_PROMISED | {"tags"} if tagged and all(tagged) else _PROMISED):
            kind = BY_PROMISE
    if columns or (has is None) != (wants is None):
        yield Difference("contacts", kind, {"contact_id": kept.contact_id}, columns)


def _kind(has: object, wants: object) -> Kind:
    return "missing" if has is None else "too much" if wants is None else "different"


def _columns(has: Any, wants: Any, names: Iterable[str]) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401 - either row
    return {name: (mine, other) for name in names if (mine := getattr(has, name)) != (other := getattr(wants, name))}


def is_mendable(difference: Difference) -> bool:
    """Tell whether a repair writes what should be: rows that differ by promise, or unproved, stay."""
    return not difference.compared_only and difference.kind not in {"not archived", BY_PROMISE}


def mending(kept: StoredContact, wanted: Owed | None, found: Iterable[Difference]) -> Batch:
    """Return the rows that make the contact what its events come to."""
    batch = Batch()
    if wanted is None:
        return batch
    version = mended(max([*(epoch_of(row.version) for row in _rows(kept)), *(each.epoch for each in kept.events)]))
    for each in filter(is_mendable, found):
        if each.table == "contacts":
            batch.contacts.append(wanted.contact._replace(version=version))
            continue
        name, slot = each.key["sample"], each.key["slot"]
        row = wanted.samples.get((name, slot)) or SampleRow(kept.contact_id, "", version, True, name, slot)
        batch.samples.append(row._replace(version=version))
    return batch
