"""The rules of what has happened in a journal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import HEAD_KEY, OPEN_KEY, Head, encode_head, encode_open
from streams.journal.step_assembly import RecreatedError, Step, StepAssembly

OPENED = (OPEN_KEY, encode_open("w"))


def _head(step: int, opened: int = 0, epoch: int = 1, journal: str = "") -> tuple[bytes, bytes]:
    return HEAD_KEY, encode_head(Head(next=step * 10, step=step, epoch=epoch, open=opened, journal=journal))


def _feed(assembly: StepAssembly, records: list[tuple[bytes, bytes]], start: int = 0) -> list[Step]:
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
    steps = _feed(StepAssembly("contacts.chat", 0), records[:torn])
    whole = [n for n in range(1, len(sizes) + 1) if 1 + sum(sizes[:n]) + n <= torn]
    assert [step.head.step for step in steps] == whole
    assert [len(step.records) for step in steps] == [sizes[n - 1] for n in whole]
    assert [step.restarted for step in steps] == [n == 1 for n in whole]
    assert all(step.end == step.head.step + 1 + sum(sizes[: step.head.step]) for step in steps)


@pytest.mark.parametrize(
    ("known", "head"),
    [
        (Head(step=5), _head(4)),
        (Head(step=5), _head(5)),
        (Head(step=5, open=9), _head(6, opened=3)),
        (Head(step=5), _head(6, epoch=2, opened=30)),
        (Head(step=5, journal="one"), _head(6, journal="other")),
        (Head(step=5, journal="one"), _head(5, journal="one")),
    ],
    ids=["back", "again", "an older opening", "a later epoch", "another journal", "again in the same journal"],
)
def test_a_recreated_journal_is_noticed(known: Head, head: tuple[bytes, bytes]) -> None:
    """A step that goes back, or one of another journal; who knows no journal's id follows within an epoch only."""
    assembly = StepAssembly("contacts.chat", 0)
    assembly.resume(8, known)
    with pytest.raises(RecreatedError):
        assembly.feed(900, *head)
    assembly.restart()
    steps = _feed(assembly, [_head(1, epoch=2)])
    assert [step.restarted for step in steps] == [True]


def test_steps_may_be_missing_and_epochs_may_follow() -> None:
    """Compaction removes heads; another opening continues in the same journal, also in a new epoch."""
    assembly = StepAssembly("contacts.chat", 0)
    assembly.resume(8, Head(step=5, open=0, journal="one"))
    records = [_head(9, journal="one"), OPENED, _head(12, epoch=2, opened=101, journal="one")]
    steps = _feed(assembly, records, start=100)
    assert [(step.head.step, step.restarted) for step in steps] == [(9, False), (12, False)]


def test_a_position_without_a_head_takes_the_next_step_as_it_comes() -> None:
    """Who kept nothing but the position has nothing to compare with."""
    assembly = StepAssembly("contacts.chat", 0)
    assembly.resume(8, None)
    assert [step.head.step for step in _feed(assembly, [_head(3, opened=5)], start=8)] == [3]


def test_a_step_of_a_worker_that_did_not_know_yet_is_passed_over() -> None:
    """The journal was recreated under it: what it wrote names the old one, and is no step of the new one."""
    assembly = StepAssembly("contacts.chat", 0)
    assembly.restart("new", certain=True)
    records = [(b"c1", b"stray"), _head(7, journal="old"), OPENED, (b"c1", b"1"), _head(1, opened=2, journal="new")]
    steps = _feed(assembly, records)
    assert [(step.head.step, step.restarted, step.records) for step in steps] == [(1, True, [(3, b"c1", b"1")])]
