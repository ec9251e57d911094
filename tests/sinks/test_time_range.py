"""Views over the whole range of times that is accepted: its first and its last instant, and nights of changed clocks.

What a day, a week, a month or an hour is, Python's own time zones say. DateTime ends in 2106 and Date begins in 1970: a
view that computes in them puts a call of 2099 into another century, and a week of 1970 into another one.
"""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from schemas.panes import PANE_MS
from sinks.clickhouse.store import ClickHouseStore
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.sinks.rows import contact, event, pane, sample, tag_pane

LAST_MS: Final = int(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1


def _ms(year: int, month: int, day: int, hour: int, minute: int) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


#: The ends; both hours that come twice in Helsinki and New York; a summer beyond the last change that tables list.
INSTANTS: Final = (
    *(0, 59_999, LAST_MS),
    *(_ms(2026, 10, 25, 0, 30), _ms(2026, 10, 25, 1, 30), _ms(2026, 11, 1, 5, 30), _ms(2026, 11, 1, 6, 30)),
    *(_ms(2026, 3, 29, 0, 59), _ms(2026, 3, 29, 1, 0), _ms(2037, 12, 31, 23, 59), _ms(2038, 1, 19, 3, 14)),
    *(_ms(2050, 7, 1, 22, 30), _ms(2096, 2, 29, 12, 0), _ms(2099, 12, 31, 4, 59), _ms(2099, 12, 31, 21, 59)),
)
QUEUES: Final = {f"q{at:02}": ms for at, ms in enumerate(INSTANTS)}


class Centre(NamedTuple):
    """A database in a time zone, with one of everything at each instant; each has a queue of its own."""

    zone: ZoneInfo
    client: Client


@pytest.fixture(scope="module", params=["UTC", "Europe/Helsinki", "America/New_York", "Pacific/Kiritimati"])
def centre(request: pytest.FixtureRequest, clickhouse_server: ClickHouseServer) -> Iterator[Centre]:
    """Write one of everything at each instant."""
    name = "ends_" + str(request.param).replace("/", "_").lower()
    batch = Batch()
    for queue, at in QUEUES.items():
        of: dict[str, Any] = {"pane_start": at - at % PANE_MS, "queue": queue}
        names = ("entered", "offered", "first_response", "handle")
        batch.panes += [pane(sample=each, channel="email", **of) for each in names]
        batch.tag_panes.append(tag_pane(**of))
        held = {"value_ms": 1, "target_ms": 2, "within": True, "outcome": "answered"}
        of = {"contact_id": queue, "queue": queue, "channel": "email", "at": at, **held}
        names = ("offered", "first_response", "queue_wait", "handle")
        batch.samples += [sample(1, sample=each, slot=each, **of) for each in names]
        whole = {"contact_id": queue, "queue": queue, "customer_id": queue, "tags": ["t"], "channel": "email"}
        batch.contacts.append(contact(1, **whole)._replace(started_at=at, resolved_at=at, last_at=at, open=False))
        batch.events.append(event(event_id=queue)._replace(contact_id=queue, occurred_at=at, queue=queue))
    with own_database(clickhouse_server, name, PULSSI_TIME_ZONE=request.param) as ours, connect(ours) as client:
        with closing(ClickHouseStore(ours)) as store:
            store.write(batch)
            store.save_gauges(LAST_MS - LAST_MS % PANE_MS)
        yield Centre(ZoneInfo(request.param), client)


def _wall(at: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone)


def _begin(at: int, zone: ZoneInfo, interval: str) -> datetime:
    """Say by the wall clock when the interval begins."""
    wall = _wall(at, zone).replace(second=0, microsecond=0)
    if interval.endswith("minutes"):
        return wall.replace(minute=wall.minute - wall.minute % int(interval.split(maxsplit=1)[0]))
    day = wall.replace(hour=0, minute=0, fold=0)
    return {"day": day, "week": day - timedelta(days=day.weekday()), "month": day.replace(day=1)}[interval]


@pytest.mark.parametrize("interval", ["15 minutes", "30 minutes", "60 minutes", "day", "week", "month"])
def test_intervals(centre: Centre, interval: str) -> None:
    """Each lies in its interval, which begins when the wall clock says, on that date."""
    found = centre.client.query(
        "SELECT queue, toString(day), interval_local, toUnixTimestamp64Milli(interval_start), offered, handled"
        " FROM intervals WHERE interval = {interval:String}",
        parameters={"interval": interval},
    ).result_rows
    expected = {}
    for queue, at in QUEUES.items():
        begin = _begin(at, centre.zone, interval)
        expected[queue] = (
            f"{begin:%Y-%m-%d}", f"{begin:%Y-%m-%d %H:%M}", int(begin.timestamp() * 1000), 1, 1
        )  # fmt: skip
    assert {row[0]: tuple(row[1:]) for row in found} == expected


def test_days_of_resolutions(centre: Centre) -> None:
    """First-contact resolution by the local date."""
    found = centre.client.query("SELECT queue, toString(day), resolved FROM fcr").result_rows
    assert {(queue, day) for queue, day, _ in found} == {
        (queue, f"{_wall(at, centre.zone):%Y-%m-%d}") for queue, at in QUEUES.items()
    }


@pytest.mark.parametrize("view", ["service_level", "queue_service_level", "email_service_level_by_arrival"])
def test_minutes(centre: Centre, view: str) -> None:
    """By the minute, in UTC."""
    rows = centre.client.query(
        f"SELECT queue, toUnixTimestamp64Milli(pane_start), answered FROM {view}"  # noqa: S608 - our own names
    ).result_rows
    assert {row[0]: tuple(row[1:]) for row in rows} == {queue: (at - at % PANE_MS, 1) for queue, at in QUEUES.items()}


@pytest.mark.parametrize("queue", QUEUES)
def test_tags(centre: Centre, queue: str) -> None:
    """In a range around each instant: its share, and the hour of the wall clock that it grew in, if that is past."""
    at = QUEUES[queue]
    began, ended = (f"fromUnixTimestamp64Milli({time})" for time in (max(at - 3_600_000, 0), at + 1))
    shares = centre.client.query(
        "SELECT queue, contacts, resolved_contacts, share_of_contacts, share_of_tagged"  # noqa: S608 - numbers
        f" FROM tag_shares(started_from = {began}, started_to = {ended}) WHERE scope = 'queue' AND queue = '{queue}'"
    ).result_rows
    assert shares == [(queue, 1, 1, 1.0, 1.0)]
    past = at < datetime.now(UTC).timestamp() * 1000
    wall = _wall(at, centre.zone)
    began, ended = (f"fromUnixTimestamp64Milli({time})" for time in (at - 7_200_000, at + 7_200_000))
    grown = centre.client.query(
        f"SELECT hour_local, n FROM tag_growth(hours_from = {began}, hours_to = {ended})"  # noqa: S608 - as above
        f" WHERE queue = '{queue}' AND n > 0"
    ).result_rows
    assert grown == ([(f"{wall:%Y-%m-%d %H}:00", 1)] if past else [])


def test_every_view_answers_whole(centre: Centre) -> None:
    """All columns of all rows, and none of the views that take no range is left out."""
    views = centre.client.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine = 'View' ORDER BY name"
    ).result_rows
    ranges = {"tag_shares": "started_from = {a}, started_to = {b}", "tag_growth": "hours_from = {a}, hours_to = {b}"}
    ranges["forecast"] = "first_day = '2026-10-20', last_day = '2026-11-05', weeks = 8, closed_days = map('', [])"
    ends = {"a": "toDateTime64('1970-01-01 00:00:00', 3, 'UTC')", "b": f"fromUnixTimestamp64Milli({LAST_MS}, 'UTC')"}
    assert {name for (name,) in views} >= {"samples", "panes", "contacts", "events", "intervals", "fcr", "gauges"}
    for (name,) in views:
        arguments = f"({ranges[name].format(**ends)})" if name in ranges else ""
        assert centre.client.query(f"SELECT * FROM {name}{arguments}").result_rows is not None  # noqa: S608 - our own names
