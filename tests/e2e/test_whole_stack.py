"""Events through everything: recorded files in, ClickHouse out, and every number equals the batch fold of the file."""

from __future__ import annotations

import itertools
import statistics
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

import orjson
import pytest

from schemas.agents import STATUSES
from streams.sources.simulator import Plan, simulate
from tests.e2e.conversations import conversations_file, expected_first_responses, missing
from tests.fixtures.stack import Stack
from tests.oracle.agents import states
from tests.oracle.batch import batch, tag_counts

EVENTS: Final = 20_000
#: 2026-03-02, a Monday, at 09:00 UTC.
MONDAY_MORNING: Final = 1_772_442_000_000


def status(event_id: str, at: datetime, agent: str, of: str, **fields: object) -> dict[str, Any]:
    """Write an agent's event."""
    own = {"event_id": event_id, "type": "agent.status", "agent_id": f"e2e:{agent}", "source": "e2e", "status": of}
    return {**own, "occurred_at": at.isoformat(), **fields}


@pytest.fixture(scope="module")
def simulated(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Replay 20,000 simulated events at full speed and drain."""
    lines = [each.value for each in itertools.islice(simulate(Plan(MONDAY_MORNING, rate=8.0, seed=3)), EVENTS)]
    file = tmp_path_factory.mktemp("simulated") / "events.ndjson"
    file.write_bytes(b"\n".join(lines) + b"\n")
    stack.pulssi("replay", str(file), "--speed", "max")
    assert stack.pulssi("drain", "--timeout", "120").startswith("drained: nothing is behind")
    return [orjson.loads(line) for line in lines]


def test_every_counter_equals_the_batch(stack: Stack, simulated: list[dict[str, Any]]) -> None:
    """Counts and sums of every sample, by channel and queue, from `panes` and again from `samples`."""
    panes = stack.rows(
        "SELECT sample, channel, queue, sum(n), sum(sum_ms), sum(n_target), sum(n_within), sum(n_short)"
        " FROM panes GROUP BY ALL"
    )
    rows = stack.rows(
        "SELECT sample, channel, queue, count(), sum(ifNull(value_ms, 0)), countIf(target_ms IS NOT NULL),"
        " countIf(within), countIf(short AND target_ms IS NOT NULL) FROM samples GROUP BY ALL"
    )
    expected = batch(simulated)
    assert {tuple(row[:3]): tuple(row[3:]) for row in panes} == expected
    assert {tuple(row[:3]): tuple(row[3:]) for row in rows} == expected


def test_tags_equal_the_batch(stack: Stack, simulated: list[dict[str, Any]]) -> None:
    """Contacts by tag, channel and queue."""
    rows = stack.rows("SELECT tag, channel, queue, sum(n) FROM tag_panes GROUP BY ALL")
    assert {tuple(row[:3]): row[3] for row in rows} == tag_counts(simulated)


def test_every_event_is_in_the_archive_once(stack: Stack, simulated: list[dict[str, Any]]) -> None:
    """The archive holds each event of the file, and nothing else."""
    rows = stack.rows("SELECT type, count() FROM events GROUP BY type")
    kinds = [event["type"] for event in simulated]
    assert {row[0]: row[1] for row in rows} == {kind: kinds.count(kind) for kind in set(kinds)}


def test_the_same_file_again_changes_nothing(stack: Stack, simulated: list[dict[str, Any]], tmp_path: Path) -> None:
    """A redelivery of half the file, shuffled, leaves every counter as it was."""
    file = tmp_path / "again.ndjson"
    file.write_bytes(b"\n".join(orjson.dumps(event) for event in simulated[: EVENTS // 2]) + b"\n")
    stack.pulssi("replay", str(file), "--shuffle", "5")
    stack.pulssi("drain", "--timeout", "120")
    panes = stack.rows("SELECT sample, channel, queue, sum(n), sum(sum_ms) FROM panes GROUP BY ALL")
    expected = {key: counted[:2] for key, counted in batch(simulated).items()}
    assert {tuple(row[:3]): tuple(row[3:]) for row in panes} == expected


def test_agents_states_equal_the_batch(stack: Stack, simulated: list[dict[str, Any]]) -> None:
    """Every stretch of every agent, with groups and capacity, also after half of it came twice."""
    rows = stack.rows(
        "SELECT agent_id, toUnixTimestamp64Milli(`from`), toUnixTimestamp64Milli(`to`), status, reason, groups,"
        " capacity FROM agent_states"
    )
    expected = states(event for event in simulated if event["type"] == "agent.status")
    assert sorted(map(repr, rows)) == sorted(repr(tuple(state)) for state in expected)
    assert len(expected) > 1_000


def test_who_is_there_now_is_on_the_wallboard(stack: Stack, tmp_path: Path) -> None:
    """Agents who tell their states now, late and twice, and what they have in hand: page and views tell the same."""
    now = datetime.now(UTC)
    events = [
        status("2", now, "x", "busy"),
        status("1", now - timedelta(minutes=5), "x", "available", groups=["e2e"], capacity={"chat": 3}),
        status("2", now, "x", "busy"),
        status("1", now, "y", "away", groups=["e2e"], reason="lunch"),
        status("1", now, "x", "") | {"type": "contact.connected", "contact_id": "e2e:agents:1", "channel": "chat"},
    ]
    file = tmp_path / "agents.ndjson"
    file.write_bytes(b"\n".join(map(orjson.dumps, events)) + b"\n")
    stack.pulssi("replay", str(file), "--speed", "max")
    stack.pulssi("drain", "--timeout", "120")
    groups = stack.rows("SELECT available, busy, wrap_up, away, offline FROM agent_groups WHERE agent_group = 'e2e'")
    assert [tuple(row) for row in groups] == [(0, 1, 0, 1, 0)]
    slots = stack.rows("SELECT channel, capacity, used, free, unknown FROM agent_slots WHERE agent_group = 'e2e'")
    assert [tuple(row) for row in slots] == [("chat", 3, 1, 2, 0)]
    told = [dict(zip(("channel", "capacity", "used", "free", "unknown"), row, strict=True)) for row in slots]
    own = {"group": "e2e", "by_status": dict(zip(STATUSES, groups[0], strict=True)), "untold": 0, "slots": told}
    with urlopen(f"{stack.urls['wallboard']}api/stream?window=15m", timeout=10) as answer:  # noqa: S310 - our own
        seen = (orjson.loads(line[6:]) for line in itertools.islice(answer, 200) if line.startswith(b"data: "))
        assert any(own in said.get("agents", []) for said in seen)


@pytest.mark.skipif(conversations_file() is None, reason=missing())
def test_real_conversations_to_the_millisecond(stack: Stack, simulated: list[dict[str, Any]]) -> None:
    """Each real conversation's first response is in ClickHouse as it follows from the file."""
    del simulated  # they come first: these are told apart by their ids
    path = conversations_file()
    assert path is not None
    stack.pulssi("replay", "--format", "conversations", str(path))
    stack.pulssi("drain", "--timeout", "120")
    found: dict[str, int] = dict(
        tuple(row)
        for row in stack.rows(
            "SELECT contact_id, value_ms FROM samples"
            " WHERE sample = 'first_response' AND startsWith(contact_id, 'conversations:')"
        )
    )
    assert found == expected_first_responses(path)
    assert len(found) == 525
    assert round(statistics.median(found.values()) / 1000, 1) == 6128.8
