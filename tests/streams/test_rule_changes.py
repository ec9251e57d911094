"""Rules that come into force without an event: what open contacts are held against follows, and nothing else."""

from typing import Final

import pytest

from schemas.contact_record import Deadline, decode_body, decode_summary
from schemas.journal import CONTACT, decode_head
from schemas.policies import Policy, Rules
from streams.partition import rule_changes
from streams.partition.state import PartitionState
from streams.partition.step_to_write import StepToWrite
from tests.core.story import BEGIN, records
from tests.streams.records import Record, opened

SOURCE: Final = "contacts.chat"
DAY: Final = 86_400_000


def _policy(seconds: int) -> tuple[Policy, ...]:
    return (Policy(f"in-{seconds}s", "first_response", seconds * 1000, 0.8),)


BEFORE: Final = Rules(policies=_policy(60), version="before")
AFTER: Final = Rules(policies=_policy(5), horizons_ms={"chat": 7, "email": 7, "call": 7}, version="after")
#: Another policy from the day after on.
DATED: Final = Rules(policies=_policy(60), policies_from=((BEGIN + DAY, _policy(5)),), version="dated")


def _opened(rules: Rules, stories: dict[str, str]) -> PartitionState:
    partition = opened(SOURCE, rules)
    told = [(name, value) for name, story in stories.items() for value in records("chat", story, name)]
    for _ in partition.steps([Record(at, name.encode(), value) for at, (name, value) in enumerate(told)]):
        pass
    return partition


def _held(partition: PartitionState, contact: str) -> list[Deadline]:
    return decode_summary(partition.contacts[contact.encode()])["deadlines"]


def _by(policy: str, seconds: int) -> list[Deadline]:
    return [("first_response", policy, BEGIN, None, BEGIN + seconds * 1000 + 1)]


def _written(outputs: list[StepToWrite]) -> set[bytes]:
    return {key for output in outputs for key, _ in output.records if key[:1] == CONTACT}


STORIES: Final = {"waits": "0 started", "answered": "0 started\n1 agent agent_id=ann", "done": "0 started\n1 resolved"}


def test_rules_that_are_loaded_again() -> None:
    """Those that wait are held against them, all that stays in memory is stale by them; events and rows stay."""
    partition = _opened(BEFORE, STORIES)
    assert list(partition.renew_deadlines(BEGIN)) == []
    events = {contact: decode_body(value) for contact, value in partition.contacts.items()}
    partition.use_rules(AFTER)
    (step,) = partition.renew_deadlines(BEGIN)
    assert _written([step]) == {CONTACT + contact for contact in partition.contacts}
    assert _held(partition, "waits") == _by("in-5s", 5)
    assert (_held(partition, "answered"), _held(partition, "done")) == ([], [])
    summary = decode_summary(partition.contacts[b"waits"])
    assert (summary["step"], summary["leaves_at"]) == (step.head.step, BEGIN + 7)
    assert decode_head(step.records[-1][1] or b"") == partition.head
    assert {contact: decode_body(value) for contact, value in partition.contacts.items()} == events
    assert list(partition.renew_deadlines(BEGIN + DAY)) == []


def test_a_day_that_is_reached() -> None:
    """By the clock, and then also what arrives later with times of before."""
    partition = _opened(DATED, STORIES)
    assert list(partition.renew_deadlines(BEGIN + DAY - 1)) == []
    assert _held(partition, "waits") == _by("in-60s", 60)
    (step,) = partition.renew_deadlines(BEGIN + DAY)
    assert _written([step]) == {CONTACT + b"waits"}
    assert _held(partition, "waits") == _by("in-5s", 5)
    (message,) = records("chat", "9 customer event_id=later", "waits")
    list(partition.steps([Record(99, b"waits", message)]))
    (start,) = records("chat", "0 started", "new")
    list(partition.steps([Record(100, b"new", start)]))
    assert _held(partition, "waits") == _held(partition, "new") == _by("in-5s", 5)


def test_a_worker_that_was_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins a round when it opens the partition: rules may have come into force meanwhile. Bounded at a time."""
    monkeypatch.setattr(rule_changes, "PART_AT_LEAST", 1)
    monkeypatch.setattr(rule_changes, "PARTS_AT_MOST", 3)
    before = _opened(BEFORE, {str(number): "0 started" for number in range(5)})
    partition = PartitionState(SOURCE, 0, AFTER)
    partition.contacts.update(before.contacts)
    steps = [list(partition.renew_deadlines(BEGIN)) for _ in range(4)]
    assert [len(_written(outputs)) for outputs in steps] == [2, 2, 1, 0]
    assert all(_held(partition, str(number)) == _by("in-5s", 5) for number in range(5))


def test_a_step_stays_below_its_limit() -> None:
    """What is written at once is bounded by bytes too."""
    partition = _opened(BEFORE, {str(number): "0 started" for number in range(9)})
    size = max(map(len, partition.contacts.values()))
    partition.use_rules(AFTER)
    steps = list(partition.renew_deadlines(BEGIN, limit=6 * size))
    assert len(steps) > 2
    assert [output.head.step for output in steps] == list(range(steps[0].head.step, partition.head.step + 1))
    for output in steps:
        for key, value in output.records[:-1]:
            assert decode_summary(value or b"")["step"] == output.head.step, key


def test_a_contact_that_continues_follows_too() -> None:
    """A cached fold applies the next event to its new record as it would have to the old one."""
    partition, other = _opened(DATED, STORIES), _opened(DATED, STORIES)
    list(partition.renew_deadlines(BEGIN + DAY))
    (reply,) = records("chat", "9 agent agent_id=ann event_id=reply", "waits")
    for each in (partition, other):
        list(each.steps([Record(99, b"waits", reply)]))
    (events, samples, _), (other_events, other_samples, _) = (
        decode_body(each.contacts[b"waits"]) for each in (partition, other)
    )
    assert events == other_events
    assert {sample for _, sample in samples} == {sample for _, sample in other_samples}
