"""A partition of agents' states: however it is cut into batches, and opened again anywhere, its states are the same."""

from typing import Any, Final

import orjson
from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import decode_stretches, stretch_at
from schemas.journal import AGENT, HEAD_KEY, SET_ASIDE
from schemas.topics import AGENTS
from tests.core.agents import BASE_MS, status, statuses
from tests.oracle.agents import states
from tests.streams.records import RECEIVED, Record, opened, reopened

BAD: Final = b"{"


def records(events: list[dict[str, Any]]) -> list[Record]:
    """Make source records, a bad one before all others."""
    made = [(b"x", BAD), *((event["agent_id"].encode(), orjson.dumps(event)) for event in events)]
    return [Record(offset, key, value) for offset, (key, value) in enumerate(made)]


@given(events=st.lists(statuses(st.integers(0, 5)), min_size=1, max_size=20), cut=st.integers(1, 21))
def test_a_journal_of_agents_goes_on_anywhere(events: list[dict[str, Any]], cut: int) -> None:
    """Read back after any record, and folded on with what comes then, it tells the states that a batch gives."""
    arriving = records(events)
    first = opened(AGENTS)
    second = reopened(first.steps(arriving[:cut], limit=2_000), AGENTS)
    list(second.steps(arriving[cut:], limit=2_000))
    lasting = {state.agent_id: state for state in states(events) if state.to is None}
    for agent in ("x", "y"):
        record = second.agents.record(agent.encode())
        found = stretch_at(decode_stretches(record), RECEIVED) if record else None
        assert (agent in lasting) == (found is not None)
        if found is not None:
            expected = lasting[agent]
            assert (found.since, *found[2:]) == (expected.since, *expected[3:])
    assert second.head.next == len(arriving)


def test_a_step_writes_the_agents_it_changed() -> None:
    """One record an agent, then what was set aside and the head; a redelivery writes the head alone."""
    partition = opened(AGENTS)
    (output,) = partition.steps(records([status("a", 0), status("b", 1_000, "busy"), status("a", 0, agent_id="y")]))
    assert [key for key, _ in output.records] == [AGENT + b"x", AGENT + b"y", SET_ASIDE + b"[1,1]", HEAD_KEY]
    assert [letter.code for letter in output.dead] == ["not_json"]
    assert output.head.clock == BASE_MS + 1_000
    (again,) = partition.steps([Record(9, b"x", orjson.dumps(status("a", 0)))])
    assert [key for key, _ in again.records] == [HEAD_KEY]
    list(partition.steps([Record(10, b"x", orjson.dumps(status("a", 0, "away")))]))
    assert partition.conflicts == 1
