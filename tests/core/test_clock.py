"""The human clock: since when a customer waits for a first response, seen through the first response's value."""

from __future__ import annotations

from typing import Final

import pytest

from tests.core.story import Case, check, ids, told

CASES: Final = (
    Case(
        "without queue or hand-off the clock runs from the start",
        "chat",
        "0 started\n3 customer\n30 agent agent_id=ann",
        "first_response at=30 value_ms=30000",
    ),
    Case(
        "the first queue, where there was no hand-off",
        "chat",
        "0 started\n10 queued queue=a\n20 queued queue=b\n50 agent agent_id=ann",
        "first_response at=50 value_ms=40000",
    ),
    Case(
        "the hand-off, where no queue came at or after it",
        "chat",
        "0 started\n5 queued queue=a\n20 handed_off\n50 agent agent_id=ann",
        "first_response at=50 value_ms=30000",
    ),
    Case(
        "the first queue after the last hand-off",
        "chat",
        """
        0 started
        5 handed_off
        8 queued queue=a
        20 handed_off
        30 queued queue=a
        40 queued queue=b
        50 agent agent_id=ann
        """,
        "first_response at=50 value_ms=20000",
    ),
    Case(
        "a queue of the hand-off's own time is at it, though it stands before it in the order",
        "chat",
        """
        0 started
        20 queued queue=a seq=1
        20 handed_off seq=2
        30 queued queue=b
        50 agent agent_id=ann
        """,
        "first_response at=50 value_ms=30000",
    ),
    Case(
        "what comes after the first response moves no clock",
        "chat",
        "0 started\n10 agent agent_id=ann\n20 handed_off\n30 queued queue=a\n60 agent agent_id=ben",
        "first_response at=10 value_ms=10000",
    ),
    Case(
        "a partial contact waits from the queue or hand-off that was seen",
        "chat",
        "7 customer\n17 queued queue=a\n27 agent agent_id=ann",
        "first_response at=27 value_ms=10000 partial=true",
    ),
    Case(
        "a start of a later time comes first all the same: a reply before it took no time",
        "chat",
        "0 customer\n5 agent agent_id=ann\n10 started\n40 agent agent_id=ann",
        "first_response at=5 value_ms=0",
    ),
    Case(
        "before a start that comes later, a queue runs the clock",
        "chat",
        "0 queued queue=a\n5 agent agent_id=ann\n10 started",
        "first_response at=5 value_ms=5000 partial=false",
    ),
    Case(
        "before a start that comes later, a hand-off runs the clock",
        "chat",
        "1 handed_off\n5 agent agent_id=ann\n10 started",
        "first_response at=5 value_ms=4000",
    ),
    Case(
        "an outbound contact waits from the first customer message",
        "email",
        "0 started direction=outbound\n0 agent agent_id=ann\n100 customer\n160 agent agent_id=ann",
        "first_response at=160 value_ms=60000",
    ),
    Case(
        "so does one that the system began",
        "chat",
        "0 started initiated_by=system\n20 customer\n25 agent agent_id=ann",
        "first_response at=25 value_ms=5000",
    ),
    Case(
        "and one that an agent began; a queue that is later than the customer's message counts instead",
        "chat",
        "0 started initiated_by=agent\n20 customer\n30 queued queue=a\n35 agent agent_id=ann",
        "first_response at=35 value_ms=5000",
    ),
    Case(
        "a queue before the customer's first message does not",
        "chat",
        "0 started initiated_by=agent\n5 queued queue=a\n20 customer\n35 agent agent_id=ann",
        "first_response at=35 value_ms=15000",
    ),
    Case(
        "an outbound contact in which no customer writes has no clock",
        "email",
        "0 started direction=outbound\n10 agent agent_id=ann\n20 agent agent_id=ann",
        "",
    ),
    Case(
        "an outbound call has no clock at all",
        "call",
        """
        0 started direction=outbound
        5 queued queue=a
        9 connected agent_id=ann
        12 customer
        15 agent agent_id=ann
        """,
        "",
    ),
    Case(
        "a call in a menu that an agent connects waited from its start",
        "call",
        "0 started\n25 connected agent_id=ann",
        "first_response at=25 value_ms=25000",
    ),
    Case(
        "and in a menu after an opening, from the opening",
        "call",
        "0 started\n1 queued queue=a\n5 resolved\n50 reopened\n60 abandoned\n75 connected agent_id=ann",
        "first_response at=75 value_ms=25000",
    ),
    Case(
        "a call that is called back waits from its first queue on",
        "call",
        """
        0 started
        5 queued queue=a
        20 dequeued reason=callback
        21 disconnected
        90 queued queue=b
        95 connected agent_id=ann
        """,
        "first_response at=95 value_ms=90000",
    ),
    Case(
        "resolved before any response and opened again: the opening stands in the place of the start",
        "email",
        "0 started\n5 queued queue=a\n10 resolved\n100 reopened\n130 agent agent_id=ann",
        "first_response at=130 value_ms=30000",
    ),
    Case(
        "a customer's message opens again too, and a queue after it counts as ever",
        "email",
        "0 started\n10 resolved\n100 customer\n120 queued queue=a\n130 agent agent_id=ann",
        "first_response at=130 value_ms=10000",
    ),
    Case(
        "an outbound contact that was resolved and opened by its customer waits from that message",
        "email",
        """
        0 started direction=outbound
        5 customer
        10 resolved
        100 customer
        130 agent agent_id=ann
        """,
        "first_response at=130 value_ms=30000",
    ),
    Case(
        "a reply to a resolved contact that was not opened answers the clock that ran before",
        "email",
        "0 started\n10 resolved\n30 agent agent_id=ann",
        "first_response at=30 value_ms=30000",
    ),
    Case(
        "an answered contact that is opened again has no second first response",
        "email",
        "0 started\n5 agent agent_id=ann\n10 resolved\n100 customer\n130 agent agent_id=ann",
        "first_response at=5 value_ms=5000",
    ),
    Case(
        "a bot's contact: the clock of the response runs, a human who replies answers it",
        "chat",
        "0 started\n1 bot\n40 agent agent_id=ann",
        "first_response at=40 value_ms=40000",
    ),
    Case(
        "in a bot's contact a customer who leaves abandons nothing",
        "chat",
        "0 started\n1 bot\n2 customer\n40 abandoned",
        "",
    ),
    Case(
        "once it was handed off, a customer who leaves does",
        "chat",
        "0 started\n1 bot\n20 handed_off\n40 abandoned",
        "abandoned at=40 value_ms=20000",
    ),
    Case(
        "a bot that writes after a queue takes nothing back",
        "chat",
        "0 started\n1 queued queue=a\n3 bot\n40 abandoned",
        "abandoned at=40 value_ms=39000",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_clock(case: Case) -> None:
    """Each rule of the clock gives the response, or the abandonment, its value."""
    check(case, "first_response", "abandoned")


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
