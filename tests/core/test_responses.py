"""First response or abandonment, the customer's turns, and what counts as slow."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.policies import Policy, Rules
from tests.core.story import Case, check, ids

_STRICT: Final = Rules(policies=(Policy("next-10s", "next_response", 10_000, 0.9, channel="chat"),))
_PATIENT: Final = Rules(patience_ms={"chat": 10_000, "email": 10_000, "call": 10_000}, short_abandon_ms=2_000)

FIRST: Final = (
    Case(
        "chat: a human reply, held against the policy in force, for who replied",
        "chat",
        "0 started queue=a\n60 agent agent_id=ann",
        "first_response at=60 value_ms=60000 within=true target_ms=60000 policy=chat-60s agent_id=ann queue=a",
    ),
    Case(
        "a millisecond above the target is not within it",
        "chat",
        "0 started\n60.001 agent agent_id=ann",
        "first_response at=60.001 value_ms=60001 within=false",
    ),
    Case(
        "chat: a connection is no response",
        "chat",
        "0 started\n5 connected agent_id=ann\n9 agent agent_id=ann",
        "first_response at=9 value_ms=9000",
    ),
    Case(
        "call: the first connection is, and no later one",
        "call",
        "0 started\n5 connected agent_id=ann\n9 connected agent_id=ben",
        "first_response at=5 value_ms=5000 agent_id=ann within=true target_ms=20000",
    ),
    Case(
        "call: a message is no response",
        "call",
        "0 started\n3 agent agent_id=ann\n5 connected agent_id=ann",
        "first_response at=5 value_ms=5000",
    ),
    Case(
        "automatic, private and bots' messages answer nothing",
        "chat",
        """
        0 started
        1 agent agent_id=ann automatic=true
        2 agent agent_id=ann public=false
        3 bot
        4 system
        9 agent agent_id=ann
        """,
        "first_response at=9 value_ms=9000",
    ),
    Case(
        "a reply without an agent is that of the one who connected last",
        "chat",
        "0 started\n5 connected agent_id=ann\n9 agent",
        "first_response at=9 agent_id=ann",
    ),
    Case(
        "a partial contact is held against no target",
        "chat",
        "0 queued queue=a\n9 agent agent_id=ann",
        "first_response at=9 value_ms=9000 partial=true within=null target_ms=null policy=",
    ),
    Case(
        "nor is its abandonment short",
        "chat",
        "0 handed_off\n1 abandoned",
        "abandoned at=1 value_ms=1000 partial=true within=null short=null",
    ),
    Case(
        "a reply where no queue and no hand-off was seen ends a wait that nobody can measure",
        "chat",
        "0 customer\n9 agent agent_id=ann\n20 queued queue=a\n30 agent agent_id=ann\n40 abandoned",
        "",
    ),
    Case(
        "so does a connection, in any channel",
        "email",
        "0 connected agent_id=ann\n20 queued queue=a\n30 agent agent_id=ann",
        "",
    ),
    Case("and a customer who leaves then abandons nothing", "email", "0 customer\n9 abandoned", ""),
    Case(
        "of a partial contact that was opened again only a queue runs the clock",
        "email",
        "0 queued queue=a\n5 resolved\n20 customer\n30 agent agent_id=ann",
        "",
    ),
    Case(
        "where no policy matches, within is told nothing",
        "chat",
        "0 started\n9 agent agent_id=ann",
        "first_response at=9 within=null target_ms=null",
        Rules(policies=()),
    ),
    Case(
        "the first rule whose queue and priority hold applies, as they are at the response",
        "chat",
        "0 started queue=a\n2 prioritised priority=urgent\n9 agent agent_id=ann",
        "first_response at=9 policy=urgent-5s within=false",
        Rules(
            policies=(
                Policy("other", "first_response", 1_000, 0.9, queue="b"),
                Policy("urgent-5s", "first_response", 5_000, 0.9, queue="a", priority="urgent"),
                Policy("all", "first_response", 60_000, 0.9),
            )
        ),
    ),
)

ABANDONED: Final = (
    Case(
        "who leaves unanswered abandons, with the clock's value",
        "call",
        "0 started\n2 queued queue=a\n32 abandoned",
        "abandoned at=32 value_ms=30000 within=false short=false queue=a target_ms=20000",
    ),
    Case(
        "below the threshold it is short",
        "call",
        "0 started\n0 queued queue=a\n4.999 abandoned",
        "abandoned at=4.999 value_ms=4999 within=true short=true",
    ),
    Case(
        "at the threshold it is not",
        "call",
        "0 started\n0 queued queue=a\n5 abandoned",
        "abandoned at=5 value_ms=5000 short=false",
    ),
    Case(
        "the threshold can be set",
        "call",
        "0 started\n0 queued queue=a\n2 abandoned",
        "abandoned at=2 short=false",
        _PATIENT,
    ),
    Case(
        "an answered contact is not abandoned",
        "chat",
        "0 started\n5 agent agent_id=ann\n9 abandoned",
        "first_response at=5",
    ),
    Case(
        "an abandoned contact is not answered afterwards",
        "chat",
        "0 started\n9 abandoned\n12 agent agent_id=ann",
        "abandoned at=9",
    ),
    Case(
        "the first leaving that comes while the clock runs counts, and no later one",
        "chat",
        "0 started\n1 bot\n9 abandoned\n12 handed_off\n40 abandoned\n50 customer\n60 abandoned",
        "abandoned at=40 value_ms=28000",
    ),
    Case(
        "who leaves a call's menu abandons nothing, and may be answered later",
        "call",
        "0 started\n9 abandoned\n20 queued queue=a\n25 connected agent_id=ann",
        "first_response at=25 value_ms=5000",
    ),
    Case(
        "out of the queue, but not gone: the clock runs on",
        "call",
        "0 started\n1 queued queue=a\n20 dequeued reason=overflow\n31 abandoned",
        "abandoned at=31 value_ms=30000",
    ),
    Case(
        "an outbound call cannot be abandoned",
        "call",
        "0 started direction=outbound\n9 abandoned",
        "",
    ),
    Case(
        "a partial contact is abandoned outside service level",
        "chat",
        "0 queued queue=a\n9 abandoned",
        "abandoned at=9 value_ms=9000 within=null partial=true",
    ),
)

TURNS: Final = (
    Case(
        "a turn runs from the first customer message after a reply to the next reply",
        "chat",
        "0 started\n5 agent agent_id=ann\n10 customer\n25 agent agent_id=ben",
        "next_response at=25 value_ms=15000 agent_id=ben within=null\nnudges at=25 value=0",
    ),
    Case(
        "further customer messages are nudges",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        10 customer
        12 customer
        14 customer
        25 agent agent_id=ann
        """,
        "next_response at=25 value_ms=15000\nnudges at=25 value=2",
    ),
    Case(
        "the first response ends no turn",
        "chat",
        "0 started\n1 customer\n2 customer\n25 agent agent_id=ann",
        "",
    ),
    Case(
        "nor does it where an agent had written first",
        "email",
        "0 started direction=outbound\n1 agent agent_id=ann\n50 customer\n80 agent agent_id=ann",
        "",
    ),
    Case(
        "bots and automatic messages neither begin nor end a turn",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        7 customer automatic=true
        8 customer public=false
        10 customer
        12 bot
        13 agent agent_id=ann automatic=true
        14 agent agent_id=ann public=false
        15 customer automatic=true
        25 agent agent_id=ann
        """,
        "next_response at=25 value_ms=15000\nnudges at=25 value=0",
    ),
    Case(
        "a second reply without a customer between ends nothing",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        10 customer
        25 agent agent_id=ann
        30 agent agent_id=ann
        """,
        "next_response at=25\nnudges at=25",
    ),
    Case(
        "each turn is a sample, held against its policy",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        10 customer
        20 agent agent_id=ann
        30 customer
        41 agent agent_id=ann
        """,
        """
        next_response at=20 value_ms=10000 within=true policy=next-10s
        nudges at=20
        next_response at=41 value_ms=11000 within=false
        nudges at=41
        """,
        _STRICT,
    ),
    Case(
        "a turn that no one answers is no sample",
        "chat",
        "0 started\n5 agent agent_id=ann\n10 customer\n99 resolved",
        "",
    ),
    Case(
        "a turn runs on over a resolution",
        "email",
        "0 started\n5 agent agent_id=ann\n10 resolved\n20 customer\n50 agent agent_id=ann",
        "next_response at=50 value_ms=30000\nnudges at=50 value=0",
    ),
)

SLOW: Final = (
    Case("as long as the patience is not slow", "chat", "0 started\n120 agent agent_id=ann", ""),
    Case("a millisecond more is", "chat", "0 started\n120.001 agent agent_id=ann", "slow at=120.001 agent_id=ann"),
    Case("an e-mail has a day", "email", "0 started\n86400 agent agent_id=ann", ""),
    Case("a call has two minutes", "call", "0 started\n121 connected agent_id=ann", "slow at=121"),
    Case(
        "one a contact, by the first that is slow, a later turn too",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        10 customer
        21 agent agent_id=ann
        30 customer
        99 agent agent_id=ben
        """,
        "slow at=21 agent_id=ann",
        _PATIENT,
    ),
    Case("an abandonment is not slow", "chat", "0 started\n500 abandoned", ""),
    Case(
        "the wait of who came back can be",
        "chat",
        "0 started\n500 abandoned\n600 customer\n721 agent agent_id=ann",
        "slow at=721",
    ),
)


@pytest.mark.parametrize("case", FIRST + ABANDONED, ids=ids(FIRST + ABANDONED))
def test_first_response_or_abandonment(case: Case) -> None:
    """A contact has a first response or an abandonment, whichever comes first, never both."""
    check(case, "first_response", "abandoned")


@pytest.mark.parametrize("case", TURNS, ids=ids(TURNS))
def test_turns(case: Case) -> None:
    """Each human reply that ends a customer's turn is a next response, with the nudges before it."""
    check(case, "next_response", "nudges")


@pytest.mark.parametrize("case", SLOW, ids=ids(SLOW))
def test_slow(case: Case) -> None:
    """A response beyond the channel's patience is slow."""
    check(case, "slow")
