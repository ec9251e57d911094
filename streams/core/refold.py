"""A contact's state: its events, the rows issued for it, and the rows taken back. Written as one record's value.

What was issued is kept, so that what changes is taken back exactly as it was issued, whatever the rules say by then.

Here a contact is refolded from all its events. Events that sort after everything already folded can be applied to the
last fold instead (`streams.core.incremental_fold`), with the same result.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.contact_record import decode_state, encode_contact
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, effective, merge, named
from streams.core.fold import Fold, fold
from streams.core.incremental_fold import Change, IncrementalFold, Kept, RowKey, replace


class ContactState(NamedTuple):
    """A contact as its record has it."""

    #: In the order of the fold, one an id.
    events: list[Event]
    #: What is issued now, each row with the step that last changed it.
    rows: dict[RowKey, Kept]
    #: Keys of rows taken back, with the step that did.
    gone: dict[RowKey, int]


EMPTY: Final = ContactState([], {}, {})


def decode(value: bytes) -> ContactState:
    """Read a contact from its record."""
    state = decode_state(value)
    return ContactState(
        [named(Event, event) for event in state.events],
        {kept[1][:2]: kept for kept in state.rows},
        {(sample, slot): step for step, sample, slot in state.gone},
    )


class Outcome(NamedTuple):
    """What folding a contact again came to."""

    change: Change
    #: To go on with; None where that is not possible, or nothing changed.
    going: IncrementalFold | None


def advance(
    channel: str,
    contact: ContactState,
    arrived: Iterable[Event],
    rules: Rules,
    step: int,
    *,
    again: bool = False,
    as_of: int = 0,
) -> Outcome | None:
    """Fold a contact again with what arrived; None where nothing was new.

    With `again` it is folded in any case: what was issued may not be what its events give. `as_of` is a time, UTC
    milliseconds, up to which rules have come into force that what it waits for is held against.
    """
    events, conflicts = merge(contact.events, arrived)
    if events == contact.events and not again:
        return Outcome(Change(None, [], [], conflicts), None) if conflicts else None
    known = effective(events)
    going = Fold(channel, known, rules, as_of)
    for event in known:
        going.take(event)
    settled, last, summary = going.result()
    gone = dict(contact.gone)
    rows, taken_back, issued = replace(settled + last, dict(contact.rows), gone, step)
    left = IncrementalFold(going, events, rows, gone, last)
    value = left.record(summary, step)
    return Outcome(Change(value, taken_back, issued, conflicts), left if known and going.goes_on else None)


def restored(channel: str, events: list[Event], issued: Iterable[Sample], rules: Rules, step: int) -> bytes | None:
    """Write a contact's record as it was when it was evicted; None where it has no events.

    What was issued for it stands as it was, under step 0, also where today's rules give other rows: so that the next
    `advance` takes back exactly that. The summary alone is folded again.
    """
    known, _ = merge([], events)
    if not known:
        return None
    summary = fold(channel, known, rules).summary
    summary["step"] = step
    return encode_contact(summary, known, [(0, row) for row in issued], [])
