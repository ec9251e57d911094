"""How many contacts come, and how many agents that asks for: day and week profiles, a forecast that errs, and surges.

Both what is forecast (and staffed for) and what comes are functions of the time.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import ceil, exp, sqrt
from statistics import NormalDist, fmean
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from schemas.topics import Channel
from streams.sources.simulator import centre
from streams.sources.simulator.centre import QUEUES, Queue, Team, Topic
from streams.sources.simulator.plan import Plan, RandomDraws
from streams.times import milliseconds

#: Demand is constant within a slice.
SLICE_MS: Final = 5 * 60_000
_HOUR_MS: Final = 3_600_000
_WEEK_MS: Final = 168 * _HOUR_MS


class _Load(NamedTuple):
    """What a contact of a channel makes on average."""

    #: Events as it comes in and is answered; of e-mail without the agents' work, which waits for office hours.
    events: float
    #: Times that an agent works on it: a bot settles some, some leave before, some come back.
    touches: float
    #: Seconds that each time takes one of an agent's slots, with ringing and wrap-up.
    handle_s: float
    #: `_ATTAINED` should be answered within so many seconds.
    within_s: float


_LOAD: Final[dict[Channel, _Load]] = {
    "call": _Load(12.2, 1.04, 325, 20),
    "chat": _Load(19.0, 0.82, 420, 60),
    "email": _Load(4.0, 1.38, 260, 0),
}
#: Events of agents' work on an e-mail.
_OFFICE_EVENTS: Final = 13.2
_ATTAINED: Final = 0.8
_NORMAL: Final = NormalDist()
#: Part of the week in which the back office works off the e-mails of all of it.
_OFFICE_SHARE: Final = sum(closes - opens for opens, closes in centre.OFFICE_HOURS) / 168


class Surge(NamedTuple):
    """A time in which a topic brings `extra` times a queue's usual volume on top. Times in UTC milliseconds."""

    topic: Topic
    begins: int
    lasts: int
    extra: float

    def strength(self, at: int) -> float:
        """Return the extra volume now: it rises within minutes, and ebbs away after the end."""
        since = at - self.begins
        if since < 0:
            return 0.0
        if since <= self.lasts:
            return self.extra * min(1.0, 0.5 + since / 600_000)
        left = exp((self.lasts - since) / 720_000)
        return self.extra * left if left > 1 / 32 else 0.0


class Demand:
    """The contacts of one run, whose rate is kept on average over its length, or over a week where it has no end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        #: Contacts a second of the whole centre in an average hour of the week.
        self.contacts_per_second = 1.0
        span = plan.lasts_ms or _WEEK_MS
        slices = max(1, min(_WEEK_MS, span) // SLICE_MS)
        times = [plan.start_ms + span * each // slices for each in range(slices)]
        self.contacts_per_second = plan.rate / fmean(self._events(at) for at in times)
        #: Known customers: one is drawn among about as many as contact the centre in a week.
        self.customers = max(500, int(self.contacts_per_second * _WEEK_MS / 1000))

    def arrival_rate(self, queue: Queue, at: int) -> float:
        """Return the contacts a second that come."""
        surge = sum(each.strength(at) for each in self._surges(queue, at))
        return self._forecast(queue, at) * (_forecast_error(self._plan, queue, at // _HOUR_MS) + surge)

    def topic(self, queue: Queue, at: int, draws: RandomDraws) -> Topic | None:
        """Draw whether a contact that comes now is about a surge's topic."""
        for surge in self._surges(queue, at):
            strength = surge.strength(at)
            if draws.chance(strength / (1 + strength)):
                return surge.topic
        return None

    def agents(self, team: Team, at: int) -> int:
        """Return how many agents of a team should be on shift: a tenth of a shift is breaks and lunch."""
        if team is centre.BACK_OFFICE:
            # A little more than come, so that a backlog shrinks over the day.
            load = 1.1 * self._office_work() * _LOAD["email"].touches * _LOAD["email"].handle_s
            return ceil(load / 0.9) if self._office_open(at) else 0
        needed = 0.0
        for channel, slots in team.slots.items():
            arrivals = sum(
                self._forecast(each, at) for each in QUEUES if each.channel == channel and each.teams[0] is team
            )
            if arrivals:
                needed += agents_needed(arrivals * _LOAD[channel].touches * _LOAD[channel].handle_s, channel) / slots
        return max(1, ceil(needed / 0.9 - 0.3))

    def _forecast(self, queue: Queue, at: int) -> float:
        return self.contacts_per_second * queue.share * _volume_shape(self._plan.zone, queue.channel, at // SLICE_MS)

    def _office_work(self) -> float:
        """Return the e-mails a second that the back office must settle while it is open, so that none are left."""
        return self.contacts_per_second * sum(each.share for each in QUEUES if each.channel == "email") / _OFFICE_SHARE

    def _office_open(self, at: int) -> bool:
        local = self._local(at)
        opens, closes = centre.OFFICE_HOURS[local.weekday()]
        return opens <= local.hour < closes

    def _events(self, at: int) -> float:
        events = sum(self.arrival_rate(queue, at) * _LOAD[queue.channel].events for queue in QUEUES)
        return events + (self._office_work() * _OFFICE_EVENTS if self._office_open(at) else 0.0)

    def _local(self, at: int) -> datetime:
        return datetime.fromtimestamp(at / 1000, self._plan.zone)

    def _surges(self, queue: Queue, at: int) -> tuple[Surge, ...]:
        return _surges(self._plan.seed, self._plan.zone, queue.name, self._local(at).date())


@lru_cache(maxsize=10_000)
def _volume_shape(zone: ZoneInfo, channel: Channel, number: int) -> float:
    """Return the expected volume of a channel in a slice, relative to its mean over the week."""
    local = datetime.fromtimestamp(number * SLICE_MS / 1000, zone)
    hours, days = centre.DAY_SHAPE[channel], centre.WEEK_SHAPE[channel]
    part = local.minute / 60
    hour = hours[local.hour] * (1 - part) + hours[(local.hour + 1) % 24] * part
    return hour / fmean(hours) * days[local.weekday()] / fmean(days)


@lru_cache(maxsize=10_000)
def _forecast_error(plan: Plan, queue: Queue, hour: int) -> float:
    """Return what comes relative to the forecast: 7 % off in a large queue; chance alone varies small ones more."""
    draws = RandomDraws(f"{plan.seed}:forecast:{queue.channel}:{queue.name}:{hour}")
    return exp(draws.gauss(0, min(0.07, 0.5 / sqrt(1 + 40 * plan.rate))))


@lru_cache(maxsize=1_000)
def _surges(seed: int, zone: ZoneInfo, queue: str, today: date) -> tuple[Surge, ...]:
    """Return a queue's surges of a day and of the day before, whose end may reach into it.

    Each day has a large one in office hours, a lesser one by night or morning, and one from the afternoon on.
    """
    found = []
    for day in (today - timedelta(days=1), today):
        draws = RandomDraws(f"{seed}:surges:{day}")
        midnight = milliseconds(datetime.combine(day, time(), zone))
        large_at, large_lasts = midnight + draws.uniform_ms(9.5 * 3600, 15 * 3600), draws.uniform_ms(2700, 4500)
        found += [
            Surge(centre.MAIN_TOPIC, large_at, large_lasts, 1.1),
            Surge(draws.choice(centre.SIDE_TOPICS), midnight + draws.uniform_ms(0, 9 * 3600), 2_400_000, 0.6),
            Surge(draws.choice(centre.SIDE_TOPICS), midnight + draws.uniform_ms(14 * 3600, 23 * 3600), 2_400_000, 0.6),
        ]
    return tuple(surge for surge in found if surge.topic.queue == queue)


def agents_needed(load: float, channel: Channel) -> float:
    """Return how many servers answer enough of a channel in time, at `load` Erlang.

    After Halfin and Whitt, "Heavy-Traffic Limits for Queues with Many Exponential Servers" (1981): with load a and
    n = a + beta * sqrt(a) servers, P(wait) = 1 / (1 + beta * Phi(beta) / phi(beta)), and a wait that is not zero is
    exponential. So a centre of ten and one of ten thousand agents are both about as good as their targets.
    """
    low, high = 0.0, 5.0
    for _ in range(30):
        beta = (low + high) / 2
        waits = 1 / (1 + beta * _NORMAL.cdf(beta) / _NORMAL.pdf(beta))
        late = waits * exp(-beta * sqrt(load) * _LOAD[channel].within_s / _LOAD[channel].handle_s)
        low, high = (beta, high) if late > 1 - _ATTAINED else (low, beta)
    return load + high * sqrt(load)
