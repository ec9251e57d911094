"""Checks of *Planning*: intervals against the samples, the forecast and staffing against a computation of their own."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Any, NamedTuple

import pytest

from schemas.policies import DEFAULT_POLICIES
from tests.dashboards.figures.arithmetic import (
    about,
    at,
    counts,
    groups,
    level,
    mean,
    only,
    percentile,
    seconds,
    share,
    worst_first,
)
from tests.dashboards.figures.held import Answer, Asked, held
from tests.dashboards.grafana_macros import Range
from tests.oracle import forecast as oracle
from tests.oracle.rows import Row
from tests.sinks.simulated_weeks import ZONE

HALF_HOUR_MS = oracle.HALF_HOUR_MS
WEEKS = 4
SHRINKAGE = Fraction("0.3")
#: With the second one the few contacts of the weeks need agents by their load: else one would do for each queue.
OCCUPANCIES = ("0.85", "0.01")


def _asked(panel: Asked, occupancy: str = OCCUPANCIES[0]) -> Answer:
    return panel(weeks=[str(WEEKS)], shrinkage=[str(float(SHRINKAGE))], occupancy=[occupancy])


def _half_hour(row: Row) -> int:
    return row.at - row.at % HALF_HOUR_MS


def _local(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, ZONE)


def _in(over: Range, at_ms: int) -> bool:
    return over.start * 1_000 <= at_ms <= over.end * 1_000


@held("weeks", "Planning / Intervals of 30 minutes, the newest first")
def intervals(panel: Asked) -> None:
    """Each half hour and queue with anything in it: volumes, handle times, percentiles and level."""
    over = panel.days.over._replace(start=panel.days.over.end - 2 * 86_400)
    samples = ("entered", "offered", "first_response", "abandoned", "handle")
    inside = [row for row in only(panel.days.told, *samples) if _in(over, _half_hour(row))]
    of = groups(inside, lambda row: (f"{_local(_half_hour(row)):%Y-%m-%d %H:%M}", row.channel, row.queue))
    rows = panel(over)
    assert {(row["Interval"], row["channel"], row["queue"]) for row in rows} == set(of)
    for row in rows:
        mine = of[row["Interval"], row["channel"], row["queue"]]
        names = ("Entered", "Offered", "Answered", "Abandoned")
        assert [row[name] for name in names] == [len(only(mine, sample)) for sample in samples[:4]]
        for name, sample in (("AHT", "handle"), ("Answer mean", "first_response")):
            average = mean(seconds(mine, sample))
            assert row[name] == (None if average is None else pytest.approx(average, abs=0.000_6))
        assert row["Response p80"] == percentile(seconds(mine, "first_response"), 0.8)
        assert row["Level"] == about(level(mine))
    assert [row["Interval"] for row in rows] == sorted((row["Interval"] for row in rows), reverse=True)


@held("weeks", "Planning / Offered by weekday and hour")
def by_weekday(panel: Asked) -> None:
    """By the centre's clock, a mean over the days of a weekday; of 100 and more a whole number, else one decimal.

    An hour that is not whole in the range says nothing: neither that few came, nor that the mean of its weekday is low.
    """
    samples = ("entered", "offered", "first_response", "abandoned", "handle")
    week = panel.days.over
    for over in (week, week._replace(start=week.start - 14 * 86_400 + 45_000, end=week.end - 6 * 3_600 - 60)):
        came: dict[tuple[str, int], dict[date, int]] = defaultdict(dict)
        offered = counts(panel.days.told, "offered", lambda row: (_local(row.at).date(), _local(row.at).hour))
        hours = (row.at - row.at % 3_600_000 for row in only(panel.days.told, *samples))
        known = {_local(begin).date() for begin in hours if _in(over, begin)}
        for begin in range(over.start // 3_600 * 3_600, over.end, 3_600):
            local = _local(begin * 1_000)
            if over.start <= begin and begin + 3_600 <= over.end + 1 and local.date() in known:
                came[f"{local:%a}", local.hour][local.date()] = offered[local.date(), local.hour]
        rows = {row["Day"]: row for row in panel(over)}
        assert set(rows) == {day for day, _ in came}
        for day, row in rows.items():
            for hour in range(24):
                of_days = came.get((day, hour), {})
                expected = sum(of_days.values()) / len(of_days) if of_days else None
                assert row[f"{hour:02}"] == (None if expected is None else pytest.approx(expected, abs=0.051)), day
    assert max(len(of_days) for of_days in came.values()) == 3


@held("weeks", "Planning / Work that was done, in agents")
def work(panel: Asked) -> None:
    """Handle time that closed in a half hour, over its length; a 0 where something else happened."""
    over = panel.days.over
    handled: dict[tuple[int, str], int] = defaultdict(int)
    for row in only(panel.days.told, "handle"):
        if _in(over, _half_hour(row)):
            handled[_half_hour(row), row.channel] += row.value_ms or 0
    rows = {(at(row["time"]), row["channel"]): row["agents"] for row in panel()}
    assert {key: agents for key, agents in rows.items() if agents} == {
        key: about(worked / HALF_HOUR_MS) for key, worked in handled.items() if worked
    }


Forecast = dict[tuple[int, str, str], oracle.Expected]


def _forecast(panel: Asked, first: date, last: date) -> Forecast:
    today = datetime.now(ZONE).date()
    return oracle.forecast(panel.days.told, (first, last), ZONE, weeks=WEEKS, today=today, closed={})


def _range(panel: Asked) -> Forecast:
    over = panel.days.over
    found = _forecast(panel, _local(over.start * 1_000).date(), _local(over.end * 1_000).date())
    return {key: expected for key, expected in found.items() if _in(over, key[0])}


@held("weeks", "Planning / Entered and forecast")
def forecast(panel: Asked) -> None:
    """All queues of a half hour, whether anything came or not."""
    expected: dict[int, Fraction] = defaultdict(Fraction)
    for (start, _, _), one in _range(panel).items():
        expected[start] += one.visits or 0
    entered = counts(panel.days.told, "entered", _half_hour)
    rows = {at(row["time"]): row for row in _asked(panel)}
    assert set(rows) == set(expected)
    for start, row in rows.items():
        assert row["Entered"] == entered[start]
        assert row["Forecast"] == pytest.approx(float(expected[start]))


@held("weeks", "Planning / Forecast error by queue, the largest first")
def errors(panel: Asked) -> None:
    """Of the days up to the range's last: the differences by day and by half hour, and the bias, over what entered."""
    last = _local(panel.days.over.end * 1_000).date()
    entered = counts(panel.days.told, "entered", lambda row: (_half_hour(row), row.channel, row.queue))
    came: dict[tuple[str, str], dict[date, list[tuple[int, Fraction]]]] = defaultdict(lambda: defaultdict(list))
    for key, one in _forecast(panel, last - timedelta(27), last).items():
        if one.visits is not None:
            start, *where = key
            came[where[0], where[1]][_local(start).date()].append((entered[key], one.visits))
    rows = _asked(panel)
    assert {(row["channel"], row["queue"]) for row in rows} == set(came)
    for row in rows:
        days = came[row["channel"], row["queue"]].values()
        came_and_told = [tuple(map(sum, zip(*day, strict=True))) for day in days]
        n, told = map(sum, zip(*came_and_told, strict=True))
        by_day = sum(abs(one - other) for one, other in came_and_told)
        by_half_hour = sum(abs(visits - actual) for day in days for actual, visits in day)
        assert (row["Entered"], row["Forecast"]) == (n, pytest.approx(float(told)))
        assert row["Bias"] == about(None if not n else float(told / n - 1))
        assert row["Error by day"] == about(share(float(by_day), n))
        assert row["Error by half hour"] == about(share(float(by_half_hour), n))
    assert worst_first([None if row["Error by day"] is None else -row["Error by day"] for row in rows])


class Needed(NamedTuple):
    """A half hour of a queue: its load in Erlang, and what that takes."""

    load: Fraction
    aht_s: float
    agents: int
    positions: int


def _needed(panel: Asked, occupancy: str) -> dict[tuple[int, str, str], Needed]:
    policies = {policy.channel: policy for policy in DEFAULT_POLICIES}
    found = {}
    for key, one in _range(panel).items():
        if one.visits is not None and one.aht_ms is not None:
            policy = policies[key[1]]
            load = one.visits * one.aht_ms / HALF_HOUR_MS
            target_s = policy.target_ms / 1_000
            agents = oracle.agents_needed(load, one.aht_ms / 1_000, target_s, policy.objective, Fraction(occupancy))
            found[key] = Needed(load, one.aht_ms / 1_000, agents, ceil(agents / (1 - SHRINKAGE)))
    return found


@held("weeks", "Planning / Positions needed, by channel")
def positions(panel: Asked) -> None:
    """The sum of the positions of all queues, each computed alone; a gap where nothing is forecast, and no line."""
    over = panel.days.over
    first_week = over._replace(start=over.start - 28 * 86_400, end=over.end - 28 * 86_400)
    assert {row["needed"] for row in panel(first_week)} == {None}
    for occupancy in OCCUPANCIES:
        expected: dict[tuple[int, str], int] = defaultdict(int)
        for (start, channel, _), one in _needed(panel, occupancy).items():
            expected[start, channel] += one.positions
        found = {(at(row["time"]), row["channel"]): row["needed"] for row in _asked(panel, occupancy)}
        assert {key: n for key, n in found.items() if n is not None} == expected
    assert len(set(expected.values())) > 10


@held("weeks", "Planning / Not in the positions, and why")
def without_positions(panel: Asked) -> None:
    """Forecast contacts of queues without a known handle time; no objective is 100 % here."""
    found: dict[tuple[str, str], list[Fraction]] = defaultdict(list)
    for (_, channel, queue), one in _range(panel).items():
        if one.visits and one.aht_ms is None:
            found[channel, queue].append(one.visits)
    expected = {key: (len(visits), pytest.approx(float(sum(visits)))) for key, visits in found.items()}
    rows = _asked(panel)
    assert {(row["channel"], row["queue"]): (row["Half hours"], row["Forecast"]) for row in rows} == expected
    assert {row["Why"] for row in rows} <= {"no handle time is known"}


@held("weeks", "Planning / The busiest half hour of each queue, most positions first")
def busiest(panel: Asked) -> None:
    """The load of it, the agents that Erlang C asks for, and what these give."""
    for occupancy in OCCUPANCIES:
        of_queue: dict[tuple[str, str], dict[int, Needed]] = defaultdict(dict)
        for (start, channel, queue), one in _needed(panel, occupancy).items():
            of_queue[channel, queue][start] = one
        rows = _asked(panel, occupancy)
        assert {(row["channel"], row["queue"]) for row in rows if row["AHT"] is not None} == set(of_queue)
        for row in rows:
            if row["AHT"] is not None:
                _hold_busiest(row, of_queue[row["channel"], row["queue"]])


def _hold_busiest(row: dict[str, Any], half_hours: dict[int, Needed]) -> None:
    local = datetime.fromisoformat(row["Half hour"]).replace(tzinfo=ZONE)
    one = half_hours[round(local.astimezone(UTC).timestamp()) * 1_000]
    assert one.positions == max(other.positions for other in half_hours.values())
    assert (row["Load"], row["AHT"]) == (pytest.approx(float(one.load)), one.aht_s)
    assert (row["Agents"], row["Positions"]) == (one.agents, one.positions)
    (policy,) = [policy for policy in DEFAULT_POLICIES if policy.channel == row["channel"]]
    assert (row["Target"], row["Objective"]) == (policy.target_ms / 1_000, policy.objective)
    level_then, wait = 1.0, 0.0
    if one.load:
        level_then = oracle.level(one.load, one.agents, one.aht_s, policy.target_ms / 1_000)
        wait = float(oracle.waits(one.load, one.agents) / (one.agents - one.load)) * one.aht_s
    assert (row["Level"], row["Mean wait"]) == (pytest.approx(level_then), pytest.approx(wait))
    assert row["Occupancy"] == about(share(float(one.load), one.agents))
