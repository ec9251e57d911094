"""The gauges kept a minute at a time: each minute once, at its turn, or not at all."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from sinks.clickhouse.store import ZEROS_FOR_MS, ClickHouseStore
from sinks.gauge_schedule import GRACE_MS, MINUTE_MS, each_minute
from sinks.store_protocol import Batch, StoreError
from streams import times
from tests.sinks.rows import contact, types

#: A minute's turn in 2026.
T0 = 1_790_000_040_000


def _kept(client: Client) -> list[tuple[Any, ...]]:
    ask = "SELECT toUnixTimestamp64Milli(at), channel, queue, waiting, awaiting_reply, open, breached_next_response"
    rows = client.query(f"{ask}, stale FROM gauge_history ORDER BY at, channel, queue").result_rows
    return [((row[0] - T0) // MINUTE_MS, *row[1:]) for row in rows]


@pytest.fixture
def store(database: Settings) -> Iterator[ClickHouseStore]:
    """Return a store of an empty database."""
    with closing(ClickHouseStore(database)) as store:
        yield store


def test_a_minute_is_kept_once(database: Settings, store: ClickHouseStore, client: Client) -> None:
    """All gauges of every queue; of two sinks, or one that was started again, the first has the minute."""
    of_a = [
        contact(1, contact_id="1", queue="a", waiting_since=T0),
        contact(1, contact_id="2", queue="a", awaiting_since=T0, next_response_breached_at=T0),
    ]
    store.write(Batch(contacts=[*of_a, contact(1, contact_id="3", queue="b", channel="call", leaves_at=T0)]))
    store.save_gauges(T0)
    store.write(Batch(contacts=[contact(2, contact_id="4", queue="a")]))
    with closing(ClickHouseStore(database)) as other:
        other.save_gauges(T0)
        other.save_gauges(T0 + MINUTE_MS)
    assert _kept(client) == [
        (0, "call", "b", 0, 0, 0, 0, 1),
        (0, "chat", "a", 1, 1, 2, 1, 0),
        (1, "call", "b", 0, 0, 0, 0, 1),
        (1, "chat", "a", 1, 1, 3, 1, 0),
    ]
    assert types(client, "gauges") == types(client, "gauge_history")


def test_two_at_the_same_time_are_one(store: ClickHouseStore, client: Client) -> None:
    """Where neither sees the other's, the later replaces the earlier; nothing is counted twice."""
    store.write(Batch(contacts=[contact(1, queue="a")]))
    store.save_gauges(T0)
    client.command("INSERT INTO gauge_history_rows SELECT * REPLACE (taken_at + 1 AS taken_at) FROM gauge_history_rows")
    assert _kept(client) == [(0, "chat", "a", 0, 0, 1, 0, 0)]


def test_a_graph_falls_to_zero(store: ClickHouseStore, client: Client) -> None:
    """A queue that has nothing any more has zeros for an hour; a minute that was missed stays missing."""
    store.write(Batch(contacts=[contact(1, queue="a")]))
    store.save_gauges(T0)
    store.write(Batch(contacts=[contact(2, queue="a", open=False)]))
    hour = ZEROS_FOR_MS // MINUTE_MS
    for minute in (1, 3, hour - 1, hour, hour + 1):
        store.save_gauges(T0 + minute * MINUTE_MS)
    zeros = [(minute, "chat", "a", 0, 0, 0, 0, 0) for minute in (1, 3, hour - 1, hour)]
    assert _kept(client) == [(0, "chat", "a", 0, 0, 1, 0, 0), *zeros]


def test_how_old_the_figures_are(store: ClickHouseStore, client: Client) -> None:
    """Known of minutes without any gauge, too; running times stop where the figures do. Before the first: not known."""
    ask = "SELECT toUnixTimestamp64Milli(data_at), age_ms, as_of = at, as_of = data_at FROM freshness"
    assert client.query(ask).result_rows == [(None, None, True, None)]
    now = times.now_ms()
    minute = now - now % MINUTE_MS
    for at, is_old in ((minute - 10 * MINUTE_MS, True), (minute, False), (minute - MINUTE_MS, False)):
        store.save_gauges(at)
        ((data_at, age_ms, runs, stands),) = client.query(ask).result_rows
        assert data_at == max(at, minute if not is_old else at)
        assert age_ms >= now - data_at
        assert (runs, stands) == (not is_old, is_old)
    assert _kept(client) == []


class _Clock:
    """A clock that moves where it is waited for, and what was saved when."""

    def __init__(self, now: int, until: int, away: range = range(0), unready: range = range(0)) -> None:
        self.now = now
        self.until = until
        self.away = away
        self.unready = unready
        self.saved: list[tuple[int, int]] = []

    async def wait(self, ms: int) -> bool:
        self.now += ms
        await asyncio.sleep(0)
        return self.now >= self.until

    async def save(self, minute: int) -> None:
        if self.now in self.away:
            raise StoreError("away")
        self.saved.append((minute, self.now))

    async def run(self) -> list[tuple[int, int]]:
        await each_minute(lambda: self.now, self.wait, lambda: self.now not in self.unready, self.save)
        return self.saved


@pytest.mark.parametrize(
    ("clock", "saved"),
    [
        pytest.param(_Clock(GRACE_MS, 4 * MINUTE_MS), {1: 0, 2: 0, 3: 0}, id="each that begins, at its beginning"),
        pytest.param(_Clock(MINUTE_MS - 1, 4 * MINUTE_MS), {1: 0, 2: 0, 3: 0}, id="begun before a turn"),
        pytest.param(_Clock(GRACE_MS - 1, MINUTE_MS), {0: GRACE_MS - 1}, id="begun soon after a turn: no gap"),
        pytest.param(
            _Clock(0, 4 * MINUTE_MS, away=range(1, 2 * MINUTE_MS + GRACE_MS)), {0: 0, 3: 0}, id="away for two turns"
        ),
        pytest.param(
            _Clock(0, 2 * MINUTE_MS, away=range(MINUTE_MS, MINUTE_MS + 2_500)), {0: 0, 1: 3_000}, id="back in time"
        ),
        pytest.param(
            _Clock(0, 3 * MINUTE_MS, unready=range(MINUTE_MS + GRACE_MS + 1)), {2: 0}, id="what is in is not of now"
        ),
    ],
)
async def test_each_minute_at_its_turn(clock: _Clock, saved: dict[int, int]) -> None:
    """Every minute so many milliseconds after its beginning, or not at all: nothing is made up."""
    assert await clock.run() == [(turn * MINUTE_MS, turn * MINUTE_MS + late) for turn, late in saved.items()]


async def test_a_clock_that_jumps_ahead() -> None:
    """After a sleep of the machine the minutes between are missing."""
    clock = _Clock(0, 10 * MINUTE_MS)

    async def wait(ms: int) -> bool:
        clock.now += 5 * MINUTE_MS + 1_000 if clock.now == 0 and ms else ms
        return clock.now >= clock.until

    await each_minute(lambda: clock.now, wait, lambda: True, clock.save)
    assert [minute // MINUTE_MS for minute, _ in clock.saved] == [0, 5, 6, 7, 8, 9]
