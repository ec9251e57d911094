"""A simulated contact centre, so that Pulssi can be seen at work before one's own events flow.

`simulate(Plan(...))` yields the events of a believable centre in order of time. It is a pure function of its plan: it
looks at no clock, so whoever reads decides when an event is due.
"""

from collections.abc import Iterator

from streams.sources.simulator.centre import QUEUES, TEAMS, Queue
from streams.sources.simulator.contacts import COURSES
from streams.sources.simulator.demand import SLICE_MS, Demand
from streams.sources.simulator.floor import Floor, SimulatedEvent, Steps
from streams.sources.simulator.plan import Plan

__all__ = ["Plan", "SimulatedEvent", "simulate"]

#: A large centre warms up for a shorter time: about this many contacts a channel are enough, and take seconds.
_WARM_UP_CONTACTS = 12_000


def simulate(plan: Plan) -> Iterator[SimulatedEvent]:
    """Yield the events of a run in order of time; without end where the plan has none."""
    demand = Demand(plan)
    # The centre begins to live early enough for all calls and chats that last until the start, and for Friday's mail.
    begins = {}
    for channel, warm_up_h in {"call": 1.5, "chat": 1.5, "email": 66}.items():
        per_hour = 3600 * demand.contacts_per_second * sum(each.share for each in QUEUES if each.channel == channel)
        begins[channel] = plan.start_ms - int(3_600_000 * min(warm_up_h, _WARM_UP_CONTACTS / per_hour)) - 1
    floor = Floor(plan, min(begins.values()))
    floor.schedule(floor.now, floor.report_agents())
    for team in TEAMS:
        floor.schedule(min(begins[channel] for channel in team.slots), floor.staff(team, demand))
    for queue in QUEUES:
        floor.schedule(begins[queue.channel], _arrivals(floor, queue, demand))
    while plan.lasts_ms is None or floor.now < plan.start_ms + plan.lasts_ms:
        yield from floor.emitted
        floor.emitted.clear()
        floor.step()


def _arrivals(floor: Floor, queue: Queue, demand: Demand) -> Steps[None]:
    """Let contacts come to one queue: a Poisson process whose rate changes from slice to slice."""
    rate, slice_ends = 0.0, 0
    while True:
        if floor.now >= slice_ends:
            rate, slice_ends = demand.arrival_rate(queue, floor.now), floor.now - floor.now % SLICE_MS + SLICE_MS
        gap = int(1000 * floor.draws.expovariate(rate))
        if floor.now + gap >= slice_ends:
            yield slice_ends - floor.now
        else:
            yield gap
            topic = demand.topic(queue, floor.now, floor.draws)
            floor.schedule(floor.now, COURSES[queue.channel](floor, queue, topic, demand.customers).course())
