"""The fold: the samples of every story in `stories/`, and the contact at a glance."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.policies import Policy, Rules
from schemas.tags import taxonomy
from tests.core.story import BEGIN, Case, cases, check, told

TABLES: Final = ("clock", "fold", "responses", "returns", "segments", "stretches", "tags", "visits")
RULES: Final = {
    "b-2s": Rules((Policy("b-2s", "queue_wait", 2_000, 0.8, queue="b"),)),
    "next-10s": Rules((Policy("next-10s", "next_response", 10_000, 0.9, channel="chat"),)),
    "no-policies": Rules(policies=()),
    "a-urgent-5s": Rules(
        (
            Policy("other", "first_response", 1_000, 0.9, queue="b"),
            Policy("urgent-5s", "first_response", 5_000, 0.9, queue="a", priority="urgent"),
            Policy("all", "first_response", 60_000, 0.9),
        )
    ),
    "patience-10s": Rules(patience_ms={"chat": 10_000, "email": 10_000, "call": 10_000}, short_abandon_ms=2_000),
    "taxonomy": Rules(taxonomy=taxonomy(["Billing ", "Refund"], {"INVOICE": "Billing", "bill": "billing"})),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=f"{name}: {case.says}") for name in TABLES for case in cases(name, RULES)]
)
def test_stories(case: Case) -> None:
    """Exactly the samples that a story tells come of it."""
    check(case)


def test_a_start_of_a_later_time_is_not_the_last_event() -> None:
    """The latest time is: what a contact becomes stale by."""
    assert told("chat", "0 customer\n50 started\n20 customer").summary["last_at"] == BEGIN + 50_000


def test_a_partial_contact_at_a_glance() -> None:
    """It is open from its first event on, and what nobody saw stays unknown."""
    summary = told("chat", "50 contact.rated score=4 scale_max=5").summary
    assert (summary["open"], summary["started_at"], summary["waiting_since"]) == (True, None, None)
    ended = told("chat", "0 customer\n9 resolved").summary
    assert (ended["first_resolution_ms"], ended["resolution_ms"], ended["open"]) == (None, None, False)


def test_nothing_but_undoing_opens_no_contact() -> None:
    """A contact of which every event was voided is not there."""
    assert not told("chat", "0 customer\n9 event.voided voids=e1").summary["open"]


def test_slots_are_unique() -> None:
    """Sample and slot are a row's key within its contact."""
    story = """
        0 started queue=a
        1 bot
        2 handed_off
        3 queued queue=a
        4 missed agent_id=ann
        9 connected agent_id=ben
        10 agent agent_id=ben
        12 customer
        14 customer
        20 agent agent_id=ben
        25 transferred agent_id=ben queue=b
        30 connected agent_id=ann
        31 tagged tags=x,y
        35 resolved
        40 customer
        50 agent agent_id=ann
        60 resolved
        70 rated score=5 scale_max=5
        80 evaluated score=5 scale_max=5
        """
    keys = [(row.sample, row.slot) for row in told("chat", story).rows]
    assert len(keys) == len(set(keys))


def test_summary() -> None:
    """A contact at a glance."""
    summary = told(
        "chat",
        """
        0 started queue=a customer_id=kim language=fi
        5 connected agent_id=ann
        9 agent agent_id=ann
        12 customer
        20 agent agent_id=ben
        30 disconnected agent_id=ann
        40 rated score=4 scale_max=5
        """,
    ).summary
    assert summary["agents"] == ["ann", "ben"]
    assert summary["customer_id"] == "kim"
    assert summary["started_at"] == BEGIN
    assert summary["last_at"] == BEGIN + 40_000
    assert summary["first_response_ms"] == 9_000
    assert summary["replies"] == 2
    assert summary["rating"] == 750_000
    assert summary["handle_ms"] == 25_000
    assert summary["open"]
    assert not summary["partial"]


def test_summary_of_a_discarded_contact() -> None:
    """It waits for nobody and is not open."""
    summary = told("chat", "0 started\n1 queued queue=a\n2 connected agent_id=ann\n9 discarded reason=merged").summary
    assert summary["discarded"]
    assert not summary["open"]
    assert summary["waiting_since"] is None
    assert summary["handling"] == 0
    assert summary["handle_ms"] is None


def test_work_on_a_discarded_contact_is_in_the_table() -> None:
    """As its samples are; that of a test is not."""
    story = "0 started\n2 connected agent_id=ann\n9 disconnected\n20 discarded reason="
    assert told("chat", story + "spam").summary["handle_ms"] == 7_000
    assert told("chat", story + "test").summary["handle_ms"] is None


def test_open_segments_are_being_handled() -> None:
    """The gauge counts segments that are neither ended nor closed; the table has the sum of the closed ones."""
    story = "0 started\n0 connected agent_id=ann\n5 connected agent_id=ben"
    both = told("call", story).summary
    assert (both["handling"], both["handling_agents"]) == (2, ["ann", "ben"])
    again = told("call", story + "\n7 connected agent_id=ann").summary
    assert (again["handling"], again["handling_agents"]) == (2, ["ann", "ben"])
    ended = told("call", story + "\n9 disconnected agent_id=ann").summary
    assert (ended["handling"], ended["handling_agents"]) == (1, ["ben"])
    assert ended["handle_ms"] == 9_000


def test_clock_of_gauges_rests_while_the_contact_is_the_bots() -> None:
    """For gauges and alerts no clock runs in a bot's contact; from the hand-off on it does."""
    with_bot = "0 started\n1 bot\n2 customer"
    assert told("chat", with_bot).summary["clock_since"] is None
    handed = told("chat", with_bot + "\n5 handed_off").summary
    assert handed["clock_since"] is not None
    assert handed["waiting_since"] == handed["clock_since"]
    assert handed["target_ms"] == 60_000


def test_a_call_in_its_menu_waits_for_nobody() -> None:
    """It is open, and neither waiting nor held against a target; in a queue it is."""
    menu = told("call", "0 started").summary
    assert menu["open"]
    assert (menu["waiting_since"], menu["clock_since"], menu["deadlines"]) == (None, None, [])
    assert told("call", "0 started\n5 queued queue=a").summary["deadlines"]


def test_clock_of_gauges_ends_with_the_response() -> None:
    """An answered contact waits no longer, and a resolved one neither."""
    assert told("chat", "0 started\n5 agent agent_id=ann").summary["clock_since"] is None
    assert told("chat", "0 started\n5 resolved").summary["clock_since"] is None
    assert told("chat", "0 started\n5 resolved\n9 reopened").summary["clock_since"] is not None
