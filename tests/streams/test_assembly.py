"""The rules of what has happened in a journal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, encode_head, encode_open
from streams.journal.assembly import Assembly, Step, SuspectError

OPENED = (OPEN_KEY, encode_open("w"))


def _head(step: int, opened: int = 0, epoch: int = 1) -> tuple[bytes, bytes]:
    return HEAD_KEY, encode_head(Head(next=step * 10, step=step, epoch=epoch, open=opened))


def _feed(assembly: Assembly, records: list[tuple[bytes, bytes]], start: int = 0) -> list[Step]:
    steps = [assembly.feed(offset, key, value) for offset, (key, value) in enumerate(records, start)]
    return [step for step in steps if step is not None]


@given(st.lists(st.integers(0, 5), max_size=12), st.data())
def test_steps_do_not_depend_on_how_they_are_fetched(sizes: list[int], data: st.DataObject) -> None:
    """A record belongs to the first head behind it; what stands behind the last head has not happened."""
    records = [OPENED]
    for number, size in enumerate(sizes, 1):
        records += [(b"c%d" % n, b"%d" % number) for n in range(size)]
        records.append(_head(number))
    torn = data.draw(st.integers(0, len(records)))
    steps = _feed(Assembly("contacts.chat", 0), records[:torn])
    whole = [n for n in range(1, len(sizes) + 1) if 1 + sum(sizes[:n]) + n <= torn]
    assert [step.head.step for step in steps] == whole
    assert [len(step.records) for step in steps] == [sizes[n - 1] for n in whole]
    assert [step.anew for step in steps] == [n == 1 for n in whole]
    assert all(step.end == step.head.step + 1 + sum(sizes[: step.head.step]) for step in steps)


def test_a_step_of_an_older_opening_is_dropped() -> None:
    """What a worker wrote that had lost the partition never happened, and does not leak into the next step."""
    records = [OPENED, (b"c1", b"1"), _head(1), OPENED, (b"c1", b"stale"), _head(2), (b"c1", b"2"), _head(2, opened=3)]
    late = [(b"c1", b"staler"), _head(3), (b"c1", b"3"), _head(3, opened=3)]
    assembly = Assembly("contacts.chat", 0)
    steps = _feed(assembly, records)
    with pytest.raises(SuspectError):
        _feed(assembly, late, start=8)
    assembly.believe()
    assert assembly.end == 8
    steps += _feed(assembly, late, start=8)
    assert [(step.head.open, [value for _, _, value in step.records]) for step in steps] == [
        (0, [b"1"]),
        (3, [b"2"]),
        (3, [b"3"]),
    ]


@pytest.mark.parametrize(
    "head",
    [_head(4), _head(5), _head(20, opened=3), _head(6, epoch=2), _head(6, epoch=2, opened=3)],
    ids=["back", "again", "another opening", "another life", "both"],
)
def test_a_journal_made_anew_is_noticed(head: tuple[bytes, bytes]) -> None:
    """A step that goes back, or a new epoch that does not begin with the next step, is another journal's."""
    assembly = Assembly("contacts.chat", 0)
    assembly.resume(8, Head(step=5, open=0))
    with pytest.raises(SuspectError):
        assembly.feed(900, *head)
    assembly.restart()
    steps = _feed(assembly, [_head(1, epoch=2)])
    assert [step.anew for step in steps] == [True]


def test_steps_may_be_missing_and_epochs_may_follow() -> None:
    """Compaction takes heads away; another opening goes on in the same journal, also in a new epoch."""
    assembly = Assembly("contacts.chat", 0)
    assembly.resume(8, Head(step=5, open=0))
    steps = _feed(assembly, [_head(9), OPENED, _head(12, epoch=2, opened=101)], start=100)
    assert [(step.head.step, step.anew) for step in steps] == [(9, False), (12, False)]


def test_a_suspect_that_was_looked_into_is_believed() -> None:
    """Where the last step still is where it was, the journal is the same: reading goes on."""
    assembly = Assembly("contacts.chat", 0)
    _feed(assembly, [_head(1)])
    with pytest.raises(SuspectError):
        assembly.feed(1, *_head(5, epoch=2))
    assembly.believe()
    assert [step.head.epoch for step in _feed(assembly, [_head(5, epoch=2)], start=1)] == [2]


def test_where_nothing_is_compacted_a_step_needs_its_opening() -> None:
    """A step under way when the journal was made anew names an opening that the new one does not have."""
    records = [(b"c1", b"late"), _head(7, opened=0), OPENED, (b"c1", b"1"), _head(1, opened=2)]
    steps = _feed(Assembly("contacts.chat", 0, whole=True), records)
    assert [(step.head.step, step.anew, step.records) for step in steps] == [(1, True, [(3, b"c1", b"1")])]
    steps = _feed(Assembly("contacts.chat", 0), records[:2])
    assert [step.head.step for step in steps] == [7], "compacted, the opening may be gone"


def test_a_position_without_a_head_says_nothing_of_openings() -> None:
    """Whoever goes on there takes the next step as it comes."""
    assembly = Assembly("contacts.chat", 0, whole=True)
    assembly.resume(8, None)
    assert [step.head.step for step in _feed(assembly, [_head(3, opened=5)], start=8)] == [3]
