"""What falls due, against a plain list of it, for any course of owners that come and go."""

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.live.deadlines import REBUILD_SLACK, Deadlines
from tests.depth import examples


class Owner:
    """Somebody with a name."""

    def __init__(self, name: int) -> None:
        self.name = name
        self.live = True
        self.entries = 0


#: What is done: add something of an owner at a time, have an owner leave, or let time pass to an instant.
DONE = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 9), st.integers(0, 50)),
    st.tuples(st.just("leave"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("pass"), st.integers(0, 50), st.just(0)),
)


@settings(max_examples=examples(200))
@given(done=st.lists(DONE, max_size=60))
def test_any_course_equals_a_plain_list(done: list[tuple[str, int, int]]) -> None:
    """Each entry falls due once, at its time, in order; of those who have left nothing does."""
    deadlines = Deadlines[Owner, int]()
    owners = {name: Owner(name) for name in range(10)}
    plain: list[tuple[int, int, int]] = []
    for number, (what, which, at) in enumerate(done):
        if what == "add":
            deadlines.add(at, owners[which], number)
            plain.append((at, number, which))
        elif what == "leave":
            owner, owners[which] = owners[which], Owner(which)
            owner.live = False
            deadlines.left(owner)
            plain = [entry for entry in plain if entry[2] != which]
        else:
            due = sorted(entry for entry in plain if entry[0] <= which)
            assert [(owner.name, number) for owner, number in deadlines.passed(which)] == [
                (name, number) for _, number, name in due
            ]
            plain = [entry for entry in plain if entry[0] > which]


def test_who_leaves_while_its_entries_fall_due_has_no_more() -> None:
    """The rest of them is passed over."""
    deadlines, one, other = Deadlines[Owner, str](), Owner(1), Owner(2)
    for at, owner, what in ((1, one, "a"), (2, one, "b"), (2, other, "c"), (3, one, "d")):
        deadlines.add(at, owner, what)
    told = []
    for owner, what in deadlines.passed(9):
        told.append(what)
        if what == "a":
            owner.live = False
            deadlines.left(owner)
    assert told == ["a", "c"]
    assert len(deadlines) == 0


def test_those_who_left_take_no_more_room_than_those_who_live() -> None:
    """Many come and go, and nothing falls due; where nobody has left, no heap is rebuilt."""
    deadlines, owners = Deadlines[Owner, int](), [Owner(name) for name in range(2_000)]
    for owner in owners:
        deadlines.add(9, owner, 0)
    before = deadlines._heap  # noqa: SLF001 - whether it is the same list
    assert list(deadlines.passed(1)) == []
    assert deadlines._heap is before  # noqa: SLF001 - as above
    for owner in owners[:1_500]:
        owner.live = False
        deadlines.left(owner)
    assert list(deadlines.passed(1)) == []
    assert len(deadlines) == 500
    for owner in owners[1_500:1_760]:
        owner.live = False
        deadlines.left(owner)
    assert list(deadlines.passed(1)) == []
    assert len(deadlines) == 500, f"260 of 500 are no {REBUILD_SLACK} more than half"
