"""Agents' states by a batch fold, from the contract alone: deduplicated, ordered, and looked through one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from tests.oracle.contacts import Event, _text, as_json, milliseconds

EVERY_EVENT: Final = ("event_id", "type", "agent_id", "seq", "occurred_at", "source", "attributes")
OWN_FIELDS: Final = {"agent.status": ("status", "reason", "groups", "capacity")}


class State(NamedTuple):
    """An agent in one state. Times in UTC milliseconds; `to` is None where it lasts."""

    agent_id: str
    since: int
    to: int | None
    status: str
    reason: str
    groups: list[str]
    capacity: dict[str, int]


def normalised(raw: Mapping[str, Any]) -> Event:
    """Return the contract's fields of an agent's event; `at` stands for `occurred_at`."""
    trimmed = _text(dict(raw))
    fields = {name: trimmed.get(name) for name in (*EVERY_EVENT, *OWN_FIELDS.get(trimmed["type"], ()))}
    fields["seq"] = fields["seq"] or 0
    fields["at"] = milliseconds(fields.pop("occurred_at"))
    return fields


def in_order(events: Iterable[Mapping[str, Any]]) -> dict[str, list[Event]]:
    """Deduplicate and order the `agent.status` events of each agent."""
    kept: dict[tuple[str, str], Event] = {}
    for raw in events:
        event = normalised(raw)
        key = event["agent_id"], event["event_id"]
        kept[key] = min(kept.get(key, event), event, key=as_json)
    found: dict[str, list[Event]] = {}
    for event in sorted(kept.values(), key=lambda event: (event["at"], event["seq"], event["event_id"])):
        if event["type"] == "agent.status":
            found.setdefault(event["agent_id"], []).append(event)
    return found


def states(events: Iterable[Mapping[str, Any]]) -> list[State]:
    """Give every state of every agent, by agent and in order; telling the same again changes nothing."""
    found: list[State] = []
    for agent_id, told in in_order(events).items():
        changes: list[tuple[int, tuple[Any, ...]]] = []
        for position, event in enumerate(told):
            state = (
                event["status"],
                event["reason"] or "",
                _last_named(told[: position + 1], "groups") or [],
                _last_named(told[: position + 1], "capacity") or {},
            )
            if not changes or changes[-1][1] != state:
                changes.append((event["at"], state))
        ends = [*(at for at, _ in changes[1:]), None]
        found += [State(agent_id, at, to, *state) for (at, state), to in zip(changes, ends, strict=True)]
    return sorted(found, key=lambda state: state.agent_id)


def _last_named(told: list[Event], field: str) -> Any:  # noqa: ANN401 - whatever the field holds
    return next((event[field] for event in reversed(told) if event[field] is not None), None)
