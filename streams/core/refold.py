"""Folds all events of a contact again, with those that arrived: where one is late, known or conflicting.

This is the general way to a contact's next record. Events that sort after everything already folded can be applied to
the last fold instead (`streams.core.incremental_fold`), with the same result.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.contact_record import IssuedSample, decode_body, encode_contact
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, effective, merge, new_tuple
from streams.core.fold import Fold, fold
from streams.core.incremental_fold import IncrementalFold
from streams.core.issued_samples import ContactChange, SampleKey, replace_issued


class ContactState(NamedTuple):
    """A contact as its record has it."""

    #: In the order of the fold, one an id.
    events: list[Event]
    #: The samples in effect, each with the step that last changed it.
    issued: dict[SampleKey, IssuedSample]
    #: By the key of a retracted sample the step that retracted it.
    retracted_steps: dict[SampleKey, int]


EMPTY: Final = ContactState([], {}, {})


def decode_contact_state(value: bytes) -> ContactState:
    """Read a contact from its record."""
    events, issued, retracted = decode_body(value)
    return ContactState(
        [new_tuple(Event, event) for event in events],
        {each[1][:2]: each for each in issued},
        {(sample, slot): step for step, sample, slot in retracted},
    )


class Refolded(NamedTuple):
    """What a refold changed, and how to continue."""

    change: ContactChange
    #: To apply the next events to; None where that is not possible, or nothing changed.
    incremental: IncrementalFold | None


def refold(
    channel: str,
    contact: ContactState,
    arrived: Iterable[Event],
    rules: Rules,
    step: int,
    *,
    always: bool = False,
    as_of: int = 0,
) -> Refolded | None:
    """Fold a contact's known events and those that arrived; None where nothing was new.

    With `always` they are folded in any case: what was issued may not be what the known events give. `as_of` is a time,
    UTC milliseconds, up to which rules have come into force that the contact's deadlines follow.
    """
    events, conflicts = merge(contact.events, arrived)
    if events == contact.events and not always:
        return Refolded(ContactChange(None, [], [], conflicts), None) if conflicts else None
    known = effective(events)
    whole = Fold(channel, known, rules, as_of)
    for event in known:
        whole.apply(event)
    final, provisional, summary = whole.result()
    retracted_steps = dict(contact.retracted_steps)
    now, retracted, issued = replace_issued(final + provisional, dict(contact.issued), retracted_steps, step)
    incremental = IncrementalFold(whole, events, now, retracted_steps, provisional)
    change = ContactChange(incremental.record(summary, step), retracted, issued, conflicts)
    return Refolded(change, incremental if known and whole.can_continue else None)


def restore_record(
    channel: str, events: list[Event], issued: Iterable[Sample], rules: Rules, step: int
) -> bytes | None:
    """Write a contact's record as it was when it was evicted; None where it has no events.

    What was issued for it stays as it was, under step 0, also where today's rules give other samples: so that the next
    `refold` retracts exactly that. The summary alone is folded again.
    """
    known, _ = merge([], events)
    if not known:
        return None
    summary = fold(channel, known, rules).summary
    summary["step"] = step
    return encode_contact(summary, known, [(0, sample) for sample in issued], [])
