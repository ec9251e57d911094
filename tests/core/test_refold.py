"""A contact that is refolded with what arrives: samples issued and retracted, and always the same in the end."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.contact_record import decode_contact, decode_summary
from schemas.policies import Policy, Rules
from schemas.samples import Sample
from schemas.topics import Channel
from streams.core.event import Event, merge
from streams.core.fold import fold
from streams.core.incremental_fold import IncrementalFold
from streams.core.pane_totals import PaneTotals
from streams.core.refold import EMPTY, ContactState, decode_contact_state, refold, restore_record
from tests.core.contacts import changed, contacts, in_order, run, steps
from tests.core.story import events
from tests.core.test_pane_totals import EMPTY as EMPTY_PANE
from tests.core.test_pane_totals import written

RULES = Rules(
    policies=(
        Policy("wait", "queue_wait", 20_000, 0.8, queue="a"),
        Policy("first", "first_response", 30_000, 0.8),
        Policy("done", "resolution", 40_000, 0.8, warning_ms=10_000, pauses="stop"),
    )
)
OTHER_RULES = Rules(policies=(), version="other")


def _rows(contact: ContactState) -> set[Sample]:
    return {row for _, row in contact.issued.values()}


@given(st.data())
def test_any_order_and_cut_gives_the_same(data: st.DataObject) -> None:
    """However the events arrive, the rows are those of one fold over all, and the panes are their sum."""
    channel, drawn = data.draw(contacts())
    ran = run(channel, data.draw(steps(drawn)), RULES)
    whole, _ = merge([], drawn)
    rows = fold(channel, whole, RULES).samples
    assert _rows(ran.contact) == set(rows)
    assert ran.contact.events == whole
    expected, totals = PaneTotals(), PaneTotals()
    expected.add(1, rows, 1)
    for change in ran.changes:
        totals.add(1, change.retracted, -1)
        totals.add(1, change.issued, 1)
    panes, tags = written(totals)
    expected_panes, expected_tags = written(expected)
    assert {key: pane for key, pane in panes.items() if pane != EMPTY_PANE} == expected_panes
    assert {key: pane for key, pane in tags.items() if pane.n} == expected_tags


@given(st.data())
def test_an_incremental_fold_equals_a_refold(data: st.DataObject) -> None:
    """At each step the last fold, continued, changes what a refold from the record changes."""
    channel, drawn = data.draw(contacts())
    arriving = data.draw(st.one_of(steps(drawn), in_order(drawn)))
    cached: IncrementalFold | None = None
    contact = EMPTY
    for number, step in enumerate(arriving, 1):
        rules = OTHER_RULES if data.draw(st.integers(0, 9)) == 9 else RULES
        incremental = None if cached is None else cached.apply(step, rules, number)
        outcome = refold(channel, contact, step, rules, number)
        if outcome is None or outcome.change.value is None:
            assert incremental is None
            continue
        refolded, value = outcome.change, outcome.change.value
        if incremental is None or incremental.value is None:
            cached = outcome.incremental
        else:
            assert set(incremental.issued) == set(refolded.issued)
            assert set(incremental.retracted) == set(refolded.retracted)
            assert refolded.conflicts == 0
            assert decode_summary(incremental.value) == decode_summary(value)
            one, other = decode_contact(incremental.value), decode_contact(value)
            assert sorted(one.samples, key=repr) == sorted(other.samples, key=repr)
            assert sorted(one.retracted) == sorted(other.retracted)
            assert decode_contact_state(incremental.value).events == decode_contact_state(value).events
        contact = decode_contact_state(value)


def test_events_in_order_need_no_refold() -> None:
    """Events that sort after all known ones are applied; known or late ones, or other rules, need a refold."""
    told = events("chat", "0 started queue=a\n5 queued queue=b\n20 agent agent_id=ann\n30 tagged tags=x\n40 resolved")
    outcome = refold("chat", EMPTY, told[:1], RULES, 1)
    assert outcome is not None
    assert outcome.incremental is not None
    issued = [*outcome.change.issued]
    for number, event in enumerate(told[1:], 2):
        change = outcome.incremental.apply([event], RULES, number)
        assert change is not None
        assert change.retracted == []
        issued += change.issued
    assert set(issued) == set(fold("chat", told, RULES).samples)
    late = events("chat", "1 customer event_id=late")
    later = events("chat", "50 customer event_id=later")
    assert outcome.incremental.apply(told[-1:], RULES, 9) is None
    assert outcome.incremental.apply(late, RULES, 9) is None
    assert outcome.incremental.apply(later, OTHER_RULES, 9) is None
    assert outcome.incremental.apply(later, RULES, 9) is not None


@given(st.data())
def test_what_is_retracted_was_issued(data: st.DataObject) -> None:
    """Issued less retracted are the samples in effect, and none is both in effect and retracted."""
    channel, drawn = data.draw(contacts())
    ran = run(channel, data.draw(steps(drawn)), RULES)
    balance: Counter[Sample] = Counter()
    for change in ran.changes:
        assert not set(change.retracted) & set(change.issued)
        balance.subtract(change.retracted)
        balance.update(change.issued)
        assert set(balance.values()) <= {0, 1}
    assert {row for row, n in balance.items() if n} == _rows(ran.contact)
    assert not ran.contact.issued.keys() & ran.contact.retracted_steps.keys()


@given(contacts())
def test_keys_are_unique_and_durations_whole(drawn: tuple[Channel, list[Event]]) -> None:
    """Sample and slot are a key; no duration is negative; handle is talk, hold and wrap together."""
    channel, arrived = drawn
    rows = fold(channel, merge([], arrived)[0], RULES).samples
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


def _steps(*stories: str) -> list[list[Event]]:
    told = events("chat", "\n".join(stories))
    taken = iter(told)
    return [[next(taken) for line in story.strip().splitlines() if line.strip()] for story in stories]


@given(st.data())
def test_a_restored_record_continues_the_contact(data: st.DataObject) -> None:
    """Evicted and looked up again, a contact comes to the same as one that stayed."""
    channel, drawn = data.draw(contacts())
    cut = data.draw(st.integers(1, len(drawn)))
    before, _ = merge([], drawn[:cut])
    whole = fold(channel, before, RULES)
    issued = data.draw(st.permutations(whole.samples))
    record = restore_record(channel, data.draw(st.permutations(before)), issued, RULES, 3)
    assert record is not None
    assert decode_summary(record) == {**whole.summary, "step": 3}
    assert {since for since, _ in decode_contact(record).samples} <= {0}
    assert restore_record(channel, [], [], RULES, 3) is None
    change = changed(channel, decode_contact_state(record), drawn[cut:], RULES, 4)
    stayed = changed(channel, EMPTY, before, RULES, 1)
    assert stayed is not None
    assert stayed.value is not None
    expected = changed(channel, decode_contact_state(stayed.value), drawn[cut:], RULES, 4)
    if change is None or expected is None:
        assert change is expected
        return
    assert set(change.retracted) == set(expected.retracted)
    assert change.issued == expected.issued


@pytest.mark.parametrize(
    ("stories", "since", "retracted"),
    [
        (("0 started\n30 agent agent_id=ann", "10 queued queue=a"), {("first_response", ""): 2}, {}),
        (("0 started\n30 agent agent_id=ann", "60 resolved"), {("first_response", ""): 1, ("resolution", "e3"): 2}, {}),
        (("0 started\n30 missed agent_id=ann", "40 event.voided voids=e2"), {}, {("missed", "e2"): 2}),
        (("0 started", "9 discarded reason=spam", "20 event.voided voids=e2"), {("offered", ""): 3}, {}),
    ],
    ids=["a row that changes", "a row that stays", "a row that goes", "a row that comes back"],
)
def test_a_row_names_the_step_that_issued_it(
    stories: tuple[str, ...], since: dict[tuple[str, str], int], retracted: dict[tuple[str, str], int]
) -> None:
    """The step tells the sink what is new; the key of a retracted sample is kept; a redelivery writes nothing."""
    arriving = _steps(*stories)
    ran = run("chat", [*arriving, arriving[-1]], RULES)
    assert len(ran.changes) == len(stories)
    assert {key: ran.contact.issued[key][0] for key in since} == since
    assert ran.contact.retracted_steps == retracted
    assert decode_contact(ran.changes[-1].value or b"").retracted == [(step, *key) for key, step in retracted.items()]


def test_of_two_under_one_id_the_one_that_sorts_first_stays() -> None:
    """By its normalised JSON, whichever came first; each meeting of the two is counted, with or without a record."""
    told = "0 started\n5 missed agent_id=ben event_id=same\n5 missed agent_id=ann event_id=same"
    begin, ben, ann = events("chat", told)
    for arriving, counted in (([[begin, ben, ann]], [1]), ([[begin, ann, ben]], [1]), ([[begin, ann], [ben]], [0, 1])):
        ran = run("chat", arriving, RULES)
        assert ran.contact.issued["missed", "same"][1].agent_id == "ann"
        assert [change.conflicts for change in ran.changes] == counted
    assert ran.changes[1].value is None


def test_a_second_beginning_may_name_the_first_queue() -> None:
    """A contact is offered to the first queue that is ever named, so one that continues must be refolded for it."""
    told = events("chat", "0 started direction=outbound\n10 customer\n20 started direction=outbound queue=a event_id=x")
    outcome = refold("chat", EMPTY, told[:2], RULES, 1)
    assert outcome is not None
    assert outcome.incremental is not None
    assert [row.queue for row in outcome.change.issued if row.sample == "offered"] == ["unassigned"]
    assert [row.queue for row in fold("chat", told, RULES).samples if row.sample == "offered"] == ["a"]
    assert outcome.incremental.apply(told[2:], RULES, 2) is None
