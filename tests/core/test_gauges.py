"""What a contact gives to the gauges: whether it is open, and since when it waits."""

from __future__ import annotations

from typing import Final

import pytest

from schemas.calendars import Calendar, Hours, Span
from schemas.policies import Policy, Rules
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
            "a contact of which only a late rating is seen is open, and makes nobody wait",
            "chat",
            "50 contact.rated score=4 scale_max=5",
            True,
            None,
        ),
        ("nor does a customer's message to a contact never seen", "chat", "50 customer", True, None),
        ("a queue does", "call", "50 queued queue=q", True, 50),
        (
            "who agreed to be called back waits from the first queue on, the line dropped or not",
            "call",
            "0 started\n5 queued queue=q\n20 dequeued reason=callback\n21 disconnected",
            True,
            5,
        ),
        ("who left the line only does not", "call", "0 started\n5 queued queue=q\n20 disconnected", False, None),
        ("one whom a disconnection found in the menu is gone", "call", "0 started\n5 abandoned", False, None),
        (
            "who abandoned and is queued again waits since then",
            "chat",
            "0 started\n1 queued queue=q\n20 abandoned\n30 queued queue=q",
            True,
            30,
        ),
        (
            "who is queued after the resolution waits by that visit, though nothing opened the contact again",
            "chat",
            "0 started\n9 resolved\n30 queued queue=q",
            False,
            30,
        ),
        (
            "so does who is transferred to a queue after leaving",
            "chat",
            "0 started\n1 queued queue=q\n9 abandoned\n30 transferred queue=q",
            False,
            30,
        ),
        ("a contact of which nothing is known but what was taken back", "chat", "0 event.voided voids=x", False, None),
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


#: Closed for eight minutes from the second minute of every story on.
_BREAK: Final = Calendar("c", (Hours("UTC", ((Span(0, 15 * 60 + 9), Span(15 * 60 + 17, 1440)),) * 7),))
_EVERY_METRIC: Final = Rules(
    (
        Policy("vip", "first_response", 30_000, 0.9, segment="vip"),
        Policy("first", "first_response", 60_000, 0.8, warning_ms=20_000),
        Policy("next", "next_response", 120_000, 0.8, warning_ms=120_000),
        Policy("visit", "queue_wait", 30_000, 0.8, queue="v", warning_ms=20_000),
        Policy("done", "resolution", 600_000, 0.8, warning_ms=540_000, calendar=_BREAK, clock="calendar"),
    )
)


@pytest.mark.parametrize(
    ("says", "story", "expected"),
    [
        (
            "a contact without a response runs against two targets",
            "5 started",
            {"first_response": ("first", 5, 45, 65), "resolution": ("done", 5, 65, 605 + 480)},
        ),
        (
            "a policy of its own that warns of nothing, in force with the last event",
            "0 started\n5 queued queue=a segment=vip",
            {"first_response": ("vip", 5, None, 35), "resolution": ("done", 0, 60, 600 + 480)},
        ),
        ("an answered one waits for its end", "0 started\n5 agent agent_id=ann", {"resolution": ("done", 0, 60, 1080)}),
        (
            "a customer who wrote again waits for the next reply, at risk at once where all of the time is a warning",
            "0 started\n5 agent agent_id=ann\n9 customer\n20 customer",
            {"next_response": ("next", 9, 9, 129), "resolution": ("done", 0, 60, 1080)},
        ),
        (
            "a reopened one runs from there",
            "0 started\n5 agent agent_id=ann\n9 resolved\n30 reopened",
            {"resolution": ("done", 30, 90, 630 + 480)},
        ),
        (
            "a turn that the first response will end is held against none",
            "0 started direction=outbound\n5 agent agent_id=ann\n9 customer",
            {"first_response": ("first", 9, 49, 69), "resolution": ("done", 0, 60, 1080)},
        ),
        (
            "a visit runs in a resolved contact too",
            "0 started\n5 resolved\n30 queued queue=v",
            {"queue_wait": ("visit", 30, 40, 60)},
        ),
        ("a bot's runs against none", "0 started\n1 bot\n5 customer", {}),
        (
            "one that is handed off does",
            "0 started\n1 bot\n700 handed_off",
            {"first_response": ("first", 700, 740, 760)},
        ),
        ("an abandoned one against none", "0 started\n5 abandoned", {}),
        ("nor one that is resolved", "0 started\n5 resolved", {}),
        ("nor one that is discarded", "0 started\n5 contact.discarded reason=spam", {}),
        ("nor one whose beginning nobody saw", "0 queued queue=a", {}),
        (
            "a visit runs against the target of its own queue, whatever queue is in force",
            "0 started\n5 agent agent_id=ann\n10 queued queue=v\n20 missed agent_id=ann queue=b",
            {"queue_wait": ("visit", 10, 20, 40), "resolution": ("done", 0, 60, 1080)},
        ),
    ],
)
def test_deadlines(says: str, story: str, expected: dict[str, tuple[str, int, int | None, int]]) -> None:
    """Each case says it. Seconds; a deadline begins one millisecond after the last instant that is within."""
    found = {
        metric: (policy, _second(since, 0), _second(warns_at, 1), _second(breached_at, 1))
        for metric, policy, since, warns_at, breached_at in told("chat", story, _EVERY_METRIC).summary["deadlines"]
    }
    if "handed_off" in story:
        assert found.pop("resolution", None) is not None
    assert found == expected, says


def _second(at: int | None, behind: int) -> float | None:
    return None if at is None else (at - behind - BEGIN) / 1000


#: A minute of work is to settle it, half of it is a warning; open from the minute after the first on in the second.
_STOPS: Final = Rules((Policy("stop", "resolution", 60_000, 0.8, warning_ms=30_000, pauses="stop"),))
_STOPS_AND_CLOSES: Final = Rules(
    (Policy("stop", "resolution", 60_000, 0.8, None, None, None, None, 30_000, "", _BREAK, "calendar", pauses="stop"),)
)


@pytest.mark.parametrize(
    ("says", "story", "rules", "warns_at", "breached_at"),
    [
        ("without a pause", "0 started", _STOPS, 30, 60),
        ("a pause that is over moves both", "0 started\n10 paused\n25 unpaused", _STOPS, 45, 75),
        ("while it lasts neither comes", "0 started\n10 paused", _STOPS, None, None),
        ("at risk before it, at risk in it", "0 started\n40 paused", _STOPS, 30, None),
        ("beyond the target before it", "0 started\n70 paused\n90 unpaused", _STOPS, 30, 60),
        ("two pauses, one of which lasts", "0 started\n5 paused\n15 unpaused\n50 paused", _STOPS, 40, None),
        ("a reopening begins without", "0 started\n5 paused\n15 resolved\n50 reopened", _STOPS, 80, 110),
        ("one that the stretch began in", "0 started\n5 resolved\n9 paused\n50 reopened", _STOPS, None, None),
        (
            "in business time a pause while it is closed takes nothing",
            "50 started\n80 paused\n500 unpaused",
            _STOPS_AND_CLOSES,
            600,
            630,
        ),
    ],
)
def test_paused_resolutions(says: str, story: str, rules: Rules, warns_at: int | None, breached_at: int | None) -> None:
    """Where pauses stop the clock, no time passes in one, and what had passed before it stays. Seconds."""
    (found,) = told("email", story, rules).summary["deadlines"]
    assert (_second(found[3], 1), _second(found[4], 1)) == (warns_at, breached_at), says


def test_when_a_contact_becomes_stale() -> None:
    """Its channel's horizon after its last event, as the rules have it."""
    rules = Rules(horizons_ms={"chat": 7_000, "email": 1, "call": 2})
    assert told("chat", "0 started\n5 customer", rules).summary["leaves_at"] == BEGIN + 12_000


def test_who_began_it() -> None:
    """A contact is inbound unless it is outbound or an agent or the system began it."""
    assert told("chat", "0 started").summary["inbound"]
    assert told("chat", "5 customer").summary["inbound"]
    assert not told("chat", "0 started direction=outbound").summary["inbound"]
    assert not told("chat", "0 started initiated_by=agent").summary["inbound"]
