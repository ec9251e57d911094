"""The forecast on the real engine against a plain computation over the same samples; Erlang C against fractions."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from schemas.calendars import DAY_MS
from schemas.settings import Settings
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from streams.times import milliseconds
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.oracle import forecast as oracle
from tests.oracle.contacts import milliseconds as ms
from tests.oracle.rows import Row
from tests.sinks.rows import pane, write

ZONE: Final = ZoneInfo("Europe/Helsinki")
#: A Monday; clocks go forward on 2026-03-29, so in Helsinki the half hours from 03:00 to 04:00 are not there.
BEGIN: Final = ms("2026-01-04T22:00Z")
WEEKS: Final = 13
#: 2026-04-05 is Easter: the centre is closed; an outage and a campaign made two Tuesdays odd.
CLOSED: Final = {"": [date(2026, 4, 3), date(2026, 4, 5)], "own": [date(2026, 3, 24)]}
OUTAGE: Final = date(2026, 3, 3)
CAMPAIGN: Final = date(2026, 3, 10)


class Queue(NamedTuple):
    """How many come in an hour on a Monday, from which week on, and how long each takes, in seconds."""

    name: str
    an_hour: float
    aht_s: float
    since: int = 0


QUEUES: Final = (Queue("large", 40, 240), Queue("small", 0.3, 600), Queue("own", 5, 300), Queue("new", 8, 120, 8))


def _samples() -> Iterator[Row]:
    draw = random.Random(5)  # noqa: S311 - a test's contacts
    for queue in QUEUES:
        for at in range(BEGIN + queue.since * 7 * DAY_MS, BEGIN + WEEKS * 7 * DAY_MS, 60_000):
            local = datetime.fromtimestamp(at / 1000, UTC).astimezone(ZONE)
            rate = queue.an_hour / 60 * (1 - 0.1 * local.weekday()) * (0.3 if local.hour < 8 else 1.0)
            rate *= {OUTAGE: 0.05, CAMPAIGN: 3.0}.get(local.date(), 1.0)
            for _ in range(sum(draw.random() < rate / 4 for _ in range(4))):
                yield Row("entered", "call", "", queue.name, "normal", at)
                lasts = round(draw.expovariate(1 / queue.aht_s) * 1000)
                yield Row("handle", "call", "", queue.name, "normal", at, value_ms=lasts)


@pytest.fixture(scope="module")
def told() -> list[Row]:
    """Give what was measured in the weeks."""
    return list(_samples())


@pytest.fixture(scope="module")
def weeks(clickhouse_server: ClickHouseServer, told: list[Row]) -> Iterator[Client]:
    """Give a client of a database that has it."""
    panes = [
        pane(
            1,
            1,
            channel="call",
            queue=row.queue,
            pane_start=row.at,
            sample=row.sample,
            sum_ms=row.value_ms or 0,
            supplement=str(number),
        )
        for number, row in enumerate(told)
    ]
    with own_database(clickhouse_server, "forecast_weeks", PULSSI_TIME_ZONE=ZONE.key) as ours, connect(ours) as client:
        write(ours, Batch(panes=panes))
        yield client


_CLOSED_SQL: Final = "map({})".format(
    ", ".join(f"'{queue}', [{', '.join(repr(str(day)) for day in days)}]" for queue, days in CLOSED.items())
)


@pytest.mark.parametrize(
    ("first", "last", "n"),
    [
        (date(2026, 3, 23), date(2026, 4, 6), 8),
        (date(2026, 3, 29), date(2026, 3, 29), 4),
        (date(2026, 1, 5), date(2026, 1, 20), 13),
    ],
)
def test_each_half_hour(weeks: Client, told: list[Row], first: date, last: date, n: int) -> None:
    """What is expected of it, from how many days, their handle time, and what came: of all that the clock shows."""
    rows = weeks.query(
        "SELECT toUnixTimestamp64Milli(interval_start), channel, queue, expected, days, aht_ms, entered, closed"  # noqa: S608 - our own times
        f" FROM forecast(first_day = '{first}', last_day = '{last}', weeks = {n}, closed_days = {_CLOSED_SQL})"
    ).result_rows
    expected = oracle.forecast(told, (first, last), ZONE, weeks=n, today=datetime.now(ZONE).date(), closed=CLOSED)
    assert len(rows) == len(expected)
    came = {place: past.visits for place, past in oracle.pasts(told, ZONE).items()}
    for start, channel, queue, mean, days, aht_ms, entered, closed in rows:
        found = expected[start, channel, queue]
        assert mean == (None if found.visits is None else pytest.approx(float(found.visits)))
        assert (days, aht_ms) == (found.days, found.aht_ms)
        assert entered == came[channel, queue][start]
        assert closed == (datetime.fromtimestamp(start / 1000, ZONE).date() in CLOSED.get(queue, CLOSED[""]))


def test_odd_days_and_closed_ones_tell_nothing(told: list[Row]) -> None:
    """The oracle itself: the outage and the campaign are not among what a Tuesday is forecast from."""
    past = oracle.pasts(told, ZONE)["call", "large"]
    tell = oracle.days_that_tell(past, date(2026, 3, 31), 8, date(2026, 12, 1), ())
    assert {OUTAGE, CAMPAIGN} & set(tell) == set()
    assert len(tell) == 6


def _days_to_come(asking: Client, shared_database: Settings, today: date) -> list[Any]:
    """Write two visits on some days of the past weeks, five a week ago; ask for today and three weeks."""
    asking.command("TRUNCATE TABLE panes_rows SYNC")
    noon = milliseconds(datetime.combine(today, time(12), UTC))
    ago = {day: noon - day * DAY_MS for day in (0, 7, 14, 21, 22)}
    write(shared_database, Batch(panes=[pane(1, 2, pane_start=at, sample="entered") for at in ago.values()]))
    write(shared_database, Batch(panes=[pane(1, 3, pane_start=ago[7], sample="entered", topic="other")]))
    return list(
        asking.query(
            "SELECT day, sum(expected), any(days), sum(entered) FROM forecast("  # noqa: S608 - our own times
            f"first_day = '{today}', last_day = '{today + timedelta(21)}', weeks = 2, closed_days = map('', []))"
            " GROUP BY day, channel, queue"
        ).result_rows
    )


def test_days_to_come_are_told_by_days_that_are_over(asking: Client, shared_database: Settings) -> None:
    """In three weeks as in one: by the last days of the weekday that are over, today not among them."""
    today, rows = None, []
    while today != (now := datetime.now(UTC).date()):  # again where midnight came between
        today, rows = now, _days_to_come(asking, shared_database, now)
    told = {(row[0] - today).days: row[1:3] for row in rows}
    assert [told[day] for day in (0, 7, 14, 21)] == [(3.5, 2)] * 4
    assert {row[3] for row in rows if row[0] > today} == {None}


@pytest.mark.parametrize("load", [Fraction(1, 100), Fraction(1, 2), Fraction(10), Fraction(77, 3), Fraction(400)])
def test_erlang_c_is_exact(asking: Client, load: Fraction) -> None:
    """The probability of a wait, by a sum of fractions; NULL where it is not known, 1 where the work is not done."""
    few = int(load)
    for agents in (few, few + 1, few + 3, few + 30):
        ((found,),) = asking.query(f"SELECT pulssi_erlang_c({float(load)!r}, {agents})").result_rows
        assert found == pytest.approx(float(oracle.waits(load, agents)), rel=1e-9)
    assert asking.query("SELECT pulssi_erlang_c(NULL, 3)").result_rows == [(None,)]


_HALF_HOUR: Final = "SELECT pulssi_agents({load}, {aht}, {target}, {objective}, {occupancy})"


@pytest.mark.parametrize("contacts", [0, 1, 7, 100, 900])
@pytest.mark.parametrize("aht_s", [30, 180, 700])
def test_agents_needed(asking: Client, contacts: int, aht_s: int) -> None:
    """The fewest that keep the promise and the occupancy, whichever asks for more; without a promise, the occupancy."""
    load = Fraction(contacts * aht_s, 1800)
    for target, objective, occupancy in (
        (20, 0.8, 0.85),
        (20, 0.8, 1),
        (0, 0.95, 1),
        (3600, 0.9, 0.7),
        (None, None, 0.85),
    ):
        sql = _HALF_HOUR.format(
            load=f"toFloat64({contacts}) * {aht_s} / 1800",
            aht=aht_s,
            target="CAST(NULL, 'Nullable(Float64)')" if target is None else target,
            objective="CAST(NULL, 'Nullable(Float64)')" if objective is None else objective,
            occupancy=occupancy,
        )
        expected = oracle.agents_needed(load, aht_s, target, objective, Fraction(str(occupancy)))
        assert asking.query(sql).result_rows == [(expected,)], (target, occupancy)


def test_no_number_of_agents_answers_everybody_in_time(asking: Client) -> None:
    """NULL for an objective of 100 %, not the number at which floating point rounds the rest away; 0 without load."""
    for load, expected in ((10, None), (2000, None), (0, 0)):
        sql = _HALF_HOUR.format(load=f"toFloat64({load})", aht=180, target=20, objective="1.", occupancy=0.85)
        assert asking.query(sql).result_rows == [(expected,)]
    without_target = _HALF_HOUR.format(load=10.0, aht=180, target="NULL", objective="1.", occupancy=1)
    assert asking.query(without_target).result_rows == [(11,)]


def test_what_the_tables_of_erlang_say(asking: Client) -> None:
    """A hundred calls of three minutes in half an hour: 14 agents answer 88.8 % in 20 s, after 7.8 s on average."""
    sql = "pulssi_erlang_level(10., n, 180, 20), pulssi_erlang_wait_s(10., n, 180)"
    ((agents, level, wait),) = asking.query(f"SELECT pulssi_agents(10., 180, 20, 0.8, 0.85) AS n, {sql}").result_rows
    assert (agents, round(level, 3), round(wait, 1)) == (14, 0.888, 7.8)
    assert asking.query(
        "SELECT pulssi_erlang_wait_s(10., 10, 180), pulssi_erlang_level(10., 10, 180, 20)"
    ).result_rows == [(None, 0.0)]
