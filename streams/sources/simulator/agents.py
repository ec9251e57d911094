"""Agents on shift: what each can take now, and which of a team takes the next contact.

An agent works in one channel at a time and never holds more contacts than the team's slots for it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Final, Literal

from schemas.topics import Channel
from streams.sources.simulator.centre import Team
from streams.sources.simulator.log import Log

Status = Literal["available", "busy", "wrap_up", "away", "offline"]


class Agent:
    """One person: a team, a state, and the contacts in hand."""

    __slots__ = (
        *("agent_id", "away_because", "channel", "leaving", "load", "off_since", "on_since", "status", "team"),
        "told_channel",
    )

    def __init__(self, agent_id: str, team: Team) -> None:
        self.agent_id = agent_id
        self.team = team
        self.load = 0
        #: The channel of the contacts in hand; None with none.
        self.channel: Channel | None = None
        #: Why the agent takes nothing new; None while on the floor.
        self.away_because: str | None = None
        self.leaving = False
        self.on_since = 0
        self.off_since = 0
        self.status: Status = "offline"
        #: The channel of which slots were told last; None: all of the team's.
        self.told_channel: Channel | None = None


class Roster:
    """A team's agents: on shift or at home, and the free ones by what they hold, longest idle first."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.on_shift: dict[Agent, None] = {}
        self.at_home: deque[Agent] = deque()
        # Ordered dictionaries: the first of a plain one whose first were taken is found only past all the gaps.
        self._free: dict[tuple[Channel | None, int], OrderedDict[Agent, None]] = {(None, 0): OrderedDict()}
        for channel, slots in team.slots.items():
            for load in range(1, slots):
                self._free[channel, load] = OrderedDict()
        self._offers: Final[dict[Channel, tuple[OrderedDict[Agent, None], ...]]] = {
            channel: (self._free[None, 0], *(self._free[channel, load] for load in range(1, slots)))
            for channel, slots in team.slots.items()
        }

    def take(self, channel: Channel) -> Agent | None:
        """Give a slot of the least loaded, longest idle agent; None where all are busy."""
        for free in self._offers.get(channel, ()):
            for agent in free:
                self.occupy(agent, channel)
                return agent
        return None

    def occupy(self, agent: Agent, channel: Channel) -> None:
        """Take one slot of this agent."""
        self.hide(agent)
        agent.load += 1
        agent.channel = channel
        self.show(agent)

    def vacate(self, agent: Agent) -> None:
        """Give one slot of this agent back; whether it is offered anew is for the floor to say."""
        self.hide(agent)
        agent.load -= 1
        if agent.load == 0:
            agent.channel = None

    def hide(self, agent: Agent) -> None:
        """Offer this agent nothing."""
        free = self._free.get((agent.channel, agent.load))
        if free is not None:
            free.pop(agent, None)

    def show(self, agent: Agent) -> None:
        """Offer this agent contacts again, where a slot is free."""
        if agent.away_because is None and not agent.leaving:
            free = self._free.get((agent.channel, agent.load))
            if free is not None:
                free[agent] = None


def tell(log: Log, now: int, agent: Agent, status: Status, reason: str | None = None) -> None:
    """Record an agent's state, where it changed."""
    if status == agent.status and agent.channel == agent.told_channel and reason is None:
        return
    agent.status = status
    tell_again(log, now, agent, reason)


def tell_again(log: Log, now: int, agent: Agent, reason: str | None = None) -> None:
    """Record the state an agent is in, as a source does when it connects."""
    event: dict[str, object] = {"status": agent.status, "groups": [agent.team.name]}
    if reason is not None:
        event["reason"] = reason
    if agent.status != "offline":
        # Who has a contact in hand takes more of that channel only.
        slots, channel = agent.team.slots, agent.channel
        event["capacity"] = slots if channel is None else {channel: slots[channel]}
        agent.told_channel = channel
    log.write_agent(now, agent.agent_id, event)
