"""What planners, panels and alerts read: the figures of the views, on the real engine."""

import re
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.rows import PaneRow
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from streams.core.histogram import bucket
from tests.sinks.rows import pane, sample, types, write

MINUTE_MS = 60_000
#: The last Sunday of October 2026, 00:00 UTC: at 01:00 UTC the clocks in Helsinki go from 04:00 back to 03:00.
AUTUMN_MS = 1_792_886_400_000


def _pane(sample: str, start: int, **values: Any) -> PaneRow:  # noqa: ANN401 - any columns
    empty = {"n": 0, "n_target": 0, "n_within": 0, "sum_ms": 0, "hist": {}}
    return pane(sample=sample, pane_start=start, channel="call", **{**empty, "team": "t", **values})


def test_service_level_by_its_five_formulas(database: Settings, client: Client) -> None:
    """ICMI's example: 1000 answered, 860 within, 60 abandoned, 20 within; and NULL where there is nothing."""
    write(
        database,
        Batch(
            panes=[
                _pane("first_response", 0, n=1100, n_target=1000, n_within=860),
                _pane("abandoned", 0, n=70, n_target=60, n_within=20, n_short=5),
                _pane("first_response", MINUTE_MS, n=3),
            ]
        ),
    )
    names = "answered_only, offered, abandons_met, excluding_abandoned_within, short_excluded"
    rows = client.query(f"SELECT {names} FROM service_level ORDER BY pane_start").result_rows  # noqa: S608 - our own names
    assert [round(100 * each, 1) for each in rows[0]] == [86.0, 81.1, 83.0, 82.7, 81.5]
    assert rows[1] == (None,) * 5


def test_a_queues_own_service_level(database: Settings, client: Client) -> None:
    """ICMI's example told by visits; those that moved on, left, or had no target are in none of the counters."""
    visits = {
        ("answered", True): 860,
        ("answered", False): 140,
        ("abandoned", True): 20,
        ("abandoned", False): 40,
        ("moved", True): 7,
        ("left", False): 7,
    }
    rows = [
        sample(1)._replace(
            sample="queue_wait", slot=f"{outcome}{within}{at}", outcome=outcome, queue="q", value_ms=1, target_ms=2,
            within=within, short=at < 5 if (outcome, within) == ("abandoned", True) else None, at=MINUTE_MS + at,
        )
        for (outcome, within), n in visits.items()
        for at in range(n)
    ]  # fmt: skip
    rows += [rows[0]._replace(slot="no target", target_ms=None, within=None)]
    rows += [
        rows[0]._replace(slot="taken back", retracted=True),
        rows[0]._replace(slot="other", sample="first_response"),
    ]
    write(database, Batch(samples=rows))
    names = "answered, answered_within, abandoned, abandoned_within, short"
    formulas = "answered_only, offered, abandons_met, excluding_abandoned_within, short_excluded"
    (row,) = client.query(
        f"SELECT toUnixTimestamp64Milli(pane_start), {names}, {formulas} FROM queue_service_level"  # noqa: S608 - our own names
    ).result_rows
    assert row[:6] == (MINUTE_MS, 1000, 860, 60, 20, 5)
    assert [round(100 * each, 1) for each in row[6:]] == [86.0, 81.1, 83.0, 82.7, 81.5]


def test_intervals_follow_the_wall_clock(empty_database: Settings) -> None:
    """In the night the clocks go back, the hour that comes twice is two intervals; the day has 25 hours."""
    helsinki = empty_database.model_copy(update={"time_zone": "Europe/Helsinki"})
    migrate(helsinki)
    half_past = [AUTUMN_MS + 30 * MINUTE_MS, AUTUMN_MS + 90 * MINUTE_MS]
    hist = {bucket(10_000): 1}
    panes = [_pane("first_response", at, n=1, n_target=1, n_within=1, sum_ms=10_000, hist=hist) for at in half_past]
    midnight = [AUTUMN_MS - 180 * MINUTE_MS, AUTUMN_MS + 22 * 60 * MINUTE_MS]
    panes += [_pane("handle", at, n=2, sum_ms=600) for at in midnight]
    write(helsinki, Batch(panes=panes))
    with connect(helsinki) as client:
        ask = (
            "SELECT toUnixTimestamp64Milli(interval_start), interval_local, answered, asa_ms, handled, aht_ms"
            " FROM intervals WHERE interval = '{}' ORDER BY 1"
        )
        hours = client.query(ask.format("60 minutes")).result_rows
        days = client.query(ask.format("day")).result_rows
        weeks = client.query(ask.format("week")).result_rows
        p80 = client.query("SELECT first_response_p80_ms, service_level FROM intervals WHERE interval = 'month'")
    assert [row[:4] for row in hours if row[2]] == [
        (AUTUMN_MS, "2026-10-25 03:00", 1, 10_000),
        (AUTUMN_MS + 60 * MINUTE_MS, "2026-10-25 03:00", 1, 10_000),
    ]
    assert days == [
        (midnight[0], "2026-10-25 00:00", 2, 10_000, 2, 300),
        (midnight[1], "2026-10-26 00:00", 0, None, 2, 300),
    ]
    assert [row[1] for row in weeks] == ["2026-10-19 00:00", "2026-10-26 00:00"]
    assert p80.result_rows == [(pytest.approx(10_000, rel=0.01), 1.0)]


def test_a_queue_is_told_whole_and_by_team(database: Settings, client: Client) -> None:
    """Abandoned contacts have no team, answers do: only the queue's row holds one against the other."""
    fields = {"n_target": 10, "hist": {bucket(10_000): 10}, "sum_ms": 100_000}
    answers = [
        _pane("first_response", 0, team=team, n=10, n_within=within, **fields)
        for team, within in (("red", 9), ("blue", 5))
    ]
    gone = _pane("abandoned", 0, n=8, n_target=8, n_short=4, team="")
    write(database, Batch(panes=[*answers, gone, _pane("offered", 0, n=28, team="")]))
    columns = "team, offered, answered, abandoned, n_within, asa_ms, service_level"
    ask = "SELECT {} FROM {} WHERE interval = '15 minutes' ORDER BY team"
    assert client.query(ask.format(columns, "intervals")).result_rows == [("", 28, 20, 8, 14, 10_000, 14 / 24)]
    assert client.query(ask.format(columns, "intervals_by_team")).result_rows == [
        ("", 28, 0, 8, 0, None, 0.0),
        ("blue", 0, 10, 0, 5, 10_000, 0.5),
        ("red", 0, 10, 0, 9, 10_000, 0.9),
    ]
    whole, by_team = (types(client, view) for view in ("intervals", "intervals_by_team"))
    assert list(whole) == list(by_team)
    assert whole["day"] == "Date32"


@pytest.mark.parametrize("view", ["intervals", "intervals_by_team"])
@pytest.mark.parametrize("interval", ["15 minutes", "30 minutes", "60 minutes", "day", "week", "month"])
def test_a_filter_by_day_reads_no_other_month(database: Settings, client: Client, view: str, interval: str) -> None:
    """Of a year's parts only those that the day lies in are read, and the answer is right."""
    month_ms = 31 * 86_400_000
    starts = [AUTUMN_MS + 12 * 3_600_000 - month_ms * back for back in range(12)]
    write(database, Batch(panes=[_pane("handle", start, n=1, sum_ms=7) for start in starts]))
    ask = f"SELECT sum(handled) FROM {view} WHERE interval = '{interval}' AND day >= '2026-10-01'"  # noqa: S608 - our own names
    assert client.query(ask).result_rows == [(1,)]
    explained = "\n".join(row[0] for row in client.query(f"EXPLAIN indexes = 1 {ask}").result_rows)
    reads = [re.findall(r"Parts: (\d+)/(\d+)", read) for read in explained.split("ReadFromMergeTree")[1:]]
    told = [read for read in reads if read]  # what another interval's name leaves out is not read at all
    assert told
    assert all(int(read[0][1]) == len(starts) for read in told)
    assert all(int(read[-1][0]) <= 1 for read in told)


def test_what_was_taken_back_leaves_no_row(database: Settings, client: Client) -> None:
    """A pane whose samples all went elsewhere shows up nowhere: rows depend on the events, not on their order."""
    names = ("offered", "entered", "first_response", "abandoned", "handle")
    write(database, Batch(panes=[_pane(name, 0, hist={5: 0}) for name in names]))
    for view in ("panes", "service_level", "intervals", "intervals_by_team"):
        assert client.query(f"SELECT * FROM {view}").result_rows == [], view  # noqa: S608 - our own names
