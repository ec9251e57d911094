"""A contact's state: its events, the rows issued for it, and the rows taken back. Written as one record's value.

What was issued is kept, so that what changes is taken back exactly as it was issued, whatever the rules say by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import Final, NamedTuple

from schemas.contact_record import Summary, decode_state, encode_contact
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, merge
from streams.core.fold import fold

#: Key of a row within its contact: sample and slot.
RowKey = tuple[str, str]


_event: Final = tuple.__new__  # makes a named tuple of its fields in half the time that naming it takes


class Contact(NamedTuple):
    """A contact in memory while a step works on it."""

    events: list[Event]
    #: Each row with the step that last changed it.
    rows: dict[RowKey, tuple[int, Sample]]
    #: Keys of rows taken back, with the step that did.
    gone: dict[RowKey, int]


EMPTY: Final = Contact([], {}, {})


class Change(NamedTuple):
    """What a step does to a contact: its new record, and the rows to take from and to add to the panes."""

    #: The new record; None where only a conflict was met, which the known event stood.
    value: bytes | None
    taken_back: list[Sample]
    issued: list[Sample]
    conflicts: int


def decode(value: bytes) -> Contact:
    """Read a contact's state from its record."""
    state = decode_state(value)
    return Contact(
        [_event(Event, event) for event in state.events],
        {kept[1][:2]: kept for kept in state.rows},
        {(sample, slot): step for step, sample, slot in state.gone},
    )


def advance(
    channel: str, contact: Contact, arrived: Iterable[Event], rules: Rules, step: int, *, again: bool = False
) -> Change | None:
    """Fold a contact anew with what arrived; None where nothing was new.

    With `again` it is folded in any case: what was issued may not be what its events give.
    """
    events, conflicts = merge(contact.events, arrived)
    if events == contact.events and not again:
        return Change(None, [], [], conflicts) if conflicts else None
    folded = fold(channel, events, rules)
    rows: list[tuple[int, Sample]] = []
    taken_back: list[Sample] = []
    issued: list[Sample] = []
    gone, before = dict(contact.gone), dict(contact.rows)
    for row in folded.rows:
        key = row[:2]
        old = before.pop(key, None)
        if old is not None:
            if row == old[1] or _measures_the_same(row, old[1]):
                rows.append(old)
                continue
            taken_back.append(old[1])
        issued.append(row)
        rows.append((step, row))
        gone.pop(key, None)
    for key, (_, row) in before.items():
        taken_back.append(row)
        gone[key] = step
    return Change(_encode(folded.summary, events, rows, gone, step), taken_back, issued, conflicts)


#: What the configuration says of a measurement: it stays as it was issued for as long as what was measured does.
_BY_RULES: Final = frozenset({"business_ms", "policy", "target_ms", "within", "short", "in_hours", "outcome"})
_MEASURED: Final = itemgetter(*(at for at, name in enumerate(Sample._fields) if name not in _BY_RULES))


def _measures_the_same(row: Sample, old: Sample) -> bool:
    """Tell whether only the rules have changed since: a changed policy, calendar or taxonomy rewrites no history."""
    return _MEASURED(row) == _MEASURED(old) and (row.outcome == old.outcome or row.sample == "tagged")


def restored(channel: str, events: list[Event], issued: Iterable[Sample], rules: Rules, step: int) -> bytes | None:
    """Write a contact's record as it was when it was evicted; None where it has no events.

    What was issued for it stands as it was, under step 0, also where today's rules give other rows: so that the next
    `advance` takes back exactly that. The summary alone is folded anew.
    """
    known, _ = merge([], events)
    if not known:
        return None
    return _encode(fold(channel, known, rules).summary, known, [(0, row) for row in issued], {}, step)


def _encode(
    summary: Summary, events: list[Event], rows: list[tuple[int, Sample]], gone: dict[RowKey, int], step: int
) -> bytes:
    summary["step"] = step
    return encode_contact(summary, events, rows, [(since, *key) for key, since in gone.items()])
