"""Open stretches at a glance."""

from __future__ import annotations

from tests.core.story import BEGIN, told


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
