"""Queue visits: each wait in a queue and how it ended, and transfers."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.policies import Policy, Rules
from tests.core.story import Case, check, ids, told

CASES: Final = (
    Case(
        "answered by a connection",
        "call",
        "0 started\n1 queued queue=a\n9 connected agent_id=ann",
        "entered at=1 queue=a\nqueue_wait at=9 value_ms=8000 outcome=answered queue=a agent_id=ann",
    ),
    Case(
        "answered by a human reply",
        "chat",
        "0 started\n1 queued queue=a\n9 agent agent_id=ann",
        "entered at=1\nqueue_wait at=9 value_ms=8000 outcome=answered",
    ),
    Case(
        "a bot's, a private or an automatic message does not answer it",
        "chat",
        """
        0 started
        1 queued queue=a
        2 bot
        3 agent agent_id=ann public=false
        4 agent agent_id=ann automatic=true
        """,
        "entered at=1",
    ),
    Case(
        "abandoned",
        "call",
        "0 started\n1 queued queue=a\n9 abandoned",
        "entered at=1\nqueue_wait at=9 value_ms=8000 outcome=abandoned",
    ),
    Case(
        "moved to another queue; the wait belongs to the queue it was in",
        "call",
        "0 started\n1 queued queue=a\n9 queued queue=b\n12 connected agent_id=ann",
        """
        entered at=1 queue=a
        queue_wait at=9 value_ms=8000 outcome=moved queue=a
        entered at=9 queue=b
        queue_wait at=12 value_ms=3000 outcome=answered queue=b
        """,
    ),
    Case(
        "moved by a transfer that names a queue",
        "call",
        "0 started\n1 queued queue=a\n9 transferred queue=b\n12 connected agent_id=ann",
        """
        entered at=1 queue=a
        queue_wait at=9 value_ms=8000 outcome=moved queue=a
        entered at=9 queue=b
        queue_wait at=12 value_ms=3000 outcome=answered queue=b
        """,
    ),
    Case(
        "queued where it waits already changes nothing",
        "call",
        "0 started\n1 queued queue=a\n5 queued queue=a\n9 connected agent_id=ann",
        "entered at=1\nqueue_wait at=9 value_ms=8000",
    ),
    Case(
        "queued again in the same queue after an answer is a new visit",
        "call",
        """
        0 started
        1 queued queue=a
        9 connected agent_id=ann
        12 queued queue=a
        20 connected agent_id=ben
        """,
        """
        entered at=1
        queue_wait at=9 value_ms=8000
        entered at=12
        queue_wait at=20 value_ms=8000
        """,
    ),
    Case(
        "left by a resolution",
        "chat",
        "0 started\n1 queued queue=a\n9 resolved",
        "entered at=1\nqueue_wait at=9 value_ms=8000 outcome=left",
    ),
    Case(
        "left by a disconnect of everyone",
        "call",
        "0 started\n1 queued queue=a\n9 disconnected",
        "entered at=1\nqueue_wait at=9 value_ms=8000 outcome=left",
    ),
    *(
        Case(
            f"taken out of its queue: {reason}",
            "call",
            f"0 started\n1 queued queue=a\n9 dequeued reason={reason}\n9 queued queue=b seq=1",
            f"entered at=1\nqueue_wait at=9 value_ms=8000 outcome={reason} queue=a\nentered at=9 queue=b",
        )
        for reason in ("timeout", "overflow", "callback", "voicemail", "other")
    ),
    Case(
        "for no reason named",
        "call",
        "0 started\n1 queued queue=a\n9 dequeued",
        "entered at=1\nqueue_wait at=9 outcome=other",
    ),
    Case("where it waits in none, nothing", "call", "0 started\n9 dequeued", ""),
    Case(
        "after a call back was agreed on the line may drop, until someone is connected",
        "call",
        """
        0 started
        1 queued queue=a
        9 dequeued reason=callback
        9 queued queue=b seq=1
        12 disconnected
        30 connected agent_id=ann
        40 queued queue=c
        45 disconnected
        """,
        """
        entered at=1
        queue_wait at=9 outcome=callback queue=a
        entered at=9 queue=b
        queue_wait at=30 value_ms=21000 outcome=answered queue=b
        entered at=40 queue=c
        queue_wait at=45 outcome=left queue=c
        """,
    ),
    Case(
        "held against the policy of its own queue, and short where that applies",
        "chat",
        "0 started\n1 queued queue=a\n9 transferred queue=b\n12 abandoned",
        """
        entered at=1 within=null
        queue_wait at=9 queue=a outcome=moved within=null short=null policy=
        entered at=9
        queue_wait at=12 queue=b outcome=abandoned within=false short=true policy=b-2s target_ms=2000
        """,
        Rules((Policy("b-2s", "queue_wait", 2_000, 0.8, queue="b"),)),
    ),
    Case(
        "short is said of abandoned visits only",
        "chat",
        "0 started\n1 queued queue=b\n2 agent agent_id=ann",
        "entered at=1\nqueue_wait at=2 within=true short=null",
        Rules((Policy("b-2s", "queue_wait", 2_000, 0.8, queue="b"),)),
    ),
    Case(
        "one agent's disconnect ends no visit",
        "call",
        """
        0 started
        1 connected agent_id=ann
        5 transferred agent_id=ann queue=b
        6 disconnected agent_id=ann
        9 abandoned
        """,
        "entered at=5 queue=b\nqueue_wait at=9 value_ms=4000 outcome=abandoned queue=b",
    ),
    Case(
        "a transfer without a queue opens none",
        "call",
        "0 started\n1 connected agent_id=ann\n5 transferred agent_id=ann\n9 connected agent_id=ben",
        "",
    ),
    Case(
        "a queue that an event of another kind names opens none",
        "chat",
        "0 started queue=a\n1 customer queue=b\n9 agent agent_id=ann",
        "",
    ),
    Case("a visit that is still open is no wait", "call", "0 started\n1 queued queue=a", "entered at=1"),
    Case(
        "a wait has the priority and team of its end",
        "chat",
        """
        0 started
        1 queued queue=a priority=low team=x
        5 prioritised priority=high
        7 customer team=y
        9 agent agent_id=ann
        """,
        "entered at=1 priority=low team=x\nqueue_wait at=9 priority=high team=y",
    ),
)

TRANSFERS: Final = (
    Case(
        "a transfer counts for the queue it leaves and the agent who transfers",
        "call",
        "0 started queue=a\n1 connected agent_id=ann\n5 transferred agent_id=ann queue=b",
        "transferred at=5 queue=a agent_id=ann",
    ),
    Case(
        "where it says no agent, the one who connected last transfers",
        "call",
        "0 started queue=a\n1 connected agent_id=ann\n5 transferred",
        "transferred at=5 queue=a agent_id=ann",
    ),
    Case(
        "before any queue was named it leaves the unassigned one",
        "chat",
        "0 started\n5 transferred queue=b",
        "transferred at=5 queue=unassigned",
    ),
    Case(
        "each one counts",
        "chat",
        "0 started\n5 transferred queue=b\n6 transferred queue=c",
        "transferred at=5 queue=unassigned\ntransferred at=6 queue=b",
    ),
)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_visits(case: Case) -> None:
    """Every visit is entered once and ends once, with its wait and its outcome."""
    check(case, "entered", "queue_wait")


@pytest.mark.parametrize("case", TRANSFERS, ids=ids(TRANSFERS))
def test_transfers(case: Case) -> None:
    """Every transfer counts where it came from."""
    check(case, "transferred")


def test_an_open_visit_is_waiting() -> None:
    """The gauge tells since when; once answered it does not wait."""
    story = "0 started\n1 queued queue=a\n5 connected agent_id=ann\n9 transferred agent_id=ann queue=b"
    waiting = told("call", story).summary["waiting_since"]
    assert waiting is not None
    assert waiting % 60_000 == 9_000
    assert told("call", story + "\n12 connected agent_id=ben").summary["waiting_since"] is None
