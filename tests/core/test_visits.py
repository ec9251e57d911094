"""Queue visits at a glance."""

from __future__ import annotations

from tests.core.story import told


def test_an_open_visit_is_waiting() -> None:
    """The gauge tells since when; once answered it does not wait."""
    story = "0 started\n1 queued queue=a\n5 connected agent_id=ann\n9 transferred agent_id=ann queue=b"
    waiting = told("call", story).summary["waiting_since"]
    assert waiting is not None
    assert waiting % 60_000 == 9_000
    assert told("call", story + "\n12 connected agent_id=ben").summary["waiting_since"] is None
