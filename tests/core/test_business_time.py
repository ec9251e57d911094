"""Business time and opening hours of samples, and what is held against which clock. Second 0 is 15:07 UTC, a Sunday."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.calendars import WHOLE_DAY, Calendar, Hours, Span
from schemas.policies import Policy, Rules
from schemas.tags import taxonomy
from tests.core.story import BEGIN, Case, cases, check, told


def _daily(name: str, *spans: tuple[int, int]) -> Calendar:
    return Calendar(name, (Hours("UTC", (tuple(Span(*span) for span in spans),) * 7),))


_SEVEN: Final = 15 * 60 + 7
#: Closed from second 60 to 120, and from 600 on.
CENTRE: Final = _daily("centre", (0, _SEVEN + 1), (_SEVEN + 2, _SEVEN + 10))
ALWAYS: Final = Calendar("always", (Hours("UTC", (WHOLE_DAY,) * 7),))
LATE: Final = _daily("late", (_SEVEN + 1, _SEVEN + 60))
NEVER: Final = _daily("never")

_RULES: Final = Rules(calendar=CENTRE, queue_calendars={"late": LATE}, policies=())


def _policies(**fields: object) -> Rules:
    policy = Policy("p", "first_response", 60_000, 0.8)._replace(**fields)  # type: ignore[arg-type]  # a test's own
    return _RULES._replace(policies=(policy,))


RULES: Final = {
    "hours": _RULES,
    "always": _policies(calendar=ALWAYS),
    "business": _policies(clock="calendar"),
    "business-centre": _policies(clock="calendar", calendar=CENTRE),
    "business-never": _policies(clock="calendar", calendar=NEVER),
}


@pytest.mark.parametrize("case", cases("business_time", RULES), ids=lambda case: case.says)
def test_answers(case: Case) -> None:
    """First responses and abandonments by the calendar that holds for them."""
    check(case)


def test_every_duration_has_business_time() -> None:
    """A segment's parts, a visit, a turn and a stretch; talk is what hold and wrap-up leave, in business time too."""
    story = """
        0 started
        10 queued queue=a
        30 connected agent_id=ann
        50 held agent_id=ann
        130 resumed agent_id=ann
        590 disconnected agent_id=ann
        620 wrapped agent_id=ann
        621 resolved
    """
    rows = {row.sample: row for row in told("call", story, _RULES).rows}
    assert {name: (row.value_ms, row.business_ms, row.in_hours) for name, row in rows.items()} == {
        "offered": (None, None, True),
        "entered": (None, None, True),
        "queue_wait": (20_000, 20_000, True),
        "first_response": (20_000, 20_000, True),
        "handle": (590_000, 510_000, False),
        "hold": (80_000, 20_000, False),
        "wrap": (30_000, 10_000, False),
        "talk": (480_000, 480_000, False),
        "resolution": (590_000, 530_000, True),
        "replies": (None, None, True),
        "untagged_resolved": (None, None, True),
    }


def test_a_sample_is_in_the_hours_of_its_own_queue() -> None:
    """A transfer counts in the queue it leaves, and so do its hours."""
    story = "0 started queue=late\n5 connected agent_id=ann\n30 transferred agent_id=ann queue=b"
    rows = {row.sample: row.in_hours for row in told("call", story, _RULES).rows}
    assert (rows["transferred"], rows["entered"]) == (False, True)


def test_a_gauge_knows_when_a_target_in_business_time_is_missed() -> None:
    """The summary tells the clock time up to the last moment that is within; none where that never comes to an end."""
    rules = _policies(clock="calendar")
    for story, target in (("0 started queue=a", 120_000), ("50 started queue=a", 70_000 + 50_000)):
        assert told("chat", story, rules).summary["target_ms"] == target
    never = _policies(clock="calendar", calendar=NEVER)
    assert told("chat", "0 started queue=a", never).summary["target_ms"] is None
    assert told("chat", "0 started queue=a", _policies()).summary["target_ms"] == 60_000


def test_the_policy_in_force_at_the_samples_time() -> None:
    """A policy that changes on a day leaves what was before as it was."""
    strict = Policy("strict", "first_response", 10_000, 0.8)
    rules = Rules(policies_from=((BEGIN + 100_000, (strict,)), (BEGIN + 200_000, ())))
    for at, policy, within in (
        (20, "chat-60s", True),
        (99, "chat-60s", False),
        (100, "strict", False),
        (200, "", None),
    ):
        row = next(
            row
            for row in told("chat", f"0 started\n{at} agent agent_id=ann", rules).rows
            if row.sample == "first_response"
        )
        assert (row.policy, row.within) == (policy, within)


def test_the_taxonomy_in_force_when_a_tag_was_put_on() -> None:
    """Names and what is known are those of the time of tagging; taking off means what was put on."""
    rules = Rules(
        taxonomy=taxonomy(["money"], {"refund": "money"}),
        taxonomy_from=((BEGIN + 10_000, taxonomy(["cash"], {"refund": "cash"})),),
    )
    story = "0 started\n1 tagged tags=refund\n10 tagged tags=refund,money"
    tagged = {row.tag: (row.at, row.outcome) for row in told("chat", story, rules).rows if row.sample == "tagged"}
    assert tagged == {"money": (BEGIN + 1_000, "known"), "cash": (BEGIN + 10_000, "known")}
    gone = told("chat", "0 started\n1 tagged tags=refund\n20 untagged tags=refund", rules)
    assert gone.summary["tags"] == []
