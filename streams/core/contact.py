"""A contact's state: its events, the rows issued for it, and the rows taken back. Written as one record's value.

What was issued is kept, so that what changes is taken back exactly as it was issued, whatever the rules say by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import orjson

from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, merge
from streams.core.fold import fold

_ROW_AS_LIST: Final = orjson.OPT_NON_STR_KEYS

#: Key of a row within its contact: sample and slot.
RowKey = tuple[str, str]


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
    _, events, samples = value.split(b"\n")
    kept = orjson.loads(samples)
    rows = {(row[1], row[2]): (row[0], Sample._make(row[1:])) for row in kept["rows"]}
    return Contact(
        [Event._make(event) for event in orjson.loads(events)],
        rows,
        {(sample, slot): step for step, sample, slot in kept["gone"]},
    )


def advance(channel: str, contact: Contact, arrived: Iterable[Event], rules: Rules, step: int) -> Change | None:
    """Fold a contact anew with what arrived; None where nothing was new."""
    events, conflicts = merge(contact.events, arrived)
    if events == contact.events:
        return Change(None, [], [], conflicts) if conflicts else None
    folded = fold(channel, events, rules)
    rows: dict[RowKey, tuple[int, Sample]] = {}
    taken_back: list[Sample] = []
    issued: list[Sample] = []
    gone = dict(contact.gone)
    before = contact.rows
    for row in folded.rows:
        key = row[0], row[1]
        old = before.get(key)
        if old is not None and old[1] == row:
            rows[key] = old
            continue
        if old is not None:
            taken_back.append(old[1])
        issued.append(row)
        rows[key] = step, row
        gone.pop(key, None)
    for key, (_, old_row) in before.items():
        if key not in rows:
            taken_back.append(old_row)
            gone[key] = step
    value = b"\n".join(
        (
            orjson.dumps(folded.summary),
            orjson.dumps([tuple(event) for event in events]),
            orjson.dumps(
                {
                    "rows": [(since, *row) for since, row in rows.values()],
                    "gone": [(since, *key) for key, since in gone.items()],
                }
            ),
        )
    )
    return Change(value, taken_back, issued, conflicts)
