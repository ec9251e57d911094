"""Agents' states in ClickHouse, held against a batch fold that was written independently; and who is there now."""

import random
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from schemas.agents import STATUSES, decode_stretches
from schemas.settings import Settings
from schemas.topics import AGENTS
from sinks.event_rows import event_rows
from sinks.store_protocol import Batch
from streams.core.agent_fold import AgentFold
from streams.live.live_agents import LiveAgents
from tests.core.agents import BASE_MS, HOUR_MS, at, read, status, statuses
from tests.depth import examples
from tests.oracle.agents import State, groups_at, states
from tests.oracle.contacts import milliseconds
from tests.sinks.rows import contact, write
from tests.streams.records import Record

ASK = (
    "SELECT agent_id, toUnixTimestamp64Milli(`from`), toUnixTimestamp64Milli(`to`), status, reason, groups, capacity"
    " FROM agent_states {} ORDER BY agent_id, `from`, `to` IS NULL, `to`"
)


def archived(events: Iterable[Mapping[str, Any]]) -> Batch:
    """Make the archive's rows of events, as they arrive."""
    records: Any = [
        Record(offset, event["agent_id"].encode(), orjson.dumps(event), AGENTS) for offset, event in enumerate(events)
    ]
    return Batch(events=event_rows(records, epoch=1))


def kept(client: Client, condition: str = "") -> list[State]:
    """Read the view."""
    return [State._make(row) for row in client.query(ASK.format(condition)).result_rows]


def moved(written: str, to_ms: int) -> str:
    """Move a time of the drawn events, which lie about `BASE_MS`, to lie as far from `to_ms`."""
    at_ms = milliseconds(written) - BASE_MS + to_ms
    return at(at_ms - BASE_MS)


@given(
    events=st.lists(
        statuses(st.one_of(st.integers(0, 4), st.integers(0, 100).map(lambda hours: hours * HOUR_MS))),
        min_size=1,
        max_size=16,
    ),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_states_are_those_of_a_batch_fold(
    shared_database: Settings, asking: Client, events: list[dict[str, Any]], order: random.Random
) -> None:
    """Late, reordered, repeated, conflicting, of one millisecond, with groups and capacity that come and go."""
    asking.command("TRUNCATE TABLE events_rows SYNC")
    arriving = [*events, *order.sample(events, len(events) // 2)]
    order.shuffle(arriving)
    half = len(arriving) // 2
    write(shared_database, archived(arriving[:half]))
    write(shared_database, archived(arriving[half:]))
    expected = states(events)
    found = kept(asking)
    # Stretches of no length at one millisecond have no order of their own in this question.
    assert sorted(map(repr, found)) == sorted(map(repr, expected))
    for agent in ("x", "y"):
        own = kept(asking, f"WHERE agent_id = '{agent}'")
        assert sorted(map(repr, own)) == sorted(repr(state) for state in expected if state.agent_id == agent)
    since = min(state.since for state in expected) if expected else 0
    later = kept(asking, f"WHERE `from` > fromUnixTimestamp64Milli({since}) AND status = 'busy'")
    assert sorted(map(repr, later)) == sorted(repr(s) for s in expected if s.since > since and s.status == "busy")


def test_a_day_of_an_agent(database: Settings, client: Client) -> None:
    """Each state lasts until the next; one told again goes on; an unknown type of event says nothing."""
    told = [
        status("d", 3 * HOUR_MS, "busy"),
        status("a", 0, groups=["care"], capacity={"chat": 3}),
        status("b", HOUR_MS, groups=["care"]),
        {**status("c", 2 * HOUR_MS), "type": "agent.moved", "groups": ["nights"]},
        status("e", 4 * HOUR_MS, "busy", groups=[]),
    ]
    write(database, archived(told))
    hours = "toHour(`from` - INTERVAL 7 HOUR - INTERVAL 20 MINUTE)"
    rows = client.query(
        f"SELECT {hours}, dateDiff('hour', `from`, `to`), dateDiff('hour', `from`, told_at), status, groups, capacity"  # noqa: S608 - our own
        " FROM agent_states ORDER BY `from`"
    ).result_rows
    assert rows == [
        (0, 3, 1, "available", ["care"], {"chat": 3}),
        (3, 1, 0, "busy", ["care"], {"chat": 3}),
        (4, None, 0, "busy", [], {"chat": 3}),
    ]


@given(
    events=st.lists(
        statuses(st.one_of(st.integers(0, 4), st.integers(-40, 40).map(lambda hours: hours * HOUR_MS))),
        min_size=1,
        max_size=12,
    ),
    hands=st.lists(
        st.tuples(st.sampled_from(["chat", "call"]), st.lists(st.sampled_from("xyz"), max_size=2, unique=True)),
        max_size=6,
    ),
)
@example(  # told again with a date to come: no sign of life
    events=[status("a", -24 * HOUR_MS, "busy", agent_id="y"), status("b", HOUR_MS, "busy", agent_id="y")], hands=[]
)
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_now_is_the_same_on_the_wallboard(
    shared_database: Settings, asking: Client, events: list[dict[str, Any]], hands: list[tuple[str, list[str]]]
) -> None:
    """Groups and slots in ClickHouse, in the live view that the worker's own fold feeds, and by the batch: the same."""
    for table in ("events_rows", "contacts_rows"):
        asking.command(f"TRUNCATE TABLE {table} SYNC")
    now = int(asking.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0])
    events = [{**event, "occurred_at": moved(event["occurred_at"], now - 30_000)} for event in events]
    batch = archived(events)
    batch.contacts = [
        contact(1, contact_id=f"c{number}", channel=channel, handling=len(by), handling_agents=by)
        for number, (channel, by) in enumerate(hands)
    ]
    write(shared_database, batch)
    live = LiveAgents()
    for key, record in AgentFold().fold(read(events), now):
        live.update((AGENTS, 0), key[1:].decode(), decode_stretches(record or b""))
    for row in batch.contacts:
        live.update_contact(("contacts.x", 0), row.contact_id.encode(), row.channel, row.handling_agents)
    live.advance(now)
    expected = {group: reading for group, reading in live.readings().items() if group is not None}
    by_the_batch = groups_at(events, hands, now)
    assert {group: (reading.by_status, set(reading.slots)) for group, reading in expected.items()} == {
        group: (of.by_status, {(channel, *slots) for channel, slots in of.slots.items()})
        for group, of in by_the_batch.items()
    }
    groups = asking.query(f"SELECT agent_group, {', '.join(STATUSES)} FROM agent_groups").result_rows  # noqa: S608 - our own
    assert {group: list(counts) for group, *counts in groups} == {
        group: list(reading.by_status.values()) for group, reading in expected.items()
    }
    slots = asking.query("SELECT agent_group, channel, capacity, used, free, unknown FROM agent_slots").result_rows
    assert set(slots) == {(group, *slots) for group, reading in expected.items() for slots in reading.slots}
