"""The last four weeks, read from the real engine; without it the part goes on, and tells why nothing is known."""

import asyncio
from typing import Any, Final

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.store_protocol import Batch
from streams.clickhouse.connection import connect
from streams.configuration.environment import load_settings
from streams.seasonal import reader
from streams.seasonal.past import HOUR_MS, QUARTER_MS
from streams.seasonal.reader import KEPT_MS, PastReader, PastReading, read_past
from tests.sinks.rows import pane, tag_pane, write

NOON: Final = 1_772_452_800_000  # 2026-03-02 12:00 UTC
MINUTE: Final = 60_000
DAY: Final = 24 * HOUR_MS
WEEK: Final = 7 * DAY
SALES: Final[Any] = {"channel": "call", "queue": "sales"}


def test_arrivals_entries_and_tags_by_their_steps(database: Settings) -> None:
    """Every priority and source partition is added; other samples, and what came to nothing, are not."""
    quarter = NOON - WEEK
    panes = [
        pane(sample="offered", pane_start=quarter, n=2, **SALES),
        pane(sample="offered", pane_start=quarter + 14 * MINUTE, n=3, priority="high", **SALES),
        pane(sample="offered", pane_start=quarter + 14 * MINUTE, n=4, partition=1, **SALES),
        pane(sample="offered", pane_start=quarter + 15 * MINUTE, n=5, **SALES),
        pane(sample="offered", pane_start=quarter, n=1, channel="chat", queue="sales"),
        pane(sample="offered", pane_start=NOON - 5 * WEEK, n=7, **SALES),
        pane(sample="entered", pane_start=quarter, n=9, **SALES),
        pane(sample="first_response", pane_start=quarter, n=11, **SALES),
        pane(sample="offered", pane_start=quarter, n=0, channel="call", queue="gone"),
    ]
    tags = [
        tag_pane(pane_start=quarter, n=1, tag="fault", **SALES),
        tag_pane(pane_start=quarter + 59 * MINUTE, n=2, tag="fault", **SALES),
        tag_pane(pane_start=quarter + 60 * MINUTE, n=3, tag="fault", **SALES),
        tag_pane(pane_start=quarter, n=4, tag="order", **SALES),
    ]
    write(database, Batch(panes=panes, tag_panes=tags))
    past = read_past(database, NOON + 7 * MINUTE)
    assert past.read_at == NOON + 7 * MINUTE
    assert {key: dict(counts) for key, counts in past.arrivals.items()} == {
        ("call", "sales"): {quarter: 9, quarter + QUARTER_MS: 5},
        ("chat", "sales"): {quarter: 1},
    }
    assert {key: dict(counts) for key, counts in past.entered.items()} == {("call", "sales"): {quarter: 9}}
    assert {key: dict(counts) for key, counts in past.tags.items()} == {
        ("call", "sales", "fault"): {quarter: 3, quarter + HOUR_MS: 3},
        ("call", "sales", "order"): {quarter: 4},
    }
    assert past.left_out == 0


def test_since_when_it_is_known(database: Settings) -> None:
    """From the first pane on, as far back as is read; where there is none, nothing is known."""
    assert read_past(database, NOON).since == NOON
    write(database, Batch(panes=[pane(sample="offered", pane_start=NOON - 9 * DAY, **SALES)]))
    assert read_past(database, NOON).since == NOON - 9 * DAY
    write(database, Batch(panes=[pane(sample="handle", pane_start=NOON - 400 * DAY, **SALES)]))
    assert read_past(database, NOON).since == NOON - 4 * WEEK - 26 * HOUR_MS


def test_since_when_each_channel_is_known(database: Settings) -> None:
    """A channel that was connected later is known from then on, and one without contacts is not known at all."""
    panes = [
        pane(sample="offered", pane_start=NOON - 20 * DAY, **SALES),
        pane(sample="offered", pane_start=NOON - 9 * DAY, channel="email", queue="sales"),
    ]
    write(database, Batch(panes=panes))
    past = read_past(database, NOON)
    assert past.since == NOON - 20 * DAY
    assert past.channels == {"call": NOON - 20 * DAY, "email": NOON - 9 * DAY, "chat": NOON}
    assert past.known_since(("call", "email")) == NOON - 9 * DAY


def test_what_is_too_much_is_left_out_the_least_first(database: Settings) -> None:
    """Memory is bounded by the number of queues and tags; of those that are left out it is said how many."""
    queues = [pane(sample="offered", pane_start=NOON - DAY, n=n, channel="call", queue=f"q{n}") for n in (3, 1, 2)]
    tags = [tag_pane(pane_start=NOON - DAY, n=n, tag=f"t{n}", **SALES) for n in (4, 9, 5)]
    tags += [tag_pane(pane_start=NOON - DAY, n=n, tag="both", channel="call", queue=f"q{n}") for n in (1, 5)]
    write(database, Batch(panes=queues, tag_panes=tags))
    past = read_past(database, NOON, queues=2, tags=1)
    assert set(past.arrivals) == {("call", "q3"), ("call", "q2")}
    assert set(past.tags) == {("call", "sales", "t9")}
    assert past.left_out == 4
    for most, kept, left_out in ((2, {"t9"}, 4), (3, {"t9", "both"}, 2), (4, {"t9", "both", "t5"}, 1)):
        past = read_past(database, NOON, queues=2, tags=most)
        assert {tag for _, _, tag in past.tags} == kept  # in all of its queues or in none
        assert (len(past.tags), past.left_out) == (5 - left_out, left_out)
    (of_calls,) = past.of_channel.items()
    assert (of_calls[0], sum(of_calls[1].values())) == ("call", 6)
    assert read_past(database, NOON, queues=3).of_channel == {}


def test_memory_does_not_grow_with_tags(database: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where programs put a number of each contact into a tag, ClickHouse counts hours of those alone that are kept."""
    tags = [
        tag_pane(pane_start=NOON - DAY, n=1 + number % 2, tag=f"order {number}", **SALES) for number in range(20_000)
    ]
    write(database, Batch(tag_panes=tags))
    monkeypatch.setitem(reader.QUERY_LIMITS, "max_memory_usage", 100_000_000)
    past = read_past(database, NOON, tags=100)
    assert (len(past.tags), past.left_out) == (100, 19_900)


async def test_it_is_asked_again_and_what_was_read_stays(empty_database: Settings) -> None:
    """Without tables it fails and says so; then it is read; when that fails later, it holds for six days more."""
    now = NOON
    reader = PastReader(empty_database, lambda: now)
    assert reader.reading() == PastReading("reading")
    await reader.read()
    failed = reader.reading()
    assert (failed.state, failed.read_at, reader.past) == ("failed", None, None)
    assert empty_database.clickhouse_database in failed.reason
    migrate(empty_database)
    await reader.read()
    assert reader.reading() == PastReading("ready", "", NOON)
    with connect(empty_database, database="") as client:
        client.command(f"DROP DATABASE {empty_database.clickhouse_database} SYNC")
    now = NOON + KEPT_MS - 1
    await reader.read()
    assert reader.reading() == PastReading("ready", failed.reason, NOON)
    assert reader.past is not None
    now += 1
    assert reader.reading() == PastReading("failed", failed.reason)
    assert reader.past is None


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    """One line that says what the system says."""
    url = f"http://user:geheim@127.0.0.1:{any_free('127.0.0.1')}"
    reader = PastReader(load_settings({"PULSSI_CLICKHOUSE_URL": url}))
    await reader.read()
    assert reader.reading() == PastReading("failed", "Connection refused")


async def test_a_server_that_never_answers_blocks_nobody() -> None:
    """The part goes on meanwhile, and ends without waiting for an answer."""
    asked = asyncio.Event()

    async def say_nothing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await ended.wait()
        writer.close()

    ended = asyncio.Event()
    server = await asyncio.start_server(say_nothing, "127.0.0.1")
    port = server.sockets[0].getsockname()[1]
    reader = PastReader(load_settings({"PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{port}"}))
    running = asyncio.create_task(reader.run())
    await asked.wait()
    assert reader.reading() == PastReading("reading")
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
    ended.set()
    server.close()


async def test_it_is_read_at_the_start(client: Client, database: Settings) -> None:
    """`run` reads at once, and stays."""
    assert client.ping()
    reader = PastReader(database)
    running = asyncio.create_task(reader.run())
    while reader.reading().state == "reading":
        assert not running.done()
        await asyncio.sleep(0.01)
    assert reader.reading().state == "ready"
    running.cancel()
    await asyncio.wait([running])
