"""A whole run: the centre warmed up, then every event from the start on, in order of time.

A pure function of its plan: the same plan gives the same bytes, on any machine and however fast it is read. It never
looks at a clock; whoever reads decides when an event is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from schemas.topics import Channel
from streams.sources.simulator.agents import Agent, tell_again
from streams.sources.simulator.calls import call
from streams.sources.simulator.centre import QUEUES, TEAMS, Queue, Team
from streams.sources.simulator.chats import chat
from streams.sources.simulator.contact import Contact
from streams.sources.simulator.demand import SLICE_MS, Demand
from streams.sources.simulator.draws import Draws
from streams.sources.simulator.emails import email
from streams.sources.simulator.floor import Floor
from streams.sources.simulator.log import Emitted, Log, compact
from streams.sources.simulator.shifts import plan
from streams.sources.simulator.timeline import Steps, Timeline

_COURSES: Final = {"call": call, "chat": chat, "email": email}

#: How long before the start the centre begins to live, so that it is not empty then: long enough for every call and
#: chat of that time, and for the mail since Friday.
WARM_UP_MS: Final[dict[Channel, int]] = {"call": 90 * 60_000, "chat": 90 * 60_000, "email": 66 * 3_600_000}
#: A large centre warms up for a shorter time: about this many contacts a channel are enough, and take seconds.
_WARM_UP_CONTACTS: Final = 12_000
#: A known customer comes back: one is drawn among a week's contacts, but at least so many.
_FEWEST_CUSTOMERS: Final = 500
_WEEK_S: Final = 7 * 86_400


@dataclass(frozen=True)
class Plan:
    """What tells one run from another. `start_ms` in UTC milliseconds; `rate` in events a second on average."""

    start_ms: int
    rate: float = 1.0
    seed: int = 1
    #: None: without end.
    lasts_ms: int | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))

    @property
    def prefix(self) -> str:
        """What the ids of this run begin with."""
        return f"sim:{self.seed}-{compact(self.start_ms)}"


class _Centre:
    """Opens contacts and hires agents; all numbers of a run are given out here."""

    def __init__(self, of: Plan) -> None:
        self.demand = Demand(of.seed, of.zone, of.rate, of.start_ms, of.lasts_ms)
        shares = {channel: sum(each.share for each in QUEUES if each.channel == channel) for channel in WARM_UP_MS}
        self.warm_up = {
            channel: min(
                warm_up, int(1000 * _WARM_UP_CONTACTS / (self.demand.contacts_per_second * shares[channel])) + 1
            )
            for channel, warm_up in WARM_UP_MS.items()
        }
        self.timeline = Timeline(of.start_ms - max(self.warm_up.values()))
        self.log = Log(of.prefix, of.start_ms)
        self.floor = Floor(self.timeline, Draws(f"{of.prefix}:{of.rate!r}:{of.lasts_ms}"), self.log)
        self._contacts = 0
        self._agents = 0
        self._customers = max(_FEWEST_CUSTOMERS, int(self.demand.contacts_per_second * _WEEK_S))
        for team in TEAMS:
            lead = max(self.warm_up[channel] for channel in team.slots)
            opens = of.start_ms - lead
            self.timeline.start(plan(self.floor, team, self.demand, self.hire), opens - self.timeline.now)
        for queue in QUEUES:
            opens = of.start_ms - self.warm_up[queue.channel]
            self.timeline.start(self.arrivals(queue), opens - self.timeline.now)

    def hire(self, team: Team) -> Agent:
        """Add an agent to the centre's people."""
        self._agents += 1
        return Agent(f"agent-{self._agents:03d}", team)

    def arrivals(self, queue: Queue) -> Steps[None]:
        """Let contacts come to one queue: a Poisson process whose rate changes from slice to slice."""
        timeline, demand, draws, floor = self.timeline, self.demand, self.floor.draws, self.floor
        course = _COURSES[queue.channel]
        rate, slice_ends = 0.0, 0
        while True:
            now = timeline.now
            if now >= slice_ends:
                rate, slice_ends = demand.actual(queue, now), now - now % SLICE_MS + SLICE_MS
            gap = draws.gap(rate)
            if now + gap >= slice_ends:
                yield slice_ends - now
                continue
            yield gap
            self._contacts += 1
            topic = demand.topic(queue, timeline.now, draws)
            contact = Contact(floor, queue, self._contacts, self._customers, topic)
            timeline.start(course(floor, contact))

    def open_log(self) -> None:
        """Begin to tell: first the state of everyone on shift, as a source does when it connects."""
        self.log.open = True
        for roster in self.floor.rosters.values():
            for agent in roster.on_shift:
                tell_again(self.log, self.log.opens_at, agent, agent.away_because if agent.status == "away" else None)


def simulate(of: Plan) -> Iterator[Emitted]:
    """Yield the events of a run in order of time; without end where the plan has none."""
    centre = _Centre(of)
    timeline, out = centre.timeline, centre.log.out
    ends = None if of.lasts_ms is None else of.start_ms + of.lasts_ms
    while (at := timeline.next_at()) is not None:
        if ends is not None and at >= ends:
            return
        if at >= of.start_ms and not centre.log.open:
            centre.open_log()
        timeline.step()
        if out:
            yield from out
            out.clear()
