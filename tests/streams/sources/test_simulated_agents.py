"""The simulated agents' states agree with what the same agents do in the contacts' events."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest

from streams.sources.simulator import Plan, simulate
from streams.sources.simulator.centre import TEAMS
from tests.oracle.agents import State, states
from tests.oracle.contacts import milliseconds

HOUR_MS: Final = 3_600_000
TUESDAY: Final = int(datetime(2026, 3, 3, tzinfo=UTC).timestamp() * 1000)
SLOTS: Final = {team.name: team.slots for team in TEAMS}

#: Channel, since when, end of the talk, end of the wrap-up; None: not before the run's end.
Work = tuple[str, int, int | None, int | None]


@pytest.fixture(scope="module")
def told() -> list[dict[str, Any]]:
    """Return the events of a day."""
    return [orjson.loads(event.value) for event in simulate(Plan(TUESDAY, rate=1.0, seed=1, lasts_ms=24 * HOUR_MS))]


@pytest.fixture(scope="module")
def shifts(told: list[dict[str, Any]]) -> dict[str, list[State]]:
    """Return each agent's states in order."""
    found: dict[str, list[State]] = defaultdict(list)
    for state in states(event for event in told if event["type"] == "agent.status"):
        found[state.agent_id].append(state)
    return found


@pytest.fixture(scope="module")
def worked(told: list[dict[str, Any]]) -> dict[str, list[Work]]:
    """Return what each agent worked on: from being connected to the wrap-up's end."""
    found: dict[str, list[Work]] = defaultdict(list)
    under_way: dict[tuple[str, str], list[Any]] = {}
    for event in told:
        if "contact_id" not in event:
            continue
        at, contact, agent = milliseconds(event["occurred_at"]), event["contact_id"], event.get("agent_id", "")
        if event["type"] == "contact.connected":
            under_way[contact, agent] = [event["channel"], at, None, None]
        elif event["type"] in {"contact.disconnected", "contact.transferred"}:
            for key, work in under_way.items():
                if key[0] == contact and agent in {"", key[1]} and work[2] is None:
                    work[2] = at
        elif event["type"] == "contact.wrapped" and (contact, agent) in under_way:
            channel, since, ended, _ = under_way.pop((contact, agent))
            found[agent].append((channel, since, ended, at))
    for (_, agent), (channel, since, ended, _) in under_way.items():
        found[agent].append((channel, since, ended, None))
    return found


def during(shift: list[State], since: int, to: int) -> list[State]:
    """Give the states that hold at some time strictly between two; none where there is no time between."""
    if since == to:
        return []
    first = max(0, bisect_right([state.since for state in shift], since) - 1)
    return [state for state in shift[first:] if state.since < to and (state.to is None or state.to > since)]


def test_who_works_is_busy_and_who_wraps_up_says_so(
    shifts: dict[str, list[State]], worked: dict[str, list[Work]]
) -> None:
    """While a contact is talked to its agent is busy; after a call or an e-mail in wrap-up, until it is wrapped."""
    seen: Counter[tuple[str, str]] = Counter()
    for agent, works in worked.items():
        for channel, since, ended, wrapped in works:
            if ended is None or wrapped is None:
                continue
            talking = {state.status for state in during(shifts[agent], since, ended)}
            wrapping = {state.status for state in during(shifts[agent], ended, wrapped)}
            seen.update(("talk", status) for status in talking)
            seen.update((channel, status) for status in wrapping)
    assert {status for when, status in seen if when == "talk"} == {"busy"}
    assert {status for when, status in seen if when == "call"} == {"wrap_up"}
    assert {status for when, status in seen if when == "email"} == {"wrap_up"}
    assert {status for when, status in seen if when == "chat"} == {"busy"}  # others go on beside it


def test_nobody_has_a_contact_who_is_not_at_work(shifts: dict[str, list[State]], worked: dict[str, list[Work]]) -> None:
    """Available, away and offline agents have nothing in hand, and no wrap-up outlasts its contact."""
    for agent, shift in shifts.items():
        busy = sorted((since, wrapped) for _, since, _, wrapped in worked[agent])
        for state in shift:
            if state.status in {"available", "away", "offline", "wrap_up"}:
                until = state.to if state.to is not None else TUESDAY + 24 * HOUR_MS
                inside = [since for since, _ in busy if state.since < since < until]
                assert not inside, (state, inside)
            if state.status == "wrap_up" and state.to is not None:
                assert state.to in {wrapped for _, wrapped in busy} or state.since < TUESDAY + 90 * 60_000


def test_a_shift_is_believable(shifts: dict[str, list[State]]) -> None:
    """Agents log in, take their breaks and lunch, go home; one who is at home is offline for hours."""
    reasons = Counter(state.reason for shift in shifts.values() for state in shift if state.status == "away")
    assert {"break", "lunch", "missed offer"} == set(reasons)
    minutes = [
        (state.to - state.since) / 60_000
        for shift in shifts.values()
        for state in shift
        if state.reason == "lunch" and state.to is not None
    ]
    assert 25 < sum(minutes) / len(minutes) < 40
    gone = [shift for shift in shifts.values() if any(state.status == "offline" for state in shift)]
    assert len(gone) > len(shifts) / 2
    lengths = [
        state.to - state.since
        for shift in shifts.values()
        for state in shift
        if state.status == "offline" and state.to is not None
    ]
    assert all(length >= 10 * HOUR_MS for length in lengths)


def test_capacity_is_what_the_team_can_take(shifts: dict[str, list[State]]) -> None:
    """Idle agents could take any of their team's channels; one with a contact takes more of its channel only."""
    for shift in shifts.values():
        for state in shift:
            (team,) = state.groups
            if state.status == "available":
                assert state.capacity == SLOTS[team]
            elif state.status == "busy":
                ((channel, slots),) = state.capacity.items()
                assert SLOTS[team][channel] == slots  # type: ignore[index]  # a channel
