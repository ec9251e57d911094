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
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from schemas.agents import AHEAD_MS, HORIZON_MS, STATUSES, Stretch, in_force

#: A source topic and a partition of it.
Lane = tuple[str, int]

#: The whole centre, where a group's name would stand.
CENTRE: Final = None

_NEVER: Final = 1 << 62
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
    __slots__ = ("capacity", "free", "known", "unknown", "used")

    def __init__(self) -> None:
        self.capacity = self.used = self.free = self.known = self.unknown = 0


class _Group:
    """One group's sums."""

    __slots__ = ("by_status", "channels", "untold")

    def __init__(self) -> None:
        self.by_status = dict.fromkeys(STATUSES, 0)
        self.channels: dict[str, _Channel] = {}
        self.untold = 0

    def add(self, state: Stretch, in_hand: Mapping[str, int]) -> None:
        """Count one agent."""
        self.by_status[state.status] += 1
        if not (state.status in _AT_WORK or (state.status == "away" and in_hand)):
            return
        self.untold += not state.capacity
        takes = state.status == "available" or (state.status == "busy" and bool(in_hand))
        for name in state.capacity.keys() | in_hand.keys():
            channel = self.channels.setdefault(name, _Channel())
            used = in_hand.get(name, 0)
            channel.used += used
            slots = state.capacity.get(name)
            if slots is None:
                channel.unknown += 1
                continue
            channel.known += 1
            channel.capacity += slots
            channel.free += max(0, slots - used) if takes else 0

    def reading(self) -> AgentsReading:
        slots = (
            Slots(name, of.capacity if of.known else None, of.used, of.free if of.known else None, of.unknown)
            for name, of in sorted(self.channels.items())
        )
        return AgentsReading(self.by_status, tuple(slots), self.untold)


class LiveAgents:
    """Agents and the contacts in their hands, by source partition."""

    def __init__(self) -> None:
        self._agents: dict[Lane, dict[bytes, list[Stretch]]] = {}
        #: Channel and agents of each contact that is in hand.
        self._contacts: dict[Lane, dict[bytes, tuple[str, list[str]]]] = {}
        self._in_hand: dict[str, dict[str, int]] = {}
        self._readings: dict[str | None, AgentsReading] | None = None
        self._now = 0
        #: When the readings change though no event comes.
        self._due = _NEVER

    def put(self, lane: Lane, agent_id: bytes, stretches: list[Stretch] | None) -> None:
        """Take an agent's states in; None: the worker has forgotten the agent."""
        if stretches is None:
            self._agents.get(lane, {}).pop(agent_id, None)
        else:
            self._agents.setdefault(lane, {})[agent_id] = stretches
        self._readings = None

    def put_contact(self, lane: Lane, contact_id: bytes, channel: str, agents: list[str]) -> None:
        """Note who has a contact in hand, nobody for none."""
        contacts = self._contacts.setdefault(lane, {})
        before = contacts.pop(contact_id, None)
        if before is not None:
            self._count(*before, -1)
        if agents:
            contacts[contact_id] = channel, agents
            self._count(channel, agents, 1)
        if agents or before is not None:
            self._readings = None

    def clear(self, lane: Lane) -> None:
        """Forget what a source partition told: it was made anew."""
        self._agents.pop(lane, None)
        for channel, agents in self._contacts.pop(lane, {}).values():
            self._count(channel, agents, -1)
        self._readings = None

    def move(self, now_ms: int) -> bool:
        """Go on to `now_ms`, never back; tells whether that changed what was read last."""
        self._now = max(self._now, now_ms)
        if self._now < self._due:
            return False
        self._due, self._readings = _NEVER, None
        return True

    def readings(self) -> dict[str | None, AgentsReading]:
        """Read the centre, if there is any agent, and each group."""
        if self._readings is None:
            self._readings = self._read()
        return self._readings

    def _count(self, channel: str, agents: Iterable[str], by: int) -> None:
        for agent in agents:
            held = self._in_hand.setdefault(agent, {})
            held[channel] = held.get(channel, 0) + by
            if not held[channel]:
                del held[channel]
            if not held:
                del self._in_hand[agent]

    def _read(self) -> dict[str | None, AgentsReading]:
        groups: dict[str | None, _Group] = {}
        self._due = _NEVER
        for agent_id, state in self._present().items():
            in_hand = self._in_hand.get(agent_id.decode(), {})
            for name in (CENTRE, *(dict.fromkeys(state.groups) or ("",))):
                groups.setdefault(name, _Group()).add(state, in_hand)
        return {name: groups[name].reading() for name in sorted(groups, key=lambda name: (name is not None, name))}

    def _present(self) -> dict[bytes, Stretch]:
        """Find each agent's state, and when the first of them changes by itself."""
        present: dict[bytes, Stretch] = {}
        for agents in self._agents.values():
            for agent_id, stretches in agents.items():
                for stretch in stretches:
                    if stretch.since > self._now + AHEAD_MS:
                        self._due = min(self._due, stretch.since - AHEAD_MS)
                        break
                state = in_force(stretches, self._now)
                if state is None or state.told + HORIZON_MS <= self._now:
                    continue
                self._due = min(self._due, state.told + HORIZON_MS)
                other = present.get(agent_id)
                if other is None or other.told < state.told:
                    present[agent_id] = state
        return present
