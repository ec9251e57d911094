"""Agents who are not heard of for a month are forgotten, whatever one event is dated."""

from __future__ import annotations

from typing import Final

from schemas.journal import AGENT
from streams.core.agents import AGENT_HORIZON_MS, Agents
from streams.core.event import Event

DAY_MS: Final = 24 * 3_600_000
NOW: Final = 1_772_438_400_000


def status(at: int, number: int = 0) -> Event:
    """Make an event of an agent."""
    return Event(at, 0, f"e{at}-{number}", "agent.status", {"status": "available"})


def test_who_left_is_forgotten_and_who_comes_back_begins_again() -> None:
    """Thirty-one days by the partition's clock, in memory and in the journal."""
    agents = Agents()
    agents.fold({b"left": [status(NOW)], b"stays": [status(NOW)]}, NOW)
    later = NOW + AGENT_HORIZON_MS
    written = agents.fold({b"stays": [status(later)]}, later)
    assert agents.wants_eviction(later)
    assert agents.evict(later) == []
    assert not agents.wants_eviction(later + DAY_MS - 1)
    assert agents.wants_eviction(later + DAY_MS)
    written += agents.evict(later + DAY_MS)
    assert (len(agents), written[-1]) == (1, (AGENT + b"left", None))
    again = Agents()
    for key, value in written:
        again.load(key.removeprefix(AGENT), value)
    assert len(again) == 1
    agents.fold({b"left": [status(NOW + AGENT_HORIZON_MS + DAY_MS)]}, NOW + AGENT_HORIZON_MS + DAY_MS)
    assert len(agents) == 2


def test_one_event_dated_ahead_forgets_nobody() -> None:
    """The partition's clock decides, which no event alone can move."""
    agents = Agents()
    agents.fold({b"here": [status(NOW)]}, NOW)
    agents.fold({b"wrong": [status(NOW + 400 * DAY_MS)]}, NOW)
    agents.fold({b"here": [status(NOW + 2 * DAY_MS)]}, NOW + 2 * DAY_MS)
    assert agents.evict(NOW + 2 * DAY_MS) == []
    assert len(agents) == 2
