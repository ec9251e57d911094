"""Steps and intervals by the wall clock of zones that differ: walked minute by minute, around each change of clocks."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client

from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from tests.fixtures.clickhouse import ClickHouseServer, own_database
from tests.sinks.rows import pane, write

#: A day of each zone, most with a change of clocks: by an hour, at midnight, by half an hour; and odd offsets.
DAYS: Final = (
    ("Europe/Helsinki", "2026-03-29"),
    ("Europe/Helsinki", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("Africa/Cairo", "2026-04-24"),
    ("Asia/Kathmandu", "2026-01-01"),
    ("America/St_Johns", "2026-03-08"),
)
QUARTER: Final = 900


def _local(at_s: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(at_s, UTC).astimezone(zone)


def _in_step(local: datetime, step_s: int) -> tuple[datetime, timedelta | None]:
    """Name the step that a wall clock shows: its nominal beginning, and, of at most an hour, which of two it is."""
    clock = local.replace(tzinfo=None)
    into = timedelta(seconds=(clock.hour * 3_600 + clock.minute * 60) % step_s)
    return clock - into, local.utcoffset() if step_s <= 3_600 else None


def _step_began(at_s: int, step_s: int, zone: ZoneInfo) -> int:
    """Walk back from a time, five minutes at once, as long as the clock shows the same step."""
    step = _in_step(_local(at_s, zone), step_s)
    while _in_step(_local(at_s - 300, zone), step_s) == step:
        at_s -= 300
    return at_s


def _quarters(day: str) -> range:
    begin = round(datetime.fromisoformat(f"{day}T00:00+00:00").timestamp()) - 86_400
    return range(begin, begin + 3 * 86_400, QUARTER)


@pytest.mark.parametrize(("zone", "day"), DAYS)
@pytest.mark.parametrize("step_s", [300, 600, 1_200, 1_800, 3_600, 7_200, 10_800, 43_200])
def test_steps_of_a_graph(asking: Client, zone: str, day: str, step_s: int) -> None:
    """Each quarter of an hour of three days lies in the step that the wall clock shows."""
    found = asking.query(
        f"SELECT arrayJoin({[*_quarters(day)]}) AS at_s,"
        f" toUnixTimestamp(pulssi_local_step(toDateTime64(at_s, 3, 'UTC'), {step_s}, '{zone}'))"
    ).result_rows
    expected = [(at_s, _step_began(at_s, step_s, ZoneInfo(zone))) for at_s in _quarters(day)]
    assert sorted(map(tuple, found)) == expected


@pytest.mark.parametrize(("zone", "day"), DAYS)
def test_intervals(clickhouse_server: ClickHouseServer, zone: str, day: str) -> None:
    """What entered in each quarter of an hour is counted in the interval that the wall clock shows, under its label."""
    entered = [
        pane(pane_start=at_s * 1_000, sample="entered", supplement=str(number))
        for number, at_s in enumerate(_quarters(day))
    ]
    with (
        own_database(clickhouse_server, "local_intervals", PULSSI_TIME_ZONE=zone) as ours,
        connect(ours) as client,
    ):
        write(ours, Batch(panes=entered))
        for minutes in (15, 30, 60):
            expected: Counter[tuple[int, str]] = Counter()
            for at_s in _quarters(day):
                began = _step_began(at_s, minutes * 60, ZoneInfo(zone))
                expected[began, f"{_local(began, ZoneInfo(zone)):%Y-%m-%d %H:%M}"] += 1
            found = client.query(
                "SELECT intDiv(toUnixTimestamp64Milli(interval_start), 1000), interval_local, entered"  # noqa: S608 - our own
                f" FROM intervals WHERE interval = '{minutes} minutes'"
            ).result_rows
            assert {(began, label): n for began, label, n in found} == expected
