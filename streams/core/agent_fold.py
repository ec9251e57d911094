"""Folds each agent's events, in any order and however often they come, into stretches of one state each. Pure.

Events are deduplicated by agent and `event_id` and ordered as contacts' are. Kept are an agent's events of the last 24
hours before its newest, at most `KEPT_BYTES` of them, and what older ones said of groups and capacity; one that comes
later than that changes nothing here (the archive has it). What is kept depends on the events alone, not on their
order, unless one is dated ahead of its arrival.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Final, NamedTuple

import orjson

from schemas.agents import AHEAD_MS, HORIZON_MS, AgentStretch, decode_kept, encode_agent
from schemas.journal import AGENT
from streams.core.event import Event, merge

#: Events of one agent, as JSON: a source that repeats itself every few seconds must not outgrow a record.
KEPT_BYTES: Final = 256 * 1024

#: Agents without an event for so long are forgotten; ClickHouse's views look as far back.
AGENT_HORIZON_MS: Final = 31 * 24 * 3_600_000

_STATUS: Final = "agent.status"
_AT: Final = attrgetter("at")
_LONGEST_ID: Final = 128
#: Before and after any time that an event can have.
_BEFORE_ALL: Final = -(1 << 53)
_AFTER_ALL: Final = 1 << 53

#: Status, reason, groups and capacity.
_State = tuple[str, str, list[str], dict[str, int]]


class KeptEvents(NamedTuple):
    """An agent's events, as far as they are kept."""

    #: Events up to here only say which groups and what capacity were in force.
    horizon: int
    #: In order; two at most from before the horizon.
    events: list[Event]


NOTHING: Final = KeptEvents(_BEFORE_ALL, [])


def encode(kept: KeptEvents, clock: int) -> bytes:
    """Write an agent's record, as seen when the partition's clock stands at `clock`."""
    events = orjson.dumps({"horizon": kept.horizon, "events": [tuple(event) for event in kept.events]})
    found = fold_stretches(kept, clock + AHEAD_MS)
    current = sum(stretch.since <= clock for stretch in found) - 1
    return encode_agent(found[max(0, current) :], events)


def decode(value: bytes) -> KeptEvents:
    """Read what is kept of an agent from its record."""
    fields = orjson.loads(decode_kept(value))
    return KeptEvents(fields["horizon"], [Event._make(event) for event in fields["events"]])


def fold_stretches(kept: KeptEvents, known_to: int = _AFTER_ALL) -> list[AgentStretch]:
    """Fold an agent's events, from the horizon on.

    What is dated after `known_to` begins a stretch of its own, also where it tells the same: an agent was not heard of
    at a time that is still to come.
    """
    found: list[AgentStretch] = []
    groups: list[str] = []
    capacity: dict[str, int] = {}
    since = last_event_at = 0
    state: _State | None = None
    for event in kept.events:
        if event.type != _STATUS:
            continue
        fields = event.fields
        groups = fields.get("groups", groups)
        capacity = fields.get("capacity", capacity)
        if event.at <= kept.horizon:
            continue
        next_state = fields["status"], fields.get("reason", ""), groups, capacity
        if next_state != state or last_event_at <= known_to < event.at:
            if state is not None:
                found.append(AgentStretch(since, last_event_at, *state))
            since, state = event.at, next_state
        last_event_at = event.at
    if state is not None:
        found.append(AgentStretch(since, last_event_at, *state))
    return found


def trim(events: list[Event], horizon: int, clock: int) -> KeptEvents:
    """Keep of an agent's events, in order, those after the horizon, which only ever moves on.

    It follows the newest state that is not after `clock`: one dated next year must not push out those of today.
    """
    newest = next((e.at for e in reversed(events) if e.type == _STATUS and e.at <= clock), None)
    if newest is not None:
        horizon = max(horizon, newest - HORIZON_MS)
    due_to = bisect_right(events, clock, key=_AT)
    due, ahead = events[:due_to], events[due_to:]
    if len(orjson.dumps([event.fields for event in events])) + _LONGEST_ID * len(events) > KEPT_BYTES:
        ahead = ahead[: _fitting(ahead)]
        room = _fitting(reversed(due))
        if room < len(due):
            last_dropped = due[-room - 1].at
            horizon = max(horizon, last_dropped if newest is None else min(last_dropped, newest - 1))
    recent = bisect_right(due, horizon, key=_AT)
    return KeptEvents(horizon, [*_last_naming(due[:recent]), *due[recent:], *ahead])


def _fitting(events: Iterable[Event]) -> int:
    """Count how many of these, from the first on, have room."""
    sizes = itertools.accumulate(len(orjson.dumps(event.fields)) + len(event.event_id) for event in events)
    return sum(1 for _ in itertools.takewhile(lambda size: size <= KEPT_BYTES, sizes))


def _last_naming(events: list[Event]) -> list[Event]:
    """Find the last ones that named groups and capacity."""
    told = (event for event in events if event.type == _STATUS)
    named = {name: event for event in told for name in ("groups", "capacity") if name in event.fields}
    # In order, and once where one event named both.
    return [event for event in events if any(event is last for last in named.values())]


class AgentFold:
    """The agents of one source partition; those without an event for `AGENT_HORIZON_MS` of its clock are evicted."""

    def __init__(self) -> None:
        self._records: dict[bytes, bytes] = {}
        #: The time of each agent's newest event that was not ahead of the clock.
        self._newest: dict[bytes, int] = {}
        self._last_eviction = 0
        #: Events that came twice under one id with different contents.
        self.conflicts = 0

    def __len__(self) -> int:
        return len(self._records)

    def record(self, agent_id: bytes) -> bytes:
        """Give an agent's record; empty where the agent is not known."""
        return self._records.get(agent_id, b"")

    def load(self, agent_id: bytes, value: bytes | None) -> None:
        """Load an agent's record from the journal."""
        if value is None:
            self._forget(agent_id)
        else:
            self._records[agent_id] = value
            self._newest[agent_id] = _newest(decode(value), _AFTER_ALL)

    def _forget(self, agent_id: bytes) -> None:
        self._records.pop(agent_id, None)
        self._newest.pop(agent_id, None)

    def fold(self, arrived: Mapping[bytes, Iterable[Event]], clock: int) -> list[tuple[bytes, bytes | None]]:
        """Fold events, by agent; `clock` is the partition's with them. Returns the records that they changed."""
        written: list[tuple[bytes, bytes | None]] = []
        for agent_id, events in arrived.items():
            record = self._records.get(agent_id)
            before = NOTHING if record is None else decode(record)
            merged, conflicts = merge(before.events, events)
            self.conflicts += conflicts
            after = trim(merged, before.horizon, clock)
            if after == before:
                continue
            value = self._records[agent_id] = encode(after, clock)
            self._newest[agent_id] = _newest(after, clock)
            written.append((AGENT + agent_id, value))
        return written

    def is_eviction_due(self, clock: int) -> bool:
        """Tell whether it is time to look for agents to evict: once a day of the partition's clock."""
        return clock >= self._last_eviction + HORIZON_MS

    def evict(self, clock: int) -> list[tuple[bytes, bytes | None]]:
        """Evict agents without an event for long; returns their tombstones for the journal."""
        self._last_eviction = clock
        evicted = [agent_id for agent_id, newest in self._newest.items() if newest < clock - AGENT_HORIZON_MS]
        for agent_id in evicted:
            self._forget(agent_id)
        return [(AGENT + agent_id, None) for agent_id in evicted]


def _newest(kept: KeptEvents, clock: int) -> int:
    """Return the time of an agent's newest event that is not ahead of a clock; the clock where all are ahead."""
    return next((event.at for event in reversed(kept.events) if event.at <= clock), clock)
