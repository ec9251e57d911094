"""Who leaves and comes back, and who leaves a call's menu."""

from __future__ import annotations

from typing import Final

import pytest

from tests.core.story import Case, check, ids

RETURNS: Final = (
    Case(
        "who left and writes again waits from that message, and further ones are nudges",
        "chat",
        """
        0 started
        9 abandoned
        100 customer
        110 customer
        160 agent agent_id=ann
        """,
        "next_response at=160 value_ms=60000\nnudges at=160 value=1",
    ),
    Case(
        "who is queued again from the queue, without a word",
        "chat",
        "0 started\n1 queued queue=a\n9 abandoned\n100 queued queue=a\n130 agent agent_id=ann",
        "next_response at=130 value_ms=30000\nnudges at=130 value=0",
    ),
    Case(
        "whose contact is reopened from there, though it was open",
        "chat",
        "0 started\n9 abandoned\n100 reopened\n105 customer\n160 agent agent_id=ann",
        "next_response at=160 value_ms=60000\nnudges at=160 value=0",
    ),
    Case(
        "in a call the next connection answers",
        "call",
        "0 started\n1 queued queue=a\n9 abandoned\n100 queued queue=a\n130 connected agent_id=ann",
        "next_response at=130 value_ms=30000 agent_id=ann\nnudges at=130 value=0",
    ),
    Case(
        "only after the abandonment that counts: the bot's contact, or a menu, was not left waiting",
        "chat",
        "0 started\n1 bot\n9 abandoned\n100 customer\n130 agent agent_id=ann",
        "",
    ),
    Case(
        "a turn that is open when the customer leaves is no sample",
        "email",
        """
        0 started direction=outbound
        1 agent agent_id=ann
        50 customer
        60 abandoned
        80 agent agent_id=ann
        """,
        "",
    ),
    Case(
        "turns of a partial contact count from the connection that ended its wait",
        "chat",
        "0 customer\n5 connected agent_id=ann\n10 customer\n25 agent agent_id=ann",
        "next_response at=25 value_ms=15000 partial=true\nnudges at=25 value=0",
    ),
)

MENU: Final = (
    Case(
        "who hangs up in the menu, from the call's start",
        "call",
        "0 started queue=a\n60 abandoned",
        "ivr_abandoned at=60 value_ms=60000 queue=a within=null short=null",
    ),
    Case("only once", "call", "0 started\n60 abandoned\n90 abandoned", "ivr_abandoned at=60"),
    Case("not once it was queued", "call", "0 started\n5 queued queue=a\n60 abandoned", ""),
    Case("nor handed off", "call", "0 started\n5 handed_off\n60 abandoned", ""),
    Case("nor connected", "call", "0 started\n5 connected agent_id=ann\n60 abandoned", ""),
    Case("a chat has no menu", "chat", "0 started\n60 abandoned", ""),
    Case("nor where the start is not known", "call", "0 customer\n60 abandoned", ""),
    Case("an end before its beginning is zero", "call", "5 started\n2 abandoned", "ivr_abandoned at=2 value_ms=0"),
)


@pytest.mark.parametrize("case", RETURNS, ids=ids(RETURNS))
def test_returns(case: Case) -> None:
    """Who comes back after an abandonment waits again."""
    check(case, "next_response", "nudges")


@pytest.mark.parametrize("case", MENU, ids=ids(MENU))
def test_menu(case: Case) -> None:
    """A call that nobody queued, handed off or connected can only be left in its menu."""
    check(case, "ivr_abandoned")
