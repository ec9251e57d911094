"""Agents' states by a batch fold, from the contract alone: deduplicated, ordered, and looked through one by one."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from tests.oracle.contacts import Event, as_json, milliseconds, trimmed

EVERY_EVENT: Final = ("event_id", "type", "agent_id", "seq", "occurred_at", "source", "attributes")
OWN_FIELDS: Final = {"agent.status": ("status", "reason", "groups", "capacity")}


#: A clock that is so much fast is believed; who was not heard of for so long is not there.
AHEAD_MS: Final = 5 * 60_000
HEARD_WITHIN_MS: Final = 24 * 3_600_000
AT_WORK: Final = ("available", "busy", "wrap_up")


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
    present = trimmed(dict(raw))
    given: Any = {name: value for name, value in present.items() if value != ""}  # empty stands for absent
    fields = {name: given.get(name) for name in (*EVERY_EVENT, *OWN_FIELDS.get(given["type"], ()))}
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


class Slots(NamedTuple):
    """A group's slots in a channel; None where no source tells any. `unknown`: agents with contacts and no capacity."""

    capacity: int | None
    used: int
    free: int | None
    unknown: int


class Group(NamedTuple):
    """Who is there: agents by status, slots by channel."""

    by_status: dict[str, int]
    slots: dict[str, Slots]


class _There(NamedTuple):
    status: str
    groups: list[str]
    capacity: dict[str, int]
    in_hand: dict[str, int]


def groups_at(
    events: Iterable[Mapping[str, Any]], hands: Iterable[tuple[str, Iterable[str]]], now_ms: int
) -> dict[str, Group]:
    """Tell each group at a moment; `hands` gives each contact's channel and the agents who have it in hand."""
    held = [(channel, list(agents)) for channel, agents in hands]
    found: dict[str, list[_There]] = {}
    for agent_id, told in in_order(events).items():
        heard = [event for event in told if event["at"] <= now_ms + AHEAD_MS]
        if not heard or heard[-1]["at"] <= now_ms - HEARD_WITHIN_MS:
            continue
        in_hand: dict[str, int] = {}
        for channel, agents in held:
            if agent_id in agents:
                in_hand[channel] = in_hand.get(channel, 0) + 1
        groups, capacity = _last_named(heard, "groups") or [], _last_named(heard, "capacity") or {}
        one = _There(heard[-1]["status"], groups, capacity, in_hand)
        for group in set(groups) or {""}:
            found.setdefault(group, []).append(one)
    return {group: Group(_by_status(those), _slots(those)) for group, those in found.items()}


def _by_status(those: list[_There]) -> dict[str, int]:
    return {status: sum(one.status == status for one in those) for status in (*AT_WORK, "away", "offline")}


def _slots(those: list[_There]) -> dict[str, Slots]:
    at_work = [one for one in those if one.status in AT_WORK or (one.status == "away" and one.in_hand)]
    found = {}
    for channel in {channel for one in at_work for channel in (*one.capacity, *one.in_hand)}:
        here = [one for one in at_work if channel in one.capacity or channel in one.in_hand]
        known = [one for one in here if channel in one.capacity]
        takes = [one for one in known if one.status == "available" or (one.status == "busy" and one.in_hand)]
        found[channel] = Slots(
            sum(one.capacity[channel] for one in known) if known else None,
            sum(one.in_hand.get(channel, 0) for one in here),
            sum(max(one.capacity[channel] - one.in_hand.get(channel, 0), 0) for one in takes) if known else None,
            len(here) - len(known),
        )
    return found
