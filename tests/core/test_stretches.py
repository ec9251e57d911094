"""Open stretches: resolutions, reopenings, pauses, replies up to the end, and what a bot contained."""

from __future__ import annotations

from typing import Final

import pytest

from tests.core.story import BEGIN, Case, check, ids, told

RESOLUTIONS: Final = (
    Case(
        "from the start to the resolution",
        "chat",
        "0 started queue=a\n30 resolved agent_id=ann",
        "resolution at=30 value_ms=30000 active_ms=30000 instance=1 queue=a agent_id=ann",
    ),
    Case(
        "a partial contact's first one was not seen whole; from a reopening on it is",
        "chat",
        "5 customer\n9 reopened\n30 resolved\n50 reopened\n90 resolved",
        "reopened at=50 partial=true\nresolution at=90 value_ms=40000 instance=2 partial=true within=null",
    ),
    Case(
        "a resolution of a resolved contact changes nothing",
        "chat",
        "0 started\n30 resolved\n50 resolved",
        "resolution at=30",
    ),
    Case(
        "a reopening of an open contact changes nothing",
        "chat",
        "0 started\n9 reopened\n30 resolved",
        "resolution at=30 value_ms=30000 instance=1",
    ),
    Case(
        "a resolution before the start took no time",
        "chat",
        "0 resolved\n5 started\n30 resolved",
        "resolution at=0 value_ms=0 active_ms=0 instance=1",
    ),
    Case(
        "after a call back is agreed on, letting go of the line ends no call; after the next connection it does",
        "call",
        """
        0 started
        5 connected agent_id=ann
        20 transferred agent_id=ann queue=b
        30 dequeued reason=callback
        31 disconnected
        60 queued queue=c
        61 disconnected
        90 connected agent_id=ben
        95 disconnected
        """,
        "resolution at=95 value_ms=95000 instance=1",
    ),
    Case(
        "out of the queue for another reason it ends by the disconnect",
        "call",
        """
        0 started
        5 connected agent_id=ann
        20 transferred agent_id=ann queue=b
        30 dequeued reason=voicemail
        31 disconnected
        """,
        "resolution at=31",
    ),
    Case(
        "an abandonment ends the agents' segments and no stretch; the disconnect behind it does",
        "call",
        "0 started\n5 connected agent_id=ann\n9 abandoned\n12 disconnected",
        "resolution at=12 value_ms=12000",
    ),
    Case(
        "opened again: counted, and the next stretch runs from there",
        "email",
        "0 started\n30 resolved\n50 reopened\n90 resolved",
        """
        resolution at=30 value_ms=30000 instance=1
        reopened at=50
        resolution at=90 value_ms=40000 instance=2
        """,
    ),
    Case(
        "a customer's message opens again",
        "email",
        "0 started\n30 resolved\n50 customer\n60 reopened\n90 resolved",
        "resolution at=30\nreopened at=50\nresolution at=90 value_ms=40000 instance=2",
    ),
    Case(
        "an agent's, an automatic, a private and a bot's message do not",
        "email",
        """
        0 started
        30 resolved
        50 agent agent_id=ann
        51 customer automatic=true
        52 customer public=false
        53 bot
        90 resolved
        """,
        "resolution at=30",
    ),
    Case(
        "every reopening counts",
        "email",
        "0 started\n30 resolved\n50 reopened\n60 resolved\n70 customer",
        """
        resolution at=30
        reopened at=50
        resolution at=60 value_ms=10000 instance=2
        reopened at=70
        """,
    ),
    Case(
        "a call that was connected ends with the disconnect that leaves nobody and no visit",
        "call",
        "0 started\n5 connected agent_id=ann\n30 disconnected agent_id=ann",
        "resolution at=30 value_ms=30000",
    ),
    Case("a call that never was does not", "call", "0 started\n30 disconnected", ""),
    Case("a chat does not", "chat", "0 started\n5 connected agent_id=ann\n30 disconnected", ""),
    Case(
        "nor a call in which another agent still speaks",
        "call",
        """
        0 started
        5 connected agent_id=ann
        6 connected agent_id=ben
        30 disconnected agent_id=ann
        40 disconnected agent_id=ben
        """,
        "resolution at=40 value_ms=40000",
    ),
    Case(
        "nor one that waits in a queue",
        "call",
        """
        0 started
        5 connected agent_id=ann
        20 transferred agent_id=ann queue=b
        30 disconnected agent_id=ann
        """,
        "",
    ),
    Case(
        "a queue opens it again without a reopening",
        "call",
        """
        0 started
        5 connected agent_id=ann
        30 disconnected
        35 queued queue=b
        45 connected agent_id=ben
        60 disconnected
        """,
        "resolution at=30 value_ms=30000 instance=1\nresolution at=60 value_ms=25000 instance=2",
    ),
    Case(
        "so does a connection",
        "call",
        """
        0 started
        5 connected agent_id=ann
        30 disconnected
        45 connected agent_id=ben
        60 disconnected
        """,
        "resolution at=30\nresolution at=60 value_ms=15000 instance=2",
    ),
    Case(
        "but not after a resolution",
        "call",
        """
        0 started
        5 connected agent_id=ann
        30 resolved
        45 connected agent_id=ben
        60 disconnected
        """,
        "resolution at=30",
    ),
    Case(
        "pauses are told apart",
        "email",
        "0 started\n10 paused for=customer\n25 unpaused\n40 paused\n45 unpaused\n100 resolved",
        "resolution at=100 value_ms=100000 active_ms=80000",
    ),
    Case(
        "a pause during a pause changes nothing",
        "email",
        "0 started\n10 paused\n20 paused\n30 unpaused\n50 unpaused\n100 resolved",
        "resolution at=100 active_ms=80000",
    ),
    Case(
        "a pause that is open at the resolution counts up to there",
        "email",
        "0 started\n10 paused\n100 resolved",
        "resolution at=100 active_ms=10000",
    ),
    Case(
        "a pause ends with its stretch",
        "email",
        "0 started\n10 paused\n20 resolved\n30 reopened\n40 unpaused\n70 resolved",
        """
        resolution at=20 active_ms=10000
        reopened at=30
        resolution at=70 value_ms=40000 active_ms=40000
        """,
    ),
    Case(
        "one that began while nothing was open counts from the opening on",
        "email",
        "0 started\n20 resolved\n25 paused for=third_party\n30 reopened\n40 unpaused\n70 resolved",
        "resolution at=20\nreopened at=30\nresolution at=70 value_ms=40000 active_ms=30000",
    ),
    Case(
        "a pause for the customer ends with a customer's message, of which an automatic one is none",
        "email",
        "0 started\n10 paused\n20 customer automatic=true\n30 customer\n100 resolved",
        "resolution at=100 active_ms=80000",
    ),
    Case(
        "one for a third party does not, though it is paused for the customer meanwhile",
        "email",
        "0 started\n10 paused for=third_party\n20 paused\n30 customer\n100 resolved",
        "resolution at=100 active_ms=10000",
    ),
    Case(
        "each stretch has its own pauses",
        "email",
        """
        0 started
        10 paused
        20 unpaused
        30 resolved
        50 reopened
        60 paused
        75 unpaused
        90 resolved
        """,
        """
        resolution at=30 active_ms=20000
        reopened at=50
        resolution at=90 value_ms=40000 active_ms=25000
        """,
    ),
)

REPLIES: Final = (
    Case(
        "human replies up to the last end",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        6 bot
        7 agent agent_id=ann automatic=true
        9 agent agent_id=ann
        30 resolved
        40 agent agent_id=ann
        """,
        "replies at=30 value=2",
    ),
    Case(
        "one a contact, at the last end, over all stretches",
        "chat",
        """
        0 started
        5 agent agent_id=ann
        30 resolved
        40 customer
        50 agent agent_id=ben
        60 resolved
        """,
        "replies at=60 value=2 slot=",
    ),
    Case("none replied", "chat", "0 started\n30 resolved", "replies at=30 value=0"),
    Case("a contact that never ended has none", "chat", "0 started\n5 agent agent_id=ann", ""),
)

CONTAINED: Final = (
    Case("a bot alone", "chat", "0 started\n1 bot\n5 customer\n9 resolved", "bot_contained at=9"),
    Case(
        "at the first end, though it was opened again",
        "chat",
        "0 started\n1 bot\n9 resolved\n20 customer\n30 resolved",
        "bot_contained at=9",
    ),
    Case("no bot", "chat", "0 started\n9 resolved", ""),
    Case("a hand-off", "chat", "0 started\n1 bot\n2 handed_off\n9 resolved", ""),
    Case("a queue", "chat", "0 started\n1 bot\n2 queued queue=a\n9 resolved", ""),
    Case("a connection", "chat", "0 started\n1 bot\n2 connected agent_id=ann\n9 resolved", ""),
    Case("a human reply", "chat", "0 started\n1 bot\n2 agent agent_id=ann\n9 resolved", ""),
    Case(
        "a human reply in a later stretch: its whole life counts",
        "chat",
        "0 started\n1 bot\n9 resolved\n20 customer\n30 agent agent_id=ann\n40 resolved",
        "",
    ),
    Case(
        "a bot that wrote only after the end was there too",
        "chat",
        "0 started\n9 resolved\n20 bot",
        "bot_contained at=9",
    ),
    Case("not yet ended", "chat", "0 started\n1 bot", ""),
)


@pytest.mark.parametrize("case", RESOLUTIONS, ids=ids(RESOLUTIONS))
def test_resolutions(case: Case) -> None:
    """Each end of an open stretch is a resolution, each opening after one a reopening."""
    check(case, "resolution", "reopened")


@pytest.mark.parametrize("case", REPLIES, ids=ids(REPLIES))
def test_replies(case: Case) -> None:
    """Replies are told once, at the last end."""
    check(case, "replies")


@pytest.mark.parametrize("case", CONTAINED, ids=ids(CONTAINED))
def test_bot_contained(case: Case) -> None:
    """A bot contained what no human ever touched."""
    check(case, "bot_contained")


def test_summary_of_stretches() -> None:
    """The table of contacts has the first and the last resolution, and the time between start and last."""
    summary = told("email", "0 started\n30 resolved\n50 customer\n90 resolved").summary
    assert summary["first_resolved_at"] == BEGIN + 30_000
    assert summary["resolved_at"] == BEGIN + 90_000
    assert summary["first_resolution_ms"] == 30_000
    assert summary["resolution_ms"] == 90_000
    assert summary["reopens"] == 1
    assert not summary["open"]


def test_a_reopened_contact_awaits_a_reply() -> None:
    """It is backlog from its opening until a human replies or it is resolved."""
    story = "0 started\n5 agent agent_id=ann\n30 resolved\n50 reopened"
    assert told("email", story).summary["awaiting_since"] == BEGIN + 50_000
    assert told("email", story + "\n60 agent agent_id=ann").summary["awaiting_since"] is None
    assert told("email", story + "\n60 resolved").summary["awaiting_since"] is None


def test_an_abandoned_contact_is_not_open() -> None:
    """Until something happens in it again."""
    story = "0 started\n1 queued queue=a\n9 abandoned"
    assert not told("chat", story).summary["open"]
    assert told("chat", story + "\n20 customer").summary["open"]


def test_a_wrap_up_ends_a_segment_that_had_not_ended() -> None:
    """Whoever wraps up has left: the last one out ends the call."""
    story = """
        0 started
        1 connected agent_id=ann
        5 wrapped agent_id=ann
        9 connected agent_id=ben
        20 disconnected agent_id=ben
        """
    check(Case("ann's segment is closed, and so ended", "call", story, "resolution at=20"), "resolution")
