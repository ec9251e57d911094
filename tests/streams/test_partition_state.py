"""A partition in memory: however its records are cut into batches and steps, it comes to the same."""

from dataclasses import replace
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from schemas.contact_record import decode_summary
from schemas.journal import PANE, TAG_PANE, decode_head
from streams.core.refold import decode_contact_state
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from tests.bench.events import write_chats
from tests.core.contacts import parts
from tests.streams.records import Record, opened, records_of, reopened

SOURCE: Final = "contacts.chat"
BAD: Final = b"{"


def records(events: int = 60) -> list[Record]:
    """Make the records of a few chats, one of them bad, with offsets that have holes as transactions leave them."""
    made = [replace(record, offset=2 * record.offset) for record in records_of(write_chats(events))]
    made[7] = replace(made[7], value=BAD)
    return made


def state(partition: PartitionState) -> dict[str, Any]:
    """Say what a partition comes to, but for when its contacts changed and their rows were issued."""
    contacts = {}
    for contact, value in partition.contacts.items():
        kept = decode_contact_state(value)
        rows = {row for _, row in kept.issued.values()}
        contacts[contact] = {**decode_summary(value), "step": 0}, kept.events, rows
    return {"contacts": contacts, "next": partition.head.next, "clock": partition.head.clock}


def latest(outputs: list[StepToWrite]) -> dict[bytes, bytes | None]:
    """Compact steps: the last value of each pane, without the ones that came to nothing."""
    panes = {key: value for output in outputs for key, value in output.records if key[:1] in {PANE, TAG_PANE}}
    return {key: value for key, value in panes.items() if value is not None and not value.startswith(b"[0,")}


@given(cuts=st.sets(st.integers(1, 59)), limit=st.sampled_from([1, 5_000, 50_000, 10_000_000]))
def test_batches_and_steps_do_not_matter(cuts: set[int], limit: int) -> None:
    """Any cutting into batches and steps gives the same contacts, panes and clock as one step over all."""
    all_at_once, piecemeal = opened(), opened()
    whole = list(all_at_once.steps(records()))
    several = [output for part in parts(records(), cuts) for output in piecemeal.steps(part, limit)]
    assert len(whole) == 1
    assert state(piecemeal) == state(all_at_once)
    assert latest(several) == latest(whole)


@given(cut=st.integers(0, 60), again=st.integers(0, 60))
def test_records_before_the_head_are_passed_over(cut: int, again: int) -> None:
    """A batch that comes again, or overlaps, changes nothing."""
    once, twice = opened(), opened()
    list(once.steps(records()))
    list(twice.steps(records()[:cut]))
    list(twice.steps(records()[min(cut, again) :]))
    assert state(twice) == state(once)


@given(cut=st.integers(1, 59))
def test_reopening_continues_where_the_journal_ends(cut: int) -> None:
    """What is read back from the journal, and goes on, equals what never stopped."""
    never_stopped, first = opened(), opened()
    list(never_stopped.steps(records()))
    second = reopened(first.steps(records()[:cut], limit=5_000))
    outputs = list(second.steps(records()[cut:]))
    assert state(second) == state(never_stopped)
    last = outputs[-1].records[-1][1]
    assert last is not None
    assert decode_head(last).open == 999


def test_a_bad_record_is_a_dead_letter_and_the_rest_counts() -> None:
    """The bad record goes out as it came, with its reason; its neighbours are folded and the head passes it."""
    partition = opened()
    (output,) = partition.steps(records())
    (letter,) = output.dead
    assert (letter.record.offset, letter.record.value, letter.code) == (14, BAD, "not_json")
    assert output.head.next == records()[-1].offset + 1
    assert len(partition.contacts) == 6


def test_a_step_is_cut_before_it_grows_too_large() -> None:
    """With a small limit a batch becomes several steps, each with its own head, none of them empty."""
    outputs = list(opened().steps(records(), limit=10_000))
    heads = [output.head for output in outputs]
    assert len(outputs) > 3
    assert [head.step for head in heads] == list(range(1, len(outputs) + 1))
    assert heads[-1].next == records()[-1].offset + 1
