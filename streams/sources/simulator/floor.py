"""The floor: simulated time, waiting lines, and agents who come, take what is next, rest and go home.

What goes on at the same time (a contact, a shift) is a generator: it yields for how many milliseconds it sleeps, or
what it waits for, and is sent the agent that it gets.
"""

from collections import OrderedDict, deque
from collections.abc import Generator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any, Final, Literal, NamedTuple, TypeAlias, TypeVar

import orjson

from schemas.topics import AGENTS, Channel
from streams.sources.simulator.centre import QUEUES, TEAMS, Queue, Team
from streams.sources.simulator.demand import Demand
from streams.sources.simulator.plan import Plan, RandomDraws
from streams.times import rfc3339

R = TypeVar("R")
Status: TypeAlias = Literal["available", "busy", "wrap_up", "away", "offline"]

SOURCE: Final = "simulator"
_HOUR_MS: Final = 3_600_000
_PLAN_EVERY_MS: Final = _HOUR_MS // 4
_SHORTEST_SHIFT_MS: Final = 7 * _HOUR_MS // 2
_LONGEST_SHIFT_MS: Final = 17 * _HOUR_MS // 2
_PRIORITIES: Final = ("low", "normal", "high", "urgent")
#: The reason of an agent who takes no new contact and goes home after the current ones.
_HOME: Final = "home"
#: The queues that a team serves, and what a wait there weighs: half where the team only helps out.
_SERVES: Final = {
    team: [(queue, queue.weight * (1.0 if queue.teams[0] is team else 0.5)) for queue in QUEUES if team in queue.teams]
    for team in TEAMS
}


class SimulatedEvent(NamedTuple):
    """One event on its way out. `at` in UTC milliseconds; `value` is one line of JSON without its end."""

    at: int
    topic: str
    key: bytes
    value: bytes


class AgentRequest(NamedTuple):
    """A contact's request for an agent, since a time; where there is none until another, it gets None."""

    queue: Queue
    priority: str
    since: int
    until: int | None = None


Steps: TypeAlias = Generator[int | AgentRequest, Any, R]


@dataclass(eq=False, slots=True)
class Agent:
    """One person."""

    agent_id: str
    team: Team
    #: Contacts that the agent handles, all of one channel.
    load: int = 0
    channel: Channel | None = None
    #: Why the agent takes nothing new; None: takes what comes.
    away: str | None = None
    #: When the shift began, or the rest at home.
    since: int = 0
    #: The state that was emitted last.
    state: dict[str, object] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class _Resumption:
    """A generator that goes on at some time, with an agent or nothing; without `steps` the resumption is void."""

    steps: Steps[None] | None
    agent: Agent | None = None


class Floor:
    """Contacts and agents meet only here, so that no agent has more than the slots allow or idles beside a line."""

    def __init__(self, plan: Plan, now: int) -> None:
        #: The simulated time in UTC milliseconds.
        self.now = now
        self.draws = RandomDraws(f"{plan.prefix}:{plan.rate!r}:{plan.lasts_ms}")
        self.prefix = plan.prefix
        self.contact_numbers = count(1)
        #: Nothing is emitted before.
        self.start_ms = plan.start_ms
        #: Events that the reader has not yet had.
        self.emitted: list[SimulatedEvent] = []
        self._agent_numbers, self._state_numbers, self._order = count(1), count(1), count()
        self._due: list[tuple[int, int, _Resumption]] = []
        #: The most urgent first, then the oldest.
        self._waiting_lines: dict[Queue, list[tuple[int, int, int, _Resumption]]] = {queue: [] for queue in QUEUES}
        #: Those with a free slot, by how many contacts they have, longest idle first. Ordered dictionaries: a plain one
        #: whose first entries were removed finds its first only past all the gaps.
        self._free = {team: [OrderedDict[Agent, None]() for _ in range(max(team.slots.values()) + 1)] for team in TEAMS}
        self._at_home: dict[Team, deque[Agent]] = {team: deque() for team in TEAMS}
        self._on_shift: dict[Team, dict[Agent, None]] = {team: {} for team in TEAMS}

    def schedule(self, when: int, steps: Steps[None], agent: Agent | None = None) -> _Resumption:
        """Resume a generator at a time, after all that are due then already."""
        resumption = _Resumption(steps, agent)
        heappush(self._due, (when, next(self._order), resumption))
        return resumption

    def step(self) -> None:
        """Resume the generator that is due next."""
        when, _, resumption = heappop(self._due)
        if resumption.steps is None:
            return
        steps, resumption.steps, self.now = resumption.steps, None, when
        try:
            request = steps.send(resumption.agent)
        except StopIteration:
            return
        if isinstance(request, int):
            self.schedule(when + request, steps)
        elif (agent := self._free_agent(request.queue)) is not None:
            self._assign(agent, request.queue.channel, steps)
        else:
            waiting = _Resumption(steps) if request.until is None else self.schedule(max(when, request.until), steps)
            rank = -_PRIORITIES.index(request.priority)
            heappush(self._waiting_lines[request.queue], (rank, request.since, next(self._order), waiting))

    def emit(self, topic: str, key: str, event: dict[str, object]) -> None:
        """Emit an event that happens now."""
        event["occurred_at"] = rfc3339(self.now)
        self.emitted.append(SimulatedEvent(self.now, topic, key.encode(), orjson.dumps(event)))

    def report_agents(self) -> Steps[None]:
        """Emit the state of every agent on shift at the start, as a source does when it connects."""
        yield self.start_ms - self.now
        for team in TEAMS:
            for agent in self._on_shift[team]:
                self._emit_status(agent)

    def report_status(self, agent: Agent, status: Status) -> None:
        """Emit an agent's state where it changed."""
        state: dict[str, object] = {"status": status, "groups": [agent.team.name]}
        if status == "away":
            state["reason"] = agent.away
        if status != "offline":
            # Who has a contact takes more of that channel only.
            slots = agent.team.slots
            state["capacity"] = slots if agent.channel is None else {agent.channel: slots[agent.channel]}
        if state != agent.state:
            agent.state = state
            if self.now >= self.start_ms:
                self._emit_status(agent)

    def _emit_status(self, agent: Agent) -> None:
        event_id = f"{self.prefix}:{next(self._state_numbers)}"
        known = {"event_id": event_id, "type": "agent.status", "agent_id": agent.agent_id, "source": SOURCE}
        self.emit(AGENTS, agent.agent_id, {**known, **agent.state})

    def release(self, agent: Agent) -> None:
        """Give one slot of an agent back: to the next in line, a break, home, or the free."""
        self._set_load(agent, agent.load - 1, agent.channel)
        self._assign_waiting(agent)

    def pause(self, agent: Agent, reason: str, low_s: float, high_s: float) -> Steps[None]:
        """Take an agent away for a time, unless away or leaving already."""
        if agent.away is None:
            agent.away = reason
            self._assign_waiting(agent)
            yield self.draws.uniform_ms(low_s, high_s)
            if agent.away == reason:
                agent.away = None
                self._assign_waiting(agent)

    def staff(self, team: Team, demand: Demand) -> Steps[None]:
        """Keep a team as large as the forecast for the next quarter of an hour asks."""
        on_shift, at_home = self._on_shift[team], self._at_home[team]
        worked_s = 7 * 3600  # whoever is there at the beginning has worked up to so long
        while True:
            wanted = demand.agents(team, self.now + _PLAN_EVERY_MS // 2)
            surplus = len(on_shift) - wanted
            for number, agent in enumerate(list(on_shift)):
                worked_ms = self.now - agent.since
                spare = number < surplus and (worked_ms >= _SHORTEST_SHIFT_MS or wanted == 0)
                if spare or worked_ms >= _LONGEST_SHIFT_MS:
                    del on_shift[agent]
                    agent.away = _HOME
                    self._assign_waiting(agent)
            while len(on_shift) < wanted:
                rested = at_home and self.now - at_home[0].since >= 11 * _HOUR_MS
                agent = at_home.popleft() if rested else Agent(f"agent-{next(self._agent_numbers):03d}", team)
                agent.since, agent.away = self.now - self.draws.uniform_ms(0, worked_s), None
                on_shift[agent] = None
                self._assign_waiting(agent)
                self.schedule(self.now, self._take_breaks(agent))
            worked_s = 0
            # Shifts do not all begin on the dot.
            yield _PLAN_EVERY_MS - self.now % _PLAN_EVERY_MS + self.draws.uniform_ms(0, 60)

    def _take_breaks(self, agent: Agent) -> Steps[None]:
        """Take a shift's rests, so long (seconds) after so many hours each."""
        due = agent.since
        breaks = (2, 540, 780, "break"), (2, 1620, 2100, "lunch"), (2.2, 540, 780, "break")
        for after_h, low_s, high_s, reason in breaks:
            due += int(after_h * _HOUR_MS) + self.draws.uniform_ms(-900, 900)
            if due > self.now:
                yield due - self.now
                yield from self.pause(agent, reason, low_s, high_s)

    def _free_agent(self, queue: Queue) -> Agent | None:
        """Return the least loaded, longest idle agent of the first team that has one."""
        for team in queue.teams:
            # Who already has a contact has it in the one channel in which the team takes several.
            for idle in self._free[team][: team.slots[queue.channel]]:
                for agent in idle:
                    return agent
        return None

    def _set_load(self, agent: Agent, load: int, channel: Channel | None) -> None:
        """Set how many contacts an agent handles; with a slot left the agent is among the free."""
        free = self._free[agent.team]
        free[agent.load].pop(agent, None)
        agent.load, agent.channel = load, channel if load else None
        if agent.away is None and (agent.channel is None or load < agent.team.slots[agent.channel]):
            free[load][agent] = None

    def _assign_waiting(self, agent: Agent) -> None:
        """Fill an agent's free slots from the lines; an agent who takes nothing new leaves after the last contact."""
        self._set_load(agent, agent.load, agent.channel)
        while agent.away is None and self._assign_next(agent):
            pass
        if agent.load:
            return
        if agent.away is None:
            self.report_status(agent, "available")
        elif agent.away == _HOME:
            agent.since = self.now
            self._at_home[agent.team].append(agent)
            self.report_status(agent, "offline")
        else:
            self.report_status(agent, "away")

    def _assign_next(self, agent: Agent) -> bool:
        """Assign the next contact to this agent, by its wait, its priority and its queue's weight."""
        best: tuple[float, Channel, _Resumption] | None = None
        for queue, weight in _SERVES[agent.team]:
            if agent.channel not in {None, queue.channel} or agent.load >= agent.team.slots[queue.channel]:
                continue
            line = self._waiting_lines[queue]
            while line and line[0][3].steps is None:
                heappop(line)
            if line:
                rank, since, _, waiting = line[0]
                score = (self.now - since + 1) * weight * (1 - rank)
                if best is None or score > best[0]:
                    best = score, queue.channel, waiting
        if best is None or best[2].steps is None:
            return False
        self._assign(agent, best[1], best[2].steps)
        best[2].steps = None
        return True

    def _assign(self, agent: Agent, channel: Channel, steps: Steps[None]) -> None:
        self._set_load(agent, agent.load + 1, channel)
        self.report_status(agent, "busy")
        self.schedule(self.now, steps, agent)
