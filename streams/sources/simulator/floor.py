"""The floor: waiting lines, who takes what next, and how agents come and go.

Contacts and agents meet only here, so that no agent ever has more than the slots allow and none idles beside a line.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Final, Literal

from schemas.topics import Channel
from streams.sources.simulator.agents import Agent, Roster, tell
from streams.sources.simulator.centre import QUEUES, TEAMS, Queue
from streams.sources.simulator.draws import Draws
from streams.sources.simulator.log import Log
from streams.sources.simulator.timeline import Process, Steps, Timeline

Priority = Literal["low", "normal", "high", "urgent"]

RANK: Final[dict[str, int]] = {"urgent": 0, "high": 1, "normal": 2, "low": 3}
#: Another team than a queue's own weighs its contacts this much.
_HELPING: Final = 0.5


class Ticket:
    """A contact's place in a line. `process` is woken with the agent."""

    __slots__ = ("gone", "process", "since")

    def __init__(self, process: Process, since: int) -> None:
        self.process = process
        self.since = since
        self.gone = False


class Line:
    """One queue's waiting contacts: by priority, then by age."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._tickets: list[tuple[int, int, int, Ticket]] = []
        self._order = 0

    def join(self, ticket: Ticket, priority: Priority) -> None:
        """Stand in the line."""
        self._order += 1
        heappush(self._tickets, (RANK[priority], ticket.since, self._order, ticket))

    def head(self) -> tuple[int, Ticket] | None:
        """Return the first who still waits, with the rank; None where nobody does."""
        while self._tickets and self._tickets[0][3].gone:
            heappop(self._tickets)
        return (self._tickets[0][0], self._tickets[0][3]) if self._tickets else None


class Floor:
    """The centre at work."""

    def __init__(self, timeline: Timeline, draws: Draws, log: Log) -> None:
        self.timeline = timeline
        self.draws = draws
        self.log = log
        self.rosters = {team.name: Roster(team) for team in TEAMS}
        self._lines = {queue.key: Line(queue) for queue in QUEUES}
        self._lines_of: dict[str, list[tuple[Line, float]]] = {
            team.name: [
                (line, line.queue.weight * (1.0 if line.queue.teams[0] is team else _HELPING))
                for line in self._lines.values()
                if team in line.queue.teams
            ]
            for team in TEAMS
        }

    def wait(self, queue: Queue, priority: Priority, since: int, patience_ms: int | None) -> Steps[Agent | None]:
        """Wait for an agent, whose slot is then taken; returns None where patience ends first (None: it never does)."""
        for team in queue.teams:
            agent = self.rosters[team.name].take(queue.channel)
            if agent is not None:
                tell(self.log, self.timeline.now, agent, "busy")
                return agent
        process = self.timeline.running
        if process is None:
            raise RuntimeError("only a running process can wait")
        ticket = Ticket(process, since)
        self._lines[queue.key].join(ticket, priority)
        answer: Agent | None = yield patience_ms
        ticket.gone = True
        return answer

    def release(self, agent: Agent) -> None:
        """Give one slot of an agent back: to the next in line, a break, home, or the free."""
        roster = self.rosters[agent.team.name]
        roster.vacate(agent)
        if agent.away_because is not None or agent.leaving:
            if agent.load == 0:
                self._withdrawn(agent)
            return
        self._offer(agent, roster)

    def withdraw(self, agent: Agent, reason: str) -> None:
        """Offer an agent nothing more; away as soon as the contacts in hand are done."""
        agent.away_because = reason
        self.rosters[agent.team.name].hide(agent)
        if agent.load == 0:
            self._withdrawn(agent)

    def restore(self, agent: Agent) -> None:
        """Let an agent work again."""
        agent.away_because = None
        if not agent.leaving:
            self._offer(agent, self.rosters[agent.team.name])

    def come(self, agent: Agent, on_since: int) -> None:
        """Begin an agent's shift."""
        agent.leaving = False
        agent.away_because = None
        agent.on_since = on_since
        roster = self.rosters[agent.team.name]
        roster.on_shift[agent] = None
        self._offer(agent, roster)

    def send_home(self, agent: Agent) -> None:
        """End an agent's shift once the contacts in hand are done."""
        agent.leaving = True
        roster = self.rosters[agent.team.name]
        roster.hide(agent)
        roster.on_shift.pop(agent, None)
        if agent.load == 0:
            self._withdrawn(agent)

    def pause(self, agent: Agent, reason: str, low_s: float, high_s: float) -> Steps[None]:
        """Take a break, unless the agent is away or leaving already."""
        if agent.away_because is not None or agent.leaving:
            return
        self.withdraw(agent, reason)
        yield self.draws.between(low_s, high_s)
        self.restore(agent)

    def _offer(self, agent: Agent, roster: Roster) -> None:
        """Fill an agent's free slots from the lines, then put what is left among the free."""
        while (channel := self._next_for(agent)) is not None:
            roster.occupy(agent, channel)
        roster.hide(agent)
        roster.show(agent)
        status: Literal["busy", "available"] = "busy" if agent.load else "available"
        tell(self.log, self.timeline.now, agent, status)

    def _next_for(self, agent: Agent) -> Channel | None:
        """Call the contact whose turn it is with this agent; returns its channel."""
        now, slots = self.timeline.now, agent.team.slots
        best: tuple[float, Ticket, Channel] | None = None
        for line, weight in self._lines_of[agent.team.name]:
            channel = line.queue.channel
            if (agent.channel is not None and agent.channel != channel) or agent.load >= slots[channel]:
                continue
            head = line.head()
            if head is None:
                continue
            rank, ticket = head
            score = (now - ticket.since + 1) * weight * (4 - rank)
            if best is None or score > best[0]:
                best = (score, ticket, channel)
        if best is None:
            return None
        _, ticket, channel = best
        ticket.gone = True
        self.timeline.wake(ticket.process, agent)
        return channel

    def _withdrawn(self, agent: Agent) -> None:
        now = self.timeline.now
        if agent.leaving:
            agent.off_since = now
            self.rosters[agent.team.name].at_home.append(agent)
            tell(self.log, now, agent, "offline")
        else:
            tell(self.log, now, agent, "away", agent.away_because)
