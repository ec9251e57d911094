"""Handle segments: handle, hold, wrap and talk of each agent who was connected."""

from __future__ import annotations

from typing import Final

import pytest

from tests.core.story import Case, check, ids, told

_NAMES: Final = ("handle", "hold", "wrap", "talk")


def _samples(at: float, handle: int, hold: int, wrap: int, talk: int, more: str = "") -> str:
    """Tell the four samples of one segment, values in seconds."""
    values = zip(_NAMES, (handle, hold, wrap, talk), strict=True)
    return "\n".join(f"{name} at={at} value_ms={value * 1000} {more}" for name, value in values)


CASES: Final = (
    Case(
        "connected, disconnected, wrapped",
        "call",
        """
        0 started
        10 connected agent_id=ann
        70 disconnected agent_id=ann
        100 wrapped agent_id=ann
        """,
        _samples(100, 90, 0, 30, 60, "agent_id=ann slot=e2 caused_by=e4"),
    ),
    Case(
        "without wrap-up it closes where it ended",
        "call",
        "0 started\n10 connected agent_id=ann\n70 disconnected agent_id=ann",
        _samples(70, 60, 0, 0, 60),
    ),
    Case(
        "wrapped before the disconnect: ended and closed there, and no wrap-up",
        "call",
        """
        0 started
        10 connected agent_id=ann
        60 wrapped agent_id=ann
        70 disconnected agent_id=ann
        """,
        _samples(60, 50, 0, 0, 50),
    ),
    Case(
        "only wrapped",
        "chat",
        "0 started\n10 connected agent_id=ann\n60 wrapped agent_id=ann",
        _samples(60, 50, 0, 0, 50),
    ),
    Case("neither ended nor closed: not counted", "chat", "0 started\n10 connected agent_id=ann\n60 customer", ""),
    Case(
        "a transfer ends it",
        "chat",
        """
        0 started
        10 connected agent_id=ann
        40 transferred agent_id=ann queue=b
        50 wrapped agent_id=ann
        """,
        _samples(50, 40, 0, 10, 30),
    ),
    Case(
        "a transfer that names no agent ends that of the one in force",
        "chat",
        "0 started\n10 connected agent_id=ann\n40 transferred queue=b",
        _samples(40, 30, 0, 0, 30, "agent_id=ann"),
    ),
    Case(
        "a resolution ends every agent's",
        "chat",
        "0 started\n10 connected agent_id=ann\n20 connected agent_id=ben\n50 resolved agent_id=ben",
        _samples(50, 40, 0, 0, 40, "agent_id=ann") + "\n" + _samples(50, 30, 0, 0, 30, "agent_id=ben"),
    ),
    Case(
        "a disconnect without an agent ends every agent's",
        "call",
        "0 started\n10 connected agent_id=ann\n20 connected agent_id=ben\n50 disconnected",
        _samples(50, 40, 0, 0, 40, "agent_id=ann") + "\n" + _samples(50, 30, 0, 0, 30, "agent_id=ben"),
    ),
    Case(
        "another agent's disconnect ends only that agent's",
        "call",
        """
        0 started
        10 connected agent_id=ann
        20 connected agent_id=ben
        50 disconnected agent_id=ben
        """,
        _samples(50, 30, 0, 0, 30, "agent_id=ben"),
    ),
    Case(
        "only the first end and the first wrap-up count",
        "call",
        """
        0 started
        0 connected agent_id=ann
        50 disconnected
        60 resolved
        70 wrapped agent_id=ann
        90 wrapped agent_id=ann
        """,
        _samples(70, 70, 0, 20, 50),
    ),
    Case(
        "connected again: a new segment, and the old one hears nothing more",
        "call",
        """
        0 started
        0 connected agent_id=ann
        50 disconnected agent_id=ann
        60 connected agent_id=ann
        90 disconnected agent_id=ann
        99 wrapped agent_id=ann
        """,
        _samples(50, 50, 0, 0, 50, "slot=e2") + "\n" + _samples(99, 39, 0, 9, 30, "slot=e4"),
    ),
    Case(
        "the form of the former call, saved during the next, closes the former",
        "call",
        """
        0 started
        0 connected agent_id=ann
        50 disconnected agent_id=ann
        60 connected agent_id=ann
        70 wrapped agent_id=ann team=y
        90 disconnected agent_id=ann
        99 wrapped agent_id=ann
        """,
        _samples(70, 70, 0, 20, 50, "slot=e2 team=y") + "\n" + _samples(99, 39, 0, 9, 30, "slot=e4"),
    ),
    Case(
        "a second one finds that wrapped: it ends and closes the next",
        "call",
        """
        0 started
        0 connected agent_id=ann
        50 disconnected agent_id=ann
        60 connected agent_id=ann
        65 held agent_id=ann
        70 wrapped agent_id=ann
        80 wrapped agent_id=ann
        90 disconnected agent_id=ann
        99 wrapped agent_id=ann
        """,
        _samples(70, 70, 0, 20, 50, "slot=e2") + "\n" + _samples(80, 20, 15, 0, 5, "slot=e4"),
    ),
    Case(
        "connected again without an end: the segment before it is over, uncounted, and takes no wrap-up",
        "call",
        """
        0 started
        0 connected agent_id=ann
        60 connected agent_id=ann
        70 wrapped agent_id=ann
        """,
        _samples(70, 10, 0, 0, 10, "slot=e3"),
    ),
    Case(
        "an abandonment ends every agent's",
        "call",
        "0 started\n10 connected agent_id=ann\n20 connected agent_id=ben\n50 abandoned\n60 wrapped agent_id=ben",
        _samples(50, 40, 0, 0, 40, "agent_id=ann") + "\n" + _samples(60, 40, 0, 10, 30, "agent_id=ben"),
    ),
    Case(
        "holds add up",
        "call",
        """
        0 started
        0 connected agent_id=ann
        10 held agent_id=ann
        15 resumed agent_id=ann
        20 held agent_id=ann
        27 resumed agent_id=ann
        50 disconnected
        """,
        _samples(50, 50, 12, 0, 38),
    ),
    Case(
        "a hold during a hold changes nothing, a resumption without a hold neither",
        "call",
        """
        0 started
        0 connected agent_id=ann
        5 resumed agent_id=ann
        10 held agent_id=ann
        12 held agent_id=ann
        15 resumed agent_id=ann
        18 resumed agent_id=ann
        50 disconnected
        """,
        _samples(50, 50, 5, 0, 45),
    ),
    Case(
        "an open hold ends where the segment ended, not in wrap-up",
        "call",
        """
        0 started
        0 connected agent_id=ann
        40 held agent_id=ann
        50 disconnected
        60 resumed agent_id=ann
        70 wrapped agent_id=ann
        """,
        _samples(70, 70, 10, 20, 40),
    ),
    Case(
        "an open hold ends where a wrap-up ended and closed it",
        "call",
        """
        0 started
        0 connected agent_id=ann
        40 held agent_id=ann
        50 wrapped agent_id=ann
        60 disconnected
        """,
        _samples(50, 50, 10, 0, 40),
    ),
    Case(
        "a hold of another agent, or of one who was never connected, is none of this segment",
        "call",
        """
        0 started
        0 connected agent_id=ann
        10 held agent_id=ben
        15 resumed agent_id=ben
        50 disconnected
        """,
        _samples(50, 50, 0, 0, 50),
    ),
    Case(
        "queue and priority of its opening, team and segment of its close, the segment's agent",
        "chat",
        """
        0 started queue=a priority=low team=x
        10 connected agent_id=ann
        20 customer queue=b priority=high team=y segment=gold
        30 agent agent_id=ben
        40 resolved
        """,
        _samples(40, 30, 0, 0, 30, "queue=a priority=low team=y segment=gold agent_id=ann"),
    ),
    Case(
        "a second agent connected in the first one's wrap-up",
        "call",
        """
        0 started
        0 connected agent_id=ann
        20 transferred agent_id=ann queue=b
        25 connected agent_id=ben
        30 wrapped agent_id=ann
        60 disconnected
        70 wrapped agent_id=ben
        """,
        _samples(30, 30, 0, 10, 20, "agent_id=ann") + "\n" + _samples(70, 45, 0, 10, 35, "agent_id=ben"),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=ids(CASES))
def test_segments(case: Case) -> None:
    """Every closed segment gives handle, hold, wrap and talk, and the first is the sum of the others."""
    check(case, *_NAMES)
    sums: dict[str, list[int]] = {}
    for row in told(case.channel, case.story).rows:
        if row.sample in _NAMES:
            assert row.value_ms is not None
            sums.setdefault(row.slot, []).append(row.value_ms if row.sample == "handle" else -row.value_ms)
    assert all(sum(values) == 0 for values in sums.values())


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
