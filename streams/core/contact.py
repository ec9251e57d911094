"""A contact's state: its events, the rows issued for it, and the rows taken back. Written as one record's value.

What was issued is kept, so that what changes is taken back exactly as it was issued, whatever the rules say by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson

from schemas.journal import Summary
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, merge
from streams.core.fold import fold

#: Key of a row within its contact: sample and slot.
RowKey = tuple[str, str]


class Contact(NamedTuple):
    """A contact in memory while a step works on it."""

    events: list[Event]
    #: Each row as the record has it: the step that last changed it, then the fields of a `Sample`.
    rows: dict[RowKey, list[Any]]
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
    _, events, samples = value.split(b"\n")
    kept = orjson.loads(samples)
    return Contact(
        [Event._make(event) for event in orjson.loads(events)],
        {(row[1], row[2]): row for row in kept["rows"]},
        {(sample, slot): step for step, sample, slot in kept["gone"]},
    )


def advance(channel: str, contact: Contact, arrived: Iterable[Event], rules: Rules, step: int) -> Change | None:
    """Fold a contact anew with what arrived; None where nothing was new."""
    events, conflicts = merge(contact.events, arrived)
    if events == contact.events:
        return Change(None, [], [], conflicts) if conflicts else None
    folded = fold(channel, events, rules)
    rows: list[list[Any]] = []
    taken_back: list[Sample] = []
    issued: list[Sample] = []
    gone, before = dict(contact.gone), dict(contact.rows)
    for row in folded.rows:
        key = row[0], row[1]
        old = before.pop(key, None)
        new = [step, *row]
        if old is not None:
            new[0] = old[0]
            if new == old:
                rows.append(old)
                continue
            new[0] = step
            taken_back.append(Sample._make(old[1:]))
        issued.append(row)
        rows.append(new)
        gone.pop(key, None)
    for key, old in before.items():
        taken_back.append(Sample._make(old[1:]))
        gone[key] = step
    value = _encode(folded.summary, events, rows, gone, step)
    return Change(value, taken_back, issued, conflicts)


def restored(channel: str, events: list[Event], issued: Iterable[Sample], rules: Rules, step: int) -> bytes | None:
    """Write a contact's record as it was when it was evicted; None where it has no events.

    What was issued for it stands as it was, under step 0, also where today's rules give other rows: so that the next
    `advance` takes back exactly that. The summary alone is folded anew.
    """
    known, _ = merge([], events)
    if not known:
        return None
    return _encode(fold(channel, known, rules).summary, known, [[0, *row] for row in issued], {}, step)


def _encode(summary: Summary, events: list[Event], rows: list[list[Any]], gone: dict[RowKey, int], step: int) -> bytes:
    summary["step"] = step
    return b"\n".join(
        (
            orjson.dumps(summary),
            orjson.dumps([tuple(event) for event in events]),
            orjson.dumps({"rows": rows, "gone": [(since, *key) for key, since in gone.items()]}),
        )
    )
