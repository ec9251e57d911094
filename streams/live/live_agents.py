"""Who is there now: agents by status, and the slots in use, for each of their groups and for the whole centre.

What is counted:

- An agent counts in each group that its source names, in `""` where it names none, and once in the centre. An agent
  without an event for 24 hours is not counted.
- *Capacity* is the slots of agents at work: available, busy or in wrap-up, or away while they handle a contact.
- *Used* is their open handle segments. Contacts that only wait for their wrap-up are no longer handled.
- *Free* is the unused slots of agents who are available, or busy with contacts that are seen. An agent in wrap-up,
  away, or busy without a contact has no free slot. Channels are counted one by one: a source whose agents can handle a
  chat or a call, but not both, sends the remaining capacity with each change.
- Nothing is assumed that the source does not send: an agent who handles a contact in a channel without a capacity for
  it is counted as `unknown` there, an agent at work without any capacity as `untold`, and where nobody has a known
  number of slots, capacity and free are None.

Updated incrementally: an agent whose state or contacts changed is subtracted and added again, so that ten thousand
agents cost no more a second than the few who changed.
"""

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.agents import AHEAD_MS, HORIZON_MS, STATUSES, AgentStretch, stretch_at
from schemas.topics import SourcePartition

#: The whole centre, in place of a group's name.
CENTRE: Final = None

_NOTHING: Final[Mapping[str, int]] = MappingProxyType({})
_AT_WORK: Final = frozenset({"available", "busy", "wrap_up"})


class Slots(NamedTuple):
    """A channel's slots in a group. None: nobody's number of slots is known."""

    channel: str
    capacity: int | None
    used: int
    free: int | None
    #: Agents who handle a contact in this channel, and whose source sends no capacity for it.
    unknown: int


class AgentsReading(NamedTuple):
    """A group's agents now."""

    #: Agents by status, in the order of `STATUSES`, zeros too.
    by_status: dict[str, int]
    slots: tuple[Slots, ...]
    #: Agents at work whose source sends no capacity.
    untold: int


class _Channel:
    def __init__(self) -> None:
        self.capacity = self.used = self.free = self.known = self.unknown = 0


class _Group:
    def __init__(self) -> None:
        self.agents = 0
        self.by_status = dict.fromkeys(STATUSES, 0)
        self.channels: dict[str, _Channel] = {}
        self.untold = 0

    def add(self, state: AgentStretch, handling: Mapping[str, int], sign: int) -> None:
        """Add one agent, or with -1 subtract the agent."""
        self.agents += sign
        self.by_status[state.status] += sign
        if not (state.status in _AT_WORK or (state.status == "away" and handling)):
            return
        self.untold += 0 if state.capacity else sign
        takes_more = state.status == "available" or (state.status == "busy" and bool(handling))
        for name in state.capacity.keys() | handling.keys():
            channel = self.channels.setdefault(name, _Channel())
            used, slots = handling.get(name, 0), state.capacity.get(name)
            channel.used += sign * used
            if slots is None:
                channel.unknown += sign
            else:
                channel.known += sign
                channel.capacity += sign * slots
                channel.free += sign * max(0, slots - used) if takes_more else 0
            if not channel.known and not channel.unknown:
                del self.channels[name]

    def reading(self) -> AgentsReading:
        slots = (
            Slots(name, of.capacity if of.known else None, of.used, of.free if of.known else None, of.unknown)
            for name, of in sorted(self.channels.items())
        )
        return AgentsReading(dict(self.by_status), tuple(slots), self.untold)


class LiveAgents:
    """Agents and the contacts that they handle, by source partition."""

    def __init__(self) -> None:
        #: Each agent's stretches, by the source partition that they come from.
        self._stretches: dict[str, dict[SourcePartition, list[AgentStretch]]] = {}
        #: Channel and agents of each contact that is handled.
        self._contacts: dict[SourcePartition, dict[bytes, tuple[str, list[str]]]] = {}
        self._handling: dict[str, dict[str, int]] = {}
        #: What each agent is counted as, and the agents to be counted again.
        self._counted_as: dict[str, tuple[AgentStretch, Mapping[str, int]]] = {}
        self._changed: set[str] = set()
        self._groups: dict[str | None, _Group] = {}
        #: The agents who are in any of several groups, by the names of these.
        self._joined: dict[frozenset[str], _Group] = {}
        self._readings: dict[str | None, AgentsReading] = {}
        self._now = 0
        #: When to check an agent again without an event: its earliest entry in the heap, others are void.
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def update(self, partition: SourcePartition, agent_id: str, stretches: list[AgentStretch] | None) -> None:
        """Replace an agent's states; None: the worker has evicted the agent."""
        if stretches is None:
            self._stretches.get(agent_id, {}).pop(partition, None)
        else:
            self._stretches.setdefault(agent_id, {})[partition] = stretches
        self._changed.add(agent_id)

    def update_contact(self, partition: SourcePartition, contact_id: bytes, channel: str, agents: list[str]) -> None:
        """Replace the agents who handle a contact."""
        contacts = self._contacts.setdefault(partition, {})
        before = contacts.pop(contact_id, None)
        if before is not None:
            self._count_handling(*before, -1)
        if agents:
            contacts[contact_id] = channel, agents
            self._count_handling(channel, agents, 1)

    def clear(self, partition: SourcePartition) -> None:
        """Remove the agents of a source partition: its journal is read again."""
        for agent_id, by_partition in self._stretches.items():
            if by_partition.pop(partition, None) is not None:
                self._changed.add(agent_id)
        for channel, agents in self._contacts.pop(partition, {}).values():
            self._count_handling(channel, agents, -1)

    def advance(self, now_ms: int) -> bool:
        """Advance to `now_ms`, never back; return whether an agent's state may have changed with it."""
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

    def join(self, joined: Iterable[Iterable[str]]) -> None:
        """Count from now on the agents who are in any of these groups, each agent once; nothing else is joined then."""
        self._joined = {frozenset(names): _Group() for names in joined}
        for counted in self._counted_as.values():
            self._add_to_joined(*counted, 1)

    def joined(self, names: Iterable[str]) -> AgentsReading | None:
        """Read the agents who are in any of these groups, which were joined; None: there is none."""
        self.readings()
        group = self._joined[frozenset(names)]
        return group.reading() if group.agents else None

    def _count_handling(self, channel: str, agents: Iterable[str], by: int) -> None:
        for agent in agents:
            channels = self._handling.setdefault(agent, {})
            channels[channel] = channels.get(channel, 0) + by
            if not channels[channel]:
                del channels[channel]
            if not channels:
                del self._handling[agent]
            if agent in self._stretches:
                self._changed.add(agent)

    def _recount(self, agent_id: str) -> None:
        before = self._counted_as.pop(agent_id, None)
        if before is not None:
            self._add_to_groups(*before, -1)
        by_partition = self._stretches.get(agent_id, {})
        if not by_partition:
            self._stretches.pop(agent_id, None)
        states = [
            state for stretches in by_partition.values() if (state := self._state(agent_id, stretches)) is not None
        ]
        if states:
            counted = max(states, key=lambda state: state.last_event_at), dict(self._handling.get(agent_id, _NOTHING))
            self._counted_as[agent_id] = counted
            self._add_to_groups(*counted, 1)

    def _add_to_groups(self, state: AgentStretch, handling: Mapping[str, int], sign: int) -> None:
        for name in (CENTRE, *(dict.fromkeys(state.groups) or ("",))):
            group = self._groups.setdefault(name, _Group())
            group.add(state, handling, sign)
            if not group.agents:
                del self._groups[name]
        self._add_to_joined(state, handling, sign)

    def _add_to_joined(self, state: AgentStretch, handling: Mapping[str, int], sign: int) -> None:
        for names, group in self._joined.items():
            if not names.isdisjoint(state.groups or ("",)):
                group.add(state, handling, sign)

    def _state(self, agent_id: str, stretches: list[AgentStretch]) -> AgentStretch | None:
        """Return the state in force, and schedule the check for the next one."""
        next_since = next((each.since - AHEAD_MS for each in stretches if each.since > self._now + AHEAD_MS), None)
        if next_since is not None:
            self._recheck_at(agent_id, next_since)
        state = stretch_at(stretches, self._now)
        if state is None or state.last_event_at + HORIZON_MS <= self._now:
            return None
        self._recheck_at(agent_id, state.last_event_at + HORIZON_MS)
        return state

    def _recheck_at(self, agent_id: str, due: int) -> None:
        """Check an agent again at `due` at the latest."""
        known = self._due.get(agent_id)
        if known is None or due < known:
            self._due[agent_id] = due
            heappush(self._heap, (due, agent_id))
