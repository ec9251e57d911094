"""What a contact gives to the gauges: whether it is open, and since when it waits."""

from __future__ import annotations

import pytest

from schemas.topics import Channel
from tests.core.story import BEGIN, told


@pytest.mark.parametrize(
    ("says", "channel", "story", "is_open", "waits_since"),
    [
        ("a contact without any response waits from its start", "chat", "0 started\n1 customer", True, 0),
        (
            "an answered contact is open and does not wait",
            "chat",
            "0 started\n1 customer\n9 agent agent_id=a",
            True,
            None,
        ),
        ("an abandoned one is neither", "call", "0 started\n1 queued queue=q\n20 abandoned", False, None),
        ("a resolved one is neither", "chat", "0 started\n1 queued queue=q\n20 resolved", False, None),
        (
            "a call that was disconnected is not open, connected or not",
            "call",
            "0 started\n8 disconnected",
            False,
            None,
        ),
        (
            "a call that still waits in a queue is open after an agent's disconnect",
            "call",
            "0 started\n2 connected agent_id=a\n5 transferred agent_id=a queue=q\n6 disconnected agent_id=a",
            True,
            5,
        ),
        (
            "a late rating of a contact never seen makes nobody wait",
            "chat",
            "50 contact.rated score=4 scale_max=5",
            False,
            None,
        ),
        (
            "tags and wrap-up of a call never seen make nobody wait",
            "call",
            "0 tagged tags=x\n5 wrapped agent_id=a",
            False,
            None,
        ),
        ("a customer's message to a contact never seen does", "chat", "50 customer", True, 50),
        ("so does a queue", "call", "50 queued queue=q", True, 50),
        (
            "an abandoned chat whose customer writes again waits no longer by a clock, but is open",
            "chat",
            "0 started\n1 queued queue=q\n20 abandoned\n30 customer",
            True,
            None,
        ),
    ],
)
def test_open_and_waiting(says: str, channel: Channel, story: str, is_open: bool, waits_since: int | None) -> None:  # noqa: FBT001 - a case's field
    """Each case says it."""
    summary = told(channel, story).summary
    since = summary["waiting_since"]
    assert (summary["open"], None if since is None else (since - BEGIN) // 1000) == (is_open, waits_since), says
