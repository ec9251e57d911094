"""An offer: an agent's telephone rings or a chat asks to be taken, and mostly, but not always, someone answers."""

from __future__ import annotations

from typing import Final

from streams.sources.simulator.agents import Agent
from streams.sources.simulator.centre import Queue
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.floor import Floor, Priority
from streams.sources.simulator.timeline import Steps

MISSES: Final = 0.03
_RINGS_IN_VAIN_S: Final = (14.0, 20.0)
#: An agent who misses an offer is taken off the floor for this long, in seconds.
_OFF_THE_FLOOR_S: Final = (60.0, 240.0)


def answered(
    floor: Floor,
    contact: Contact,
    queue: Queue,
    priority: Priority,
    patience_ms: int | None,
    answers_s: tuple[float, float],
) -> Steps[Agent | None]:
    """Wait until an agent answers; returns None where the customer's patience (None: endless) ends first."""
    since = floor.timeline.now
    may_miss = True
    while True:
        left = None if patience_ms is None else max(1, since + patience_ms - floor.timeline.now)
        agent = yield from floor.wait(queue, priority, since, left)
        if agent is None:
            return None
        if not (may_miss and floor.draws.chance(MISSES)):
            yield floor.draws.between(*answers_s)
            return agent
        may_miss = False
        yield floor.draws.between(*_RINGS_IN_VAIN_S)
        contact.say("contact.missed", agent_id=agent.agent_id)
        floor.timeline.start(floor.pause(agent, "missed offer", *_OFF_THE_FLOOR_S))
        yield 0
        floor.release(agent)
