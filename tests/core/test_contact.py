"""A contact that is folded anew with what arrives: taken back, issued, gone, and always the same in the end."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.journal import ContactRecord, decode_contact, decode_summary
from schemas.policies import Policy, Rules
from schemas.samples import Sample
from schemas.topics import Channel
from streams.core.contact import EMPTY, Contact, advance, decode, restored
from streams.core.event import Event, merge
from streams.core.fold import fold
from streams.core.going import Change, Going
from streams.core.panes import Panes
from tests.core.changes import changed
from tests.core.contacts import contacts, in_order, steps
from tests.core.story import events
from tests.core.test_panes import EMPTY as EMPTY_PANE
from tests.core.test_panes import written

DEFAULTS = Rules()
RULES = Rules(
    policies=(
        Policy("wait", "queue_wait", 20_000, 0.8, queue="a"),
        Policy("first", "first_response", 30_000, 0.8),
        Policy("done", "resolution", 40_000, 0.8, warning_ms=10_000, pauses="stop"),
    )
)
OTHER_RULES = Rules(policies=(), version="other")


class Run(NamedTuple):
    """What came of a contact step by step."""

    contact: Contact
    panes: Panes
    changes: list[Change]


def run(channel: Channel, arriving: list[list[Event]], rules: Rules = RULES) -> Run:
    """Advance a contact by each step, through its written record each time, as a worker does."""
    contact, panes, changes = EMPTY, Panes(), []
    for number, step in enumerate(arriving, 1):
        change = changed(channel, contact, step, rules, number)
        if change is None:
            continue
        changes.append(change)
        if change.value is not None:
            contact = decode(change.value)
        panes.add(1, change.taken_back, -1)
        panes.add(1, change.issued, 1)
    return Run(contact, panes, changes)


def _rows(contact: Contact) -> set[Sample]:
    return {row for _, row in contact.rows.values()}


def _last(changes: list[Change]) -> ContactRecord:
    values = [change.value for change in changes if change.value is not None]
    return decode_contact(values[-1])


@given(st.data())
def test_any_order_and_cut_gives_the_same(data: st.DataObject) -> None:
    """However the events arrive, the rows are those of one fold over all, and the panes are their sum."""
    channel, drawn = data.draw(contacts())
    ran = run(channel, data.draw(steps(drawn)))
    whole, _ = merge([], drawn)
    rows = fold(channel, whole, RULES).rows
    assert _rows(ran.contact) == set(rows)
    assert ran.contact.events == whole
    expected = Panes()
    expected.add(1, rows, 1)
    panes, tags = written(ran.panes)
    expected_panes, expected_tags = written(expected)
    assert {key: pane for key, pane in panes.items() if pane != EMPTY_PANE} == expected_panes
    assert {key: pane for key, pane in tags.items() if pane.n} == expected_tags


@given(st.data())
def test_going_on_is_folding_anew(data: st.DataObject) -> None:
    """A contact that goes on does at each step what one does that is read from its record."""
    channel, drawn = data.draw(contacts())
    arriving = data.draw(st.one_of(steps(drawn), in_order(drawn)))
    left: Going | None = None
    contact = EMPTY
    for number, step in enumerate(arriving, 1):
        rules = OTHER_RULES if data.draw(st.integers(0, 9)) == 9 else RULES
        going = None if left is None else left.follow(step, rules, number)
        outcome = advance(channel, contact, step, rules, number)
        if outcome is None or outcome.change.value is None:
            assert going is None
            continue
        anew, value = outcome.change, outcome.change.value
        if going is None or going.value is None:
            left = outcome.going
        else:
            assert set(going.issued) == set(anew.issued)
            assert set(going.taken_back) == set(anew.taken_back)
            assert anew.conflicts == 0
            assert decode_summary(going.value) == decode_summary(value)
            one, other = decode_contact(going.value), decode_contact(value)
            assert sorted(one.rows, key=repr) == sorted(other.rows, key=repr)
            assert sorted(one.gone) == sorted(other.gone)
            assert decode(going.value).events == decode(value).events
        contact = decode(value)


def test_in_order_a_contact_goes_on() -> None:
    """What comes behind all that is known is taken; what is known, late or under other rules is for folding anew."""
    told = events("chat", "0 started queue=a\n5 queued queue=b\n20 agent agent_id=ann\n30 tagged tags=x\n40 resolved")
    outcome = advance("chat", EMPTY, told[:1], RULES, 1)
    assert outcome is not None
    assert outcome.going is not None
    issued = [*outcome.change.issued]
    for number, event in enumerate(told[1:], 2):
        change = outcome.going.follow([event], RULES, number)
        assert change is not None
        assert change.taken_back == []
        issued += change.issued
    assert set(issued) == set(fold("chat", told, RULES).rows)
    late = events("chat", "1 customer event_id=late")
    later = events("chat", "50 customer event_id=later")
    assert outcome.going.follow(told[-1:], RULES, 9) is None
    assert outcome.going.follow(late, RULES, 9) is None
    assert outcome.going.follow(later, OTHER_RULES, 9) is None
    assert outcome.going.follow(later, RULES, 9) is not None


@given(st.data())
def test_what_is_taken_back_was_issued(data: st.DataObject) -> None:
    """Issued less taken back are the rows in effect, and a row is never both in effect and gone."""
    channel, drawn = data.draw(contacts())
    ran = run(channel, data.draw(steps(drawn)))
    balance: Counter[Sample] = Counter()
    for change in ran.changes:
        assert not set(change.taken_back) & set(change.issued)
        balance.subtract(change.taken_back)
        balance.update(change.issued)
        assert set(balance.values()) <= {0, 1}
    assert {row for row, n in balance.items() if n} == _rows(ran.contact)
    assert not ran.contact.rows.keys() & ran.contact.gone.keys()


@given(contacts())
def test_keys_are_unique_and_durations_whole(drawn: tuple[Channel, list[Event]]) -> None:
    """Sample and slot are a key; no duration is negative; handle is talk, hold and wrap together."""
    channel, arrived = drawn
    rows = fold(channel, merge([], arrived)[0], RULES).rows
    assert len({(row.sample, row.slot) for row in rows}) == len(rows)
    assert all(row.value_ms is None or row.value_ms >= 0 for row in rows)
    assert all(row.active_ms is None or 0 <= row.active_ms <= (row.value_ms or 0) for row in rows)
    by_segment: dict[str, Counter[str]] = {}
    for row in rows:
        if row.sample in {"handle", "talk", "hold", "wrap"}:
            by_segment.setdefault(row.slot, Counter())[row.sample] += row.value_ms or 0
    for parts in by_segment.values():
        assert parts["handle"] == parts["talk"] + parts["hold"] + parts["wrap"]
    once = Counter(row.sample for row in rows)
    assert once["first_response"] + once["abandoned"] <= 1
    for sample in ("offered", "slow", "replies", "any_tag", "untagged_resolved", "bot_contained", "ivr_abandoned"):
        assert once[sample] <= 1


@given(contacts())
def test_the_record_reads_back(drawn: tuple[Channel, list[Event]]) -> None:
    """State, sink and gauges read one record and find in it what was folded."""
    channel, arrived = drawn
    change = changed(channel, EMPTY, arrived, RULES, 7)
    assert change is not None
    assert change.value is not None
    whole, _ = merge([], arrived)
    folded = fold(channel, whole, RULES)
    assert decode(change.value).events == whole
    assert decode_summary(change.value) == {**folded.summary, "step": 7}
    record = decode_contact(change.value)
    assert {row for _, row in record.rows} == set(folded.rows)
    assert {since for since, _ in record.rows} <= {7}


def _steps(*stories: str) -> list[list[Event]]:
    told = events("chat", "\n".join(stories))
    taken = iter(told)
    return [[next(taken) for line in story.strip().splitlines() if line.strip()] for story in stories]


def test_a_late_event_takes_back_and_issues_anew() -> None:
    """A queue that was late shortens the response: the old row is taken back as it was, the new one issued."""
    ran = run("chat", _steps("0 started\n30 agent agent_id=ann", "10 queued queue=a"))
    late = ran.changes[1]
    back = [row for row in late.taken_back if row.sample == "first_response"]
    new = [row for row in late.issued if row.sample == "first_response"]
    assert [row.value_ms for row in back] == [30_000]
    assert [row.value_ms for row in new] == [20_000]
    assert ran.contact.rows["first_response", ""][0] == 2


def test_rows_that_stay_keep_their_step() -> None:
    """The sink sees by the step which rows are new to it."""
    ran = run("chat", _steps("0 started\n30 agent agent_id=ann", "60 resolved"))
    assert ran.contact.rows["first_response", ""][0] == 1
    assert ran.contact.rows["resolution", "e3"][0] == 2


def test_a_row_that_goes_is_kept_as_gone() -> None:
    """With the step that took it back, so that the sink can mark it; it comes back when its cause does."""
    ran = run("chat", _steps("0 started\n30 missed agent_id=ann", "40 event.voided voids=e2"))
    assert ran.contact.gone == {("missed", "e2"): 2}
    assert _last(ran.changes).gone == [(2, "missed", "e2")]


def test_a_row_that_comes_back_is_no_longer_gone() -> None:
    """A discarding that is undone brings every row back."""
    ran = run("chat", _steps("0 started", "9 discarded reason=spam", "20 event.voided voids=e2"))
    assert [len(change.taken_back) for change in ran.changes] == [0, 1, 0]
    assert not ran.contact.gone
    assert ran.contact.rows["offered", ""][0] == 3


def test_a_redelivery_is_nothing_new() -> None:
    """An event that is there already changes nothing and writes nothing."""
    (first,) = _steps("0 started\n30 agent agent_id=ann")
    ran = run("chat", [first, first])
    assert len(ran.changes) == 1


def test_a_changed_policy_rewrites_nothing_by_itself() -> None:
    """What is taken back is what was issued, whatever the rules say by then."""
    first, second = _steps("0 started\n30 agent agent_id=ann", "40 event.voided voids=e2")
    before = changed("chat", EMPTY, first, DEFAULTS, 1)
    assert before is not None
    assert before.value is not None
    other = Rules(policies=(Policy("other", "first_response", 1, 0.5),), version="2")
    assert changed("chat", decode(before.value), first, other, 2) is None
    after = changed("chat", decode(before.value), second, other, 2)
    assert after is not None
    assert {row.policy for row in after.taken_back if row.sample == "first_response"} == {"chat-60s"}


def test_a_restored_contact_takes_back_what_was_issued() -> None:
    """Whatever the rules say by then: its rows are those that were issued, and its summary is folded anew."""
    first, second = _steps("0 started\n30 agent agent_id=ann", "40 event.voided voids=e2")
    whole = fold("chat", first, DEFAULTS)
    other = Rules(policies=(Policy("other", "first_response", 1, 0.5),), version="2")
    record = restored("chat", first, whole.rows, other, 9)
    assert record is not None
    assert decode_summary(record) == {**whole.summary, "step": 9}
    assert [since for since, _ in decode_contact(record).rows] == [0] * len(whole.rows)
    assert changed("chat", decode(record), first, other, 10) is None
    after = changed("chat", decode(record), second, other, 10)
    assert after is not None
    assert {row.policy for row in after.taken_back if row.sample == "first_response"} == {"chat-60s"}
    assert restored("chat", [], [], other, 9) is None


@given(st.data())
def test_a_contact_goes_on_from_its_restored_record(data: st.DataObject) -> None:
    """Evicted and looked up again, a contact comes to the same as one that stayed."""
    channel, drawn = data.draw(contacts())
    cut = data.draw(st.integers(1, len(drawn)))
    before, _ = merge([], drawn[:cut])
    issued = data.draw(st.permutations(fold(channel, before, RULES).rows))
    record = restored(channel, data.draw(st.permutations(before)), issued, RULES, 3)
    assert record is not None
    change = changed(channel, decode(record), drawn[cut:], RULES, 4)
    stayed = changed(channel, EMPTY, before, RULES, 1)
    assert stayed is not None
    assert stayed.value is not None
    expected = changed(channel, decode(stayed.value), drawn[cut:], RULES, 4)
    if change is None or expected is None:
        assert change is expected
        return
    assert set(change.taken_back) == set(expected.taken_back)
    assert change.issued == expected.issued


CONFLICT = """
    0 started
    5 missed agent_id=ben event_id=same
    5 missed agent_id=ann event_id=same
    """


def test_of_two_under_one_id_the_one_that_sorts_first_stays() -> None:
    """By its normalised JSON, whichever came first; each meeting of the two is counted."""
    begin, ben, ann = events("chat", CONFLICT)
    for order in ([begin, ben, ann], [begin, ann, ben]):
        ran = run("chat", [order])
        assert ran.contact.rows["missed", "same"][1].agent_id == "ann"
        assert [change.conflicts for change in ran.changes] == [1]


def test_a_conflict_that_changes_nothing_is_counted_too() -> None:
    """The loser that arrives later writes nothing, but does not go unseen."""
    begin, ben, ann = events("chat", CONFLICT)
    ran = run("chat", [[begin, ann], [ben]])
    assert [change.conflicts for change in ran.changes] == [0, 1]
    assert ran.changes[1].value is None


@given(contacts())
def test_an_event_reads_back_from_its_record(drawn: tuple[Channel, list[Event]]) -> None:
    """An event is equal to itself after a restart: else a redelivery would be taken for a conflict."""
    _, arrived = drawn
    assert [Event._make(one) for one in orjson.loads(orjson.dumps([tuple(one) for one in arrived]))] == arrived


@given(st.data())
def test_merging_is_the_same_in_any_order(data: st.DataObject) -> None:
    """Which event stays under an id depends on the events only."""
    _, drawn = data.draw(contacts())
    shuffled: list[Any] = data.draw(st.permutations(drawn))
    assert merge([], shuffled)[0] == merge([], drawn)[0]
    half = len(shuffled) // 2
    assert merge(merge([], shuffled[:half])[0], shuffled[half:])[0] == merge([], drawn)[0]


def test_other_rules_rewrite_no_history() -> None:
    """A late event that changes nothing of a sample leaves it held against what it was held against."""
    before = Rules()
    strict = before._replace(
        policies=(Policy("chat-1s", "first_response", 1_000, 0.9, channel="chat"),), short_abandon_ms=1, version="two"
    )
    told = events("chat", "0 started\n5 queued queue=red\n12 agent agent_id=ann\n60 resolved")
    change = changed("chat", EMPTY, told, before, 1)
    assert change is not None
    assert change.value is not None
    late = events("chat", "70 rated score=5 scale_max=5 event_id=late")
    later = changed("chat", decode(change.value), late, strict, 2)
    assert later is not None
    assert [row.sample for row in later.issued] == ["rated"]
    assert later.taken_back == []
    sooner = events("chat", "9 agent agent_id=bo event_id=sooner")
    corrected = changed("chat", decode(change.value), sooner, strict, 2)
    assert corrected is not None
    (old,) = (row for row in corrected.taken_back if row.sample == "first_response")
    (new,) = (row for row in corrected.issued if row.sample == "first_response")
    assert (old.policy, old.within, new.policy, new.within) == ("chat-60s", True, "chat-1s", False)
