"""Shifts: agents come as the forecast asks for them, rest, and go home after at most a long day."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from streams.sources.simulator.agents import Agent
from streams.sources.simulator.centre import Team
from streams.sources.simulator.demand import Demand
from streams.sources.simulator.floor import Floor
from streams.sources.simulator.staffing import needed
from streams.sources.simulator.timeline import Steps

_HOUR_MS: Final = 3_600_000
PLAN_EVERY_MS: Final = 15 * 60_000
SHORTEST_MS: Final = 3 * _HOUR_MS + 30 * 60_000
LONGEST_MS: Final = 8 * _HOUR_MS + 30 * 60_000
REST_MS: Final = 11 * _HOUR_MS

#: Rests of a shift: after so many hours, so long (seconds), and why.
_RESTS: Final = ((2.0, (540.0, 780.0), "break"), (2.0, (1620.0, 2100.0), "lunch"), (2.2, (540.0, 780.0), "break"))


def shift(floor: Floor, agent: Agent, worked_ms: int) -> Steps[None]:
    """Live through one shift, of which `worked_ms` lie behind; the plan says when it ends."""
    began = agent.on_since
    due = 0
    for after_h, (low_s, high_s), reason in _RESTS:
        due += int(after_h * _HOUR_MS) + floor.draws.between(-900, 900)
        if due <= worked_ms:
            continue
        yield max(1, began + due - floor.timeline.now)
        if agent.leaving or agent.on_since != began:
            return
        yield from floor.pause(agent, reason, low_s, high_s)


def plan(floor: Floor, team: Team, demand: Demand, hire: Callable[[Team], Agent]) -> Steps[None]:
    """Keep a team as large as the forecast for the next quarter of an hour asks."""
    timeline, roster, draws = floor.timeline, floor.rosters[team.name], floor.draws
    first = True
    while True:
        now = timeline.now
        for agent in [each for each in roster.on_shift if now - each.on_since >= LONGEST_MS]:
            floor.send_home(agent)
        wanted = needed(team, demand, now + PLAN_EVERY_MS // 2)
        for agent in list(roster.on_shift)[: max(0, len(roster.on_shift) - wanted)]:
            if now - agent.on_since >= SHORTEST_MS or wanted == 0:
                floor.send_home(agent)
        while len(roster.on_shift) < wanted:
            worked_ms = draws.between(0, 7 * 3600) if first else 0
            rested = roster.at_home and now - roster.at_home[0].off_since >= REST_MS
            agent = roster.at_home.popleft() if rested else hire(team)
            floor.come(agent, now - worked_ms)
            timeline.start(shift(floor, agent, worked_ms))
        first = False
        # Shifts do not all begin on the dot.
        yield PLAN_EVERY_MS - now % PLAN_EVERY_MS + draws.between(0, 60)
