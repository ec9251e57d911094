"""How many contacts come, and when: day and week profiles, a forecast that errs, and surges.

`planned` is what the planners expected and staffed for; `actual` is what comes. Both are functions of the time, so the
same day has the same demand however a simulation of it is cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import exp, sqrt
from typing import Final
from zoneinfo import ZoneInfo

from schemas.topics import Channel
from streams.sources.simulator.centre import (
    DAY_SHAPE,
    LINES_AT_ARRIVAL,
    LINES_OF_OFFICE,
    MAIN_TOPIC,
    OFFICE_HOURS,
    QUEUES,
    SIDE_TOPICS,
    WEEK_SHAPE,
    Queue,
    Topic,
)
from streams.sources.simulator.draws import Draws

#: Demand is constant within a slice.
SLICE_MS: Final = 5 * 60_000
_HOUR_MS: Final = 3_600_000
_WEEK_MS: Final = 7 * 24 * _HOUR_MS
#: A forecast of a large queue is off by this share in a typical hour; chance alone makes small queues vary more.
_FORECAST_ERROR: Final = 0.07
#: Each day has a lesser surge by night or morning, and one from the afternoon on: begins within (seconds), lasts.
_SIDE_BEGINS_S: Final = ((0, 9 * 3600), (14 * 3600, 23 * 3600))
_SIDE_LASTS_MS: Final = 40 * 60_000


@dataclass(frozen=True)
class Surge:
    """A stretch in which one topic brings `extra` times a queue's usual volume on top. Times in UTC milliseconds."""

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
            return self.extra * min(1.0, 0.5 + since / (10 * 60_000))
        left = exp(-(since - self.lasts) / (12 * 60_000))
        return self.extra * left if left > 1 / 32 else 0.0


def _mean_of(shape: tuple[float, ...]) -> float:
    return sum(shape) / len(shape)


def _email_hours_per_week() -> float:
    return sum(hours[1] - hours[0] for hours in OFFICE_HOURS if hours is not None)


class Demand:
    """The contacts of one run: `rate` lines a second on average over its window, or over a week where it has no end."""

    def __init__(self, seed: int, zone: ZoneInfo, rate: float, start: int, lasts: int | None) -> None:
        self._seed = seed
        self._zone = zone
        self._surges: dict[date, tuple[Surge, ...]] = {}
        self._shapes: dict[tuple[Channel, int], float] = {}
        self._noise: dict[tuple[Channel, str, int], float] = {}
        self._error = 0.0
        #: Contacts a second of the whole centre in an average hour of the week.
        self.contacts_per_second = 1.0
        span = _WEEK_MS if lasts is None else lasts
        steps = max(1, min(2016, span // SLICE_MS))
        times = [start + span * step // steps for step in range(steps)]
        mean = sum(self._lines(at) for at in times) / steps
        self.contacts_per_second = rate / mean
        self._error = min(_FORECAST_ERROR, 0.5 / sqrt(1 + 40 * rate))

    def local(self, at: int) -> datetime:
        """Return the centre's own time."""
        return datetime.fromtimestamp(at / 1000, UTC).astimezone(self._zone)

    def shape(self, channel: Channel, at: int) -> float:
        """Return the expected volume of a channel relative to its mean over the week."""
        key = (channel, at // SLICE_MS)
        known = self._shapes.get(key)
        if known is None:
            local = self.local(key[1] * SLICE_MS)
            hours, week = DAY_SHAPE[channel], WEEK_SHAPE[channel]
            part = local.minute / 60
            hour = hours[local.hour] * (1 - part) + hours[(local.hour + 1) % 24] * part
            known = hour / _mean_of(hours) * week[local.weekday()] / _mean_of(week)
            self._shapes[key] = known
        return known

    def planned(self, queue: Queue, at: int) -> float:
        """Return the contacts a second that were forecast."""
        return self.contacts_per_second * queue.share * self.shape(queue.channel, at)

    def actual(self, queue: Queue, at: int) -> float:
        """Return the contacts a second that come."""
        surge = sum(each.strength(at) for each in self.surges(at) if each.topic.queue == queue.name)
        return self.planned(queue, at) * (self._forecast_error(queue, at) + surge)

    def topic(self, queue: Queue, at: int, draws: Draws) -> Topic | None:
        """Draw whether a contact that comes now is about a surge's topic."""
        for surge in self.surges(at):
            if surge.topic.queue == queue.name:
                strength = surge.strength(at)
                if strength and draws.chance(strength / (1 + strength)):
                    return surge.topic
        return None

    def surges(self, at: int) -> tuple[Surge, ...]:
        """Return the surges of that local day and of the day before, whose end may reach into it."""
        today = self.local(at - at % SLICE_MS).date()
        known = self._surges.get(today)
        if known is None:
            known = (*self._surges_of(today - timedelta(days=1)), *self._surges_of(today))
            self._surges[today] = known
        return known

    def office_open(self, at: int) -> bool:
        """Tell whether the back office works now."""
        local = self.local(at)
        hours = OFFICE_HOURS[local.weekday()]
        return hours is not None and hours[0] <= local.hour < hours[1]

    def office_work(self) -> float:
        """Return the e-mails a second that the back office must settle while it is open, so that none are left."""
        share = sum(queue.share for queue in QUEUES if queue.channel == "email")
        return self.contacts_per_second * share * 7 * 24 / _email_hours_per_week()

    def _surges_of(self, day: date) -> tuple[Surge, ...]:
        draws = Draws(f"{self._seed}:surges:{day.isoformat()}")
        midnight = datetime(day.year, day.month, day.day, tzinfo=self._zone)
        begins = int(midnight.timestamp() * 1000)
        main = Surge(MAIN_TOPIC, begins + draws.between(9.5 * 3600, 15 * 3600), draws.between(2700, 4500), 1.1)
        sides = [
            Surge(SIDE_TOPICS[draws.below(len(SIDE_TOPICS))], begins + draws.between(low, high), _SIDE_LASTS_MS, 0.6)
            for low, high in _SIDE_BEGINS_S
        ]
        return (main, *sides)

    def _forecast_error(self, queue: Queue, at: int) -> float:
        key = (*queue.key, at // _HOUR_MS)
        known = self._noise.get(key)
        if known is None:
            draws = Draws(f"{self._seed}:forecast:{key}")
            known = exp(draws.random.gauss(0, self._error))
            self._noise[key] = known
        return known

    def _lines(self, at: int) -> float:
        """Return the lines a second at one contact a second."""
        lines = sum(self.actual(queue, at) * LINES_AT_ARRIVAL[queue.channel] for queue in QUEUES)
        return lines + (self.office_work() * LINES_OF_OFFICE if self.office_open(at) else 0.0)
