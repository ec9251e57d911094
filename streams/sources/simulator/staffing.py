"""How many agents a team needs for what is forecast: enough for the usual targets, and not one more.

Waiting follows Halfin and Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers" (1981): with load a
and n = a + beta * sqrt(a) servers, P(wait) = 1 / (1 + beta * Phi(beta) / phi(beta)), and a wait that is not zero is
exponential. So a centre of ten and one of ten thousand agents are both about as good as their targets.
"""

from __future__ import annotations

from math import ceil, erf, exp, pi, sqrt
from typing import Final

from schemas.topics import Channel
from streams.sources.simulator.centre import BACK_OFFICE, QUEUES, Team
from streams.sources.simulator.demand import Demand

#: Mean time that a contact takes one slot of an agent, in seconds, wrap-up and ringing with it.
HANDLE_S: Final[dict[Channel, float]] = {"call": 325.0, "chat": 420.0, "email": 260.0}
#: Share of a channel's contacts that come to people at all (the bot keeps some, some leave before).
REACHES_PEOPLE: Final[dict[Channel, float]] = {"call": 0.97, "chat": 0.76, "email": 0.95}
#: How often a contact is worked on.
TOUCHES: Final[dict[Channel, float]] = {"call": 1.07, "chat": 1.08, "email": 1.45}
#: Targets: this share within so many seconds.
ATTAINED: Final = 0.80
WITHIN_S: Final[dict[Channel, float]] = {"call": 20.0, "chat": 60.0}
#: Share of a shift that is worked: breaks and lunch are the rest.
PRESENT: Final = 0.9
#: E-mail is staffed a little above its mean, so that a backlog shrinks over the day.
OFFICE_SLACK: Final = 1.1


def _wait_share(beta: float) -> float:
    phi = exp(-beta * beta / 2) / sqrt(2 * pi)
    cumulative = (1 + erf(beta / sqrt(2))) / 2
    return 1 / (1 + beta * cumulative / phi)


def servers(load: float, handle_s: float, within_s: float, attained: float = ATTAINED) -> float:
    """Return how many servers answer the share `attained` within `within_s` seconds, at `load` Erlang."""
    low, high = 0.0, 5.0
    for _ in range(30):
        beta = (low + high) / 2
        late = _wait_share(beta) * exp(-beta * sqrt(load) * within_s / handle_s)
        low, high = (beta, high) if late > 1 - attained else (low, beta)
    return load + high * sqrt(load)


def needed(team: Team, demand: Demand, at: int) -> int:
    """Return how many agents of a team should be on shift."""
    if team is BACK_OFFICE:
        if not demand.office_open(at):
            return 0
        load = demand.office_work() * HANDLE_S["email"] * TOUCHES["email"] * REACHES_PEOPLE["email"]
        return max(1, ceil(load * OFFICE_SLACK / PRESENT))
    agents = 0.0
    for channel, slots in team.slots.items():
        arrivals = sum(
            demand.planned(queue, at) for queue in QUEUES if queue.channel == channel and queue.teams[0] is team
        )
        load = arrivals * REACHES_PEOPLE[channel] * TOUCHES[channel] * HANDLE_S[channel]
        if load:
            agents += servers(load, HANDLE_S[channel], WITHIN_S[channel]) / slots
    return max(1, ceil(agents / PRESENT - 0.3))
