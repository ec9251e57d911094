"""Agents' events for tests: drawn at random, and read as the worker reads them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
from hypothesis import strategies as st

from schemas.agents import STATUSES
from schemas.topics import AGENTS
from streams.core.event import Event, event_of
from streams.decoding.decoder import decode

BASE_MS: Final = 1_773_559_200_000
HOUR_MS: Final = 3_600_000

_GROUPS: Final = st.lists(st.sampled_from(["sales", "care", "nights"]), max_size=2)
_CAPACITY: Final = st.dictionaries(st.sampled_from(["call", "chat", "email"]), st.integers(0, 3), max_size=2)


def at(offset_ms: int) -> str:
    """Write a time as a source does."""
    return (datetime.fromtimestamp(BASE_MS / 1000, UTC) + timedelta(milliseconds=offset_ms)).isoformat(
        "T", "milliseconds"
    )


def status(event_id: str, offset_ms: int, of: str = "available", **fields: object) -> dict[str, Any]:
    """Write one event of the agent `x`, unless told of another."""
    own = {"event_id": event_id, "type": "agent.status", "agent_id": "x", "source": "s", "status": of}
    return {**own, "occurred_at": at(offset_ms), **fields}


def statuses(
    times: st.SearchStrategy[int], ids: st.SearchStrategy[str] | None = None
) -> st.SearchStrategy[dict[str, Any]]:
    """Draw events of two agents: many of one time, and several under one id."""
    optional = {
        "seq": st.integers(0, 2),
        "groups": _GROUPS,
        "capacity": _CAPACITY,
        "reason": st.sampled_from(["lunch", ""]),
    }
    known = st.fixed_dictionaries(
        {"type": st.just("agent.status"), "status": st.sampled_from(STATUSES)}, optional=optional
    )
    unknown = st.fixed_dictionaries(
        {"type": st.just("agent.moved")}, optional={"groups": _GROUPS, "status": st.just("?")}
    )
    common = st.fixed_dictionaries(
        {
            "event_id": ids if ids is not None else st.sampled_from("abcdefgh"),
            "agent_id": st.sampled_from(["x", "y"]),
            "source": st.sampled_from(["s", "r"]),
            "occurred_at": times.map(at),
        }
    )
    return st.builds(lambda one, other: {**one, **other}, common, st.one_of(known, known, known, unknown))


def read(events: Iterable[Mapping[str, Any]]) -> dict[bytes, list[Event]]:
    """Decode events as the worker does, by agent."""
    found: dict[bytes, list[Event]] = {}
    for event in events:
        key = event["agent_id"].encode()
        found.setdefault(key, []).append(event_of(decode(AGENTS, key, orjson.dumps(event))))
    return found
