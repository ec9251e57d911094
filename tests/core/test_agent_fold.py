"""Agents' states: a function of the set of events, whatever their order, and of bounded size."""

import random
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import AHEAD_MS, HORIZON_MS, AgentStretch, decode_stretches, stretch_at
from schemas.journal import AGENT
from streams.core.agent_fold import AGENT_HORIZON_MS, KEPT_BYTES, AgentFold, decode, fold_stretches
from tests.core.agents import BASE_MS, HOUR_MS, read, status, statuses
from tests.core.contacts import parts
from tests.oracle.agents import State, states

LATER: Final = BASE_MS + 1_000 * HOUR_MS
NEAR: Final = st.integers(0, 5)
FAR: Final = st.integers(0, 5 * 24).map(lambda hours: hours * HOUR_MS)


AGENTS: Final = (b"x", b"y")


def folded(events: list[dict[str, Any]], cuts: set[int] | None = None, clock: int = LATER) -> AgentFold:
    """Fold events that arrive in this order, in one step or in several, each time loaded from the journal."""
    journal: dict[bytes, bytes | None] = {}
    agents = AgentFold()
    for part in parts(events, cuts or ()):
        journal.update(agents.fold(read(part), clock))
        agents = AgentFold()
        for key, value in journal.items():
            assert key[:1] == AGENT
            agents.load(key[1:], value)
    return agents


def told(agents: AgentFold) -> list[State]:
    """Give all stretches that can be told from what is kept, as the oracle does."""
    found = []
    for agent in AGENTS:
        all_of_them = fold_stretches(decode(agents.record(agent))) if agents.record(agent) else []
        ends = [*(each.since for each in all_of_them[1:]), None]
        found += [
            State(agent.decode(), each.since, to, each.status, each.reason, each.groups, each.capacity)
            for each, to in zip(all_of_them, ends, strict=False)
        ]
    return found


def now(agents: AgentFold, at_ms: int = LATER) -> dict[str, AgentStretch | None]:
    """Give each agent's state as a reader of the journal sees it."""
    return {
        agent.decode(): stretch_at(decode_stretches(agents.record(agent)), at_ms)
        for agent in AGENTS
        if agents.record(agent)
    }


@given(
    events=st.lists(statuses(NEAR), max_size=20),
    order=st.randoms(use_true_random=False),
    cuts=st.sets(st.integers(1, 30)),
)
def test_any_order_gives_what_a_batch_gives(events: list[dict[str, Any]], order: random.Random, cuts: set[int]) -> None:
    """Late, repeated, conflicting, of one millisecond, of unknown types: within a day all states are the oracle's."""
    arriving = [*events, *order.sample(events, len(events) // 2)]
    order.shuffle(arriving)
    assert told(folded(arriving, cuts)) == states(events)


@given(
    events=st.lists(statuses(FAR, ids=st.uuids().map(str)), max_size=20),
    order=st.randoms(use_true_random=False),
    cuts=st.sets(st.integers(1, 30)),
)
def test_the_horizon_does_not_depend_on_the_order(
    events: list[dict[str, Any]], order: random.Random, cuts: set[int]
) -> None:
    """Over days: the same is kept whatever came when, and the state in force is the oracle's."""
    arriving = [*events, *order.sample(events, len(events) // 2)]
    order.shuffle(arriving)
    late, early = folded(arriving, cuts), folded(events)
    assert told(late) == told(early)
    assert now(late) == now(early)
    lasting = {state.agent_id: state for state in states(events) if state.to is None}
    for agent, found in now(late).items():
        if found is None:
            assert agent not in lasting
        else:
            assert (found.status, found.reason, found.groups, found.capacity) == lasting[agent][3:]
            assert found.since >= lasting[agent].since


def test_groups_and_capacity_stay_in_force() -> None:
    """They hold until named again, also beyond the horizon; status and reason are each event's own."""
    events = [
        status("a", 0, groups=["sales"], capacity={"chat": 3}),
        status("b", 40 * HOUR_MS, "away", reason="lunch"),
        status("c", 80 * HOUR_MS, "busy"),
    ]
    at_ms = BASE_MS + 80 * HOUR_MS
    assert now(folded(events))["x"] == AgentStretch(at_ms, at_ms, "busy", "", ["sales"], {"chat": 3})
    cleared = folded([*events, status("d", 81 * HOUR_MS, "busy", groups=[], capacity={})])
    assert now(cleared)["x"] == AgentStretch(at_ms + HOUR_MS, at_ms + HOUR_MS, "busy", "", [], {})


def test_telling_the_same_again_begins_no_new_state() -> None:
    """A source that repeats itself every minute shows since when, and when it was last heard."""
    beats = [status(f"e{minute}", minute * 60_000, groups=["g"]) for minute in range(5)]
    assert now(folded(beats))["x"] == AgentStretch(BASE_MS, BASE_MS + 240_000, "available", "", ["g"], {})


def test_what_is_known_is_not_written_again() -> None:
    """A redelivery, or what is older than the horizon, writes nothing; a conflict is counted."""
    agents = AgentFold()
    assert agents.fold(read([status("a", 0), status("b", 30 * HOUR_MS, "busy")]), LATER)
    assert not agents.fold(read([status("b", 30 * HOUR_MS, "busy"), status("c", HOUR_MS)]), LATER)
    assert agents.conflicts == 0
    assert agents.fold(read([status("b", 30 * HOUR_MS, "away")]), LATER)
    assert agents.conflicts == 1
    assert [state.status for state in told(agents)] == ["away"]


def test_a_wrong_date_holds_no_state_for_ever() -> None:
    """What is dated far ahead waits for its time; a clock that is a little fast does not."""
    clock = BASE_MS + HOUR_MS
    agents = AgentFold()
    agents.fold(read([status("next year", 8_760 * HOUR_MS, "offline")]), BASE_MS)
    agents.fold(read([status("a", 0)]), BASE_MS)
    agents.fold(read([status("b", HOUR_MS + 2_000, "busy")]), clock)
    states_then = decode_stretches(agents.record(b"x"))
    assert [each.status for each in states_then] == ["available", "busy", "offline"]
    for at_ms, expected in (
        (BASE_MS, "available"),
        (clock + 2_000 - AHEAD_MS, "busy"),
        (clock + 100 * HOUR_MS, "busy"),
        (BASE_MS + 8_760 * HOUR_MS, "offline"),
    ):
        found = stretch_at(states_then, at_ms)
        assert found is not None
        assert found.status == expected
    assert stretch_at(states_then, BASE_MS - HOUR_MS) is None


def test_what_is_to_come_is_no_sign_of_life() -> None:
    """The same state told again with a wrong date: the agent was last heard of when it was, and since when stays."""
    agents = AgentFold()
    agents.fold(read([status("a", 0, "busy"), status("b", 100 * HOUR_MS, "busy")]), BASE_MS)
    found = now(agents, BASE_MS)["x"]
    assert found is not None
    assert (found.since, found.last_event_at) == (BASE_MS, BASE_MS)
    agents.fold(read([status("c", 1_000, "busy")]), BASE_MS)  # a clock that is a second fast
    found = now(agents, BASE_MS)["x"]
    assert found is not None
    assert (found.since, found.last_event_at) == (BASE_MS, BASE_MS + 1_000)


def test_an_agent_takes_little_room() -> None:
    """A day's events are kept, no more, and not without end where a source repeats itself every second."""
    days = [status(f"e{hour}", hour * HOUR_MS, "busy" if hour % 2 else "away") for hour in range(100)]
    kept = decode(folded(days).record(b"x"))
    assert len(kept.events) == HORIZON_MS // HOUR_MS
    flood = [status(f"e{second}", second * 1_000, "busy" if second % 2 else "away") for second in range(9_000)]
    agents = folded(flood, cuts=set(range(500, 9_000, 500)))
    assert len(agents.record(b"x")) < KEPT_BYTES
    assert now(agents)["x"] == now(folded(flood[-10:]))["x"]
    ahead = folded([status("a", 0), *(dict(each, event_id=f"f{n}") for n, each in enumerate(flood[1:]))], clock=BASE_MS)
    assert len(ahead.record(b"x")) < KEPT_BYTES
    assert now(ahead, BASE_MS - AHEAD_MS)["x"] == now(folded([status("a", 0)]))["x"]
    assert 1_000 < len(decode(agents.record(b"x")).events) < 9_000


def test_who_left_is_forgotten_and_who_comes_back_begins_again() -> None:
    """A month and a day after the last event, by the partition's clock, in memory and in the journal."""
    agents, later = AgentFold(), BASE_MS + AGENT_HORIZON_MS
    agents.fold(read([status("a", 0), status("b", 0, agent_id="y")]), BASE_MS)
    written = agents.fold(read([status("c", AGENT_HORIZON_MS, agent_id="y")]), later)
    assert agents.is_eviction_due(later)
    assert agents.evict(later) == []
    assert not agents.is_eviction_due(later + 24 * HOUR_MS - 1)
    assert agents.is_eviction_due(later + 24 * HOUR_MS)
    written += agents.evict(later + 24 * HOUR_MS)
    assert (len(agents), written[-1]) == (1, (AGENT + b"x", None))
    again = AgentFold()
    for key, value in written:
        again.load(key.removeprefix(AGENT), value)
    assert len(again) == 1
    agents.fold(read([status("d", AGENT_HORIZON_MS + 24 * HOUR_MS)]), later + 24 * HOUR_MS)
    assert len(agents) == 2


def test_one_event_dated_ahead_forgets_nobody() -> None:
    """The partition's clock decides, which no event alone can move."""
    agents, clock = AgentFold(), BASE_MS + 48 * HOUR_MS
    agents.fold(read([status("a", 0), status("b", 9_600 * HOUR_MS, agent_id="y")]), BASE_MS)
    agents.fold(read([status("c", 48 * HOUR_MS)]), clock)
    assert agents.evict(clock) == []
    assert len(agents) == 2
