"""Who is there now: agents by status, and the slots in use, for each of their groups and for the whole centre.

What a supervisor takes from it, and so what is counted:

- An agent counts in each group that its source names, in `""` where it names none, and once in the centre. One that was
  not heard of for 24 hours is not counted at all.
- *Capacity* is the slots of those at work: available, busy or in wrap-up, or away with a contact still in hand.
- *Used* is their open handle segments. Contacts that only wait for their wrap-up are not in hand any more.
- *Free* is what could be taken now: the slots, less those in use, of who is available, or busy with contacts that are
  seen. Nobody in wrap-up, away, or busy with what no contact shows has a free slot. Channels are told one by one: a
  source whose agents can take a chat or a call, but not both, names the capacity that is left with each change.
- What the source does not tell is not made up: someone who has a contact in hand in a channel without a capacity for it
  is counted as `unknown` there, someone at work without any capacity as `untold`, and where nobody has a known number
  of slots, capacity and free are None.

Kept by what changes: an agent whose state or contacts changed is taken out and put in again, so that ten thousand
agents cost no more a second than the few who did something.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.agents import AHEAD_MS, HORIZON_MS, STATUSES, Stretch, in_force

#: A source topic and a partition of it.
Lane = tuple[str, int]

#: The whole centre, where a group's name would stand.
CENTRE: Final = None

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_AT_WORK: Final = frozenset({"available", "busy", "wrap_up"})


class Slots(NamedTuple):
    """A channel's slots in a group. None: nobody's number of slots is known."""

    channel: str
    capacity: int | None
    used: int
    free: int | None
    #: Agents with a contact in hand, of whose slots here nothing is known.
    unknown: int


class AgentsReading(NamedTuple):
    """A group's agents now."""

    #: Agents by status, in the order of `STATUSES`, zeros too.
    by_status: dict[str, int]
    slots: tuple[Slots, ...]
    #: Agents at work without any capacity told.
    untold: int


class _Channel:
    def __init__(self) -> None:
        self.capacity = self.used = self.free = self.known = self.unknown = 0


class _Group:
    """One group's sums."""

    def __init__(self) -> None:
        self.agents = 0
        self.by_status = dict.fromkeys(STATUSES, 0)
        self.channels: dict[str, _Channel] = {}
        self.untold = 0

    def add(self, state: Stretch, in_hand: Mapping[str, int], sign: int) -> None:
        """Count one agent, or with -1 take the agent out again."""
        self.agents += sign
        self.by_status[state.status] += sign
        if not (state.status in _AT_WORK or (state.status == "away" and in_hand)):
            return
        self.untold += 0 if state.capacity else sign
        takes = state.status == "available" or (state.status == "busy" and bool(in_hand))
        for name in state.capacity.keys() | in_hand.keys():
            channel = self.channels.setdefault(name, _Channel())
            used, slots = in_hand.get(name, 0), state.capacity.get(name)
            channel.used += sign * used
            if slots is None:
                channel.unknown += sign
            else:
                channel.known += sign
                channel.capacity += sign * slots
                channel.free += sign * max(0, slots - used) if takes else 0
            if not channel.known and not channel.unknown:
                del self.channels[name]

    def reading(self) -> AgentsReading:
        slots = (
            Slots(name, of.capacity if of.known else None, of.used, of.free if of.known else None, of.unknown)
            for name, of in sorted(self.channels.items())
        )
        return AgentsReading(dict(self.by_status), tuple(slots), self.untold)


class LiveAgents:
    """Agents and the contacts in their hands, by source partition."""

    def __init__(self) -> None:
        #: Each agent's stretches, by the source partition that told them.
        self._told: dict[str, dict[Lane, list[Stretch]]] = {}
        #: Channel and agents of each contact that is in hand.
        self._contacts: dict[Lane, dict[bytes, tuple[str, list[str]]]] = {}
        self._in_hand: dict[str, dict[str, int]] = {}
        #: What each agent is counted as, and who has to be counted again.
        self._counted: dict[str, tuple[Stretch, Mapping[str, int]]] = {}
        self._changed: set[str] = set()
        self._groups: dict[str | None, _Group] = {}
        self._readings: dict[str | None, AgentsReading] = {}
        self._now = 0
        #: When to look at an agent again though no event comes: its earliest entry in the heap, others are void.
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def put(self, lane: Lane, agent_id: str, stretches: list[Stretch] | None) -> None:
        """Take an agent's states in; None: the worker has forgotten the agent."""
        if stretches is None:
            self._told.get(agent_id, {}).pop(lane, None)
        else:
            self._told.setdefault(agent_id, {})[lane] = stretches
        self._changed.add(agent_id)

    def put_contact(self, lane: Lane, contact_id: bytes, channel: str, agents: list[str]) -> None:
        """Note who has a contact in hand, nobody for none."""
        contacts = self._contacts.setdefault(lane, {})
        before = contacts.pop(contact_id, None)
        if before is not None:
            self._count(*before, -1)
        if agents:
            contacts[contact_id] = channel, agents
            self._count(channel, agents, 1)

    def clear(self, lane: Lane) -> None:
        """Forget the agents of a source partition: it was recreated."""
        for agent_id, lanes in self._told.items():
            if lanes.pop(lane, None) is not None:
                self._changed.add(agent_id)
        for channel, agents in self._contacts.pop(lane, {}).values():
            self._count(channel, agents, -1)

    def move(self, now_ms: int) -> bool:
        """Go on to `now_ms`, never back; tells whether somebody's state changed with it."""
        self._now = max(self._now, now_ms)
        moved = False
        while self._heap and self._heap[0][0] <= self._now:
            due, agent_id = heappop(self._heap)
            if self._due.get(agent_id) == due:
                del self._due[agent_id]
                self._changed.add(agent_id)
                moved = True
        return moved

    def readings(self) -> dict[str | None, AgentsReading]:
        """Read the centre, if there is any agent, and each group."""
        if self._changed:
            for agent_id in self._changed:
                self._recount(agent_id)
            self._changed.clear()
            names = sorted(self._groups, key=lambda name: (name is not None, name))
            self._readings = {name: self._groups[name].reading() for name in names}
        return self._readings

    def _count(self, channel: str, agents: Iterable[str], by: int) -> None:
        for agent in agents:
            held = self._in_hand.setdefault(agent, {})
            held[channel] = held.get(channel, 0) + by
            if not held[channel]:
                del held[channel]
            if not held:
                del self._in_hand[agent]
            if agent in self._told:
                self._changed.add(agent)

    def _recount(self, agent_id: str) -> None:
        before = self._counted.pop(agent_id, None)
        if before is not None:
            self._add(*before, -1)
        lanes = self._told.get(agent_id, {})
        if not lanes:
            self._told.pop(agent_id, None)
        states = [state for stretches in lanes.values() if (state := self._state(agent_id, stretches)) is not None]
        if states:
            counted = max(states, key=lambda state: state.told), dict(self._in_hand.get(agent_id, _NOTHING))
            self._counted[agent_id] = counted
            self._add(*counted, 1)

    def _add(self, state: Stretch, in_hand: Mapping[str, int], sign: int) -> None:
        for name in (CENTRE, *(dict.fromkeys(state.groups) or ("",))):
            group = self._groups.setdefault(name, _Group())
            group.add(state, in_hand, sign)
            if not group.agents:
                del self._groups[name]

    def _state(self, agent_id: str, stretches: list[Stretch]) -> Stretch | None:
        """Find the state that counts, and see to it that the next one is not missed."""
        coming = next((each.since - AHEAD_MS for each in stretches if each.since > self._now + AHEAD_MS), None)
        if coming is not None:
            self._watch(agent_id, coming)
        state = in_force(stretches, self._now)
        if state is None or state.told + HORIZON_MS <= self._now:
            return None
        self._watch(agent_id, state.told + HORIZON_MS)
        return state

    def _watch(self, agent_id: str, due: int) -> None:
        """Look at an agent again at a time, or before."""
        known = self._due.get(agent_id)
        if known is None or due < known:
            self._due[agent_id] = due
            heappush(self._heap, (due, agent_id))
