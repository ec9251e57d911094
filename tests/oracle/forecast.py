"""What was to be expected in a half hour, and the agents that it takes: loops over days, and exact fractions."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import exp, sqrt
from statistics import median
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tests.oracle.rows import Row

HALF_HOUR_MS = 1_800_000
#: A day's queue: channel and queue.
Place = tuple[str, str]


class Expected(NamedTuple):
    """What was to be expected in a half hour: visits (None: nothing is known), from how many days, and their AHT."""

    visits: Fraction | None
    days: int
    aht_ms: int | None


def _shown(start: int, zone: ZoneInfo) -> tuple[date, int]:
    local = datetime.fromtimestamp(start / 1000, UTC).astimezone(zone)
    return local.date(), local.hour * 2 + local.minute // 30


def half_hours(first: date, last: date, zone: ZoneInfo) -> dict[int, tuple[date, int]]:
    """Give each half hour that begins on these days: its local day, and its number in the day.

    Of zones that are whole half hours from UTC.
    """
    begin = round(datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()) * 1000 - 86_400_000
    steps = range(begin, begin + ((last - first).days + 3) * 86_400_000, HALF_HOUR_MS)
    shown = ((start, _shown(start, zone)) for start in steps)
    return {start: place for start, place in shown if first <= place[0] <= last}


class Past(NamedTuple):
    """What a queue had by half hour and by day."""

    visits: Counter[int]
    by_day: Counter[date]
    handled: dict[date, list[int]]


def pasts(rows: Iterable[Row], zone: ZoneInfo) -> dict[Place, Past]:
    """Count by queue."""
    found: dict[Place, Past] = defaultdict(lambda: Past(Counter(), Counter(), defaultdict(list)))
    for row in rows:
        past = found[row.channel, row.queue]
        day, _ = _shown(row.at, zone)
        if row.sample == "entered":
            past.visits[row.at - row.at % HALF_HOUR_MS] += 1
            past.by_day[day] += 1
        elif row.sample == "handle":
            past.handled[day].append(row.value_ms or 0)
    return {place: past for place, past in found.items() if past.by_day}


def days_that_tell(past: Past, target: date, weeks: int, today: date, closed: Collection[date]) -> list[date]:
    """Name the days that a day is forecast from, the newest first."""
    newest = target - timedelta(7)
    while target >= today and newest >= today:
        newest -= timedelta(7)
    every = [newest - timedelta(7 * week) for week in range(weeks)]
    known = [day for day in every if day > min(past.by_day) and day not in closed]
    if len(known) < 4:
        return known
    usual = median(past.by_day[day] for day in known)
    spread = median(abs(past.by_day[day] - usual) for day in known)
    return [day for day in known if abs(past.by_day[day] - usual) <= 3 * max(1.4826 * spread, sqrt(max(usual, 1)))]


def forecast(
    rows: Iterable[Row],
    days: tuple[date, date],
    zone: ZoneInfo,
    *,
    weeks: int,
    today: date,
    closed: Mapping[str, Collection[date]],
) -> dict[tuple[int, str, str], Expected]:
    """Say of each half hour of these days, by its beginning (UTC milliseconds), channel and queue, what to expect.

    `closed` has the days that are unlike their weekday, by queue; those of '' hold for queues that it does not name.
    """
    first, last = days
    grid = half_hours(min(first, today) - timedelta(7 * (weeks + 1)), last, zone)
    showing: dict[tuple[date, int], list[int]] = defaultdict(list)
    for start, shown in grid.items():
        showing[shown].append(start)
    found = {}
    for (channel, queue), past in pasts(rows, zone).items():
        unlike = closed.get(queue, closed.get("", ()))
        for start, (day, number) in grid.items():
            if day < first or min(past.by_day) > last:
                continue
            tell = [] if day in unlike else days_that_tell(past, day, weeks, today, unlike)
            starts = [each for before in tell for each in showing[before, number]]
            handled = [each for before in tell for each in past.handled.get(before, ())]
            found[start, channel, queue] = Expected(
                Fraction(sum(past.visits[each] for each in starts), len(starts)) if starts else None,
                len(tell),
                round(sum(handled) / len(handled)) if handled else None,
            )
    return found


def waits(load: Fraction, agents: int) -> Fraction:
    """Return Erlang C, the probability of a wait, by its definition: a sum of exact fractions."""
    if agents <= load:
        return Fraction(1)
    term = total = Fraction(1)
    for n in range(1, agents):
        term *= load / n
        total += term
    last = term * load / agents * agents / (agents - load)
    return last / (total + last)


def level(load: Fraction, agents: int, aht_s: float, target_s: float) -> float:
    """Give the share that is answered within a target."""
    return 0.0 if agents <= load else 1 - float(waits(load, agents)) * exp(-float(agents - load) * target_s / aht_s)


def agents_needed(
    load: Fraction, aht_s: float, target_s: float | None, objective: float | None, max_occupancy: Fraction
) -> int:
    """Give the fewest that keep the objective and the occupancy."""
    if load == 0:
        return 0
    agents = 1
    while (
        agents <= load
        or agents * max_occupancy < load
        or (target_s is not None and objective is not None and level(load, agents, aht_s, target_s) < objective)
    ):
        agents += 1
    return agents
