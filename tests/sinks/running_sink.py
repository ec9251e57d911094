"""The sink in a test's own process, and what it has written by the time that all is in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp

from schemas.settings import Settings
from sinks.clickhouse.store import ClickHouseStore
from sinks.lag import LagReader
from sinks.sink import serve
from sinks.store_protocol import Store
from streams.clickhouse.connection import connect

CHAT: Final = "contacts.chat"
CALL: Final = "contacts.call"
WITHIN_S: Final = 90.0


@asynccontextmanager
async def sink(settings: Settings, store: Store | None = None) -> AsyncIterator[asyncio.Task[None]]:
    """Run the sink in this process; it is stopped as by SIGTERM in the end."""
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(settings, store or ClickHouseStore(settings), stop))
    try:
        yield serving
    finally:
        stop.set()
        await asyncio.wait([serving], timeout=WITHIN_S)
    await serving


async def wait_until_drained(settings: Settings, *but: tuple[str, int]) -> None:
    """Wait until all is in, as `drain` does, but of these partitions something is not."""
    store, lag_reader = ClickHouseStore(settings), LagReader(settings)
    await lag_reader.start()
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                lags = await lag_reader.read(await asyncio.to_thread(store.progress))
                if {(lag.topic, lag.partition) for lag in lags if lag.behind} == {*but}:
                    return
                await asyncio.sleep(0.1)
    finally:
        await lag_reader.stop()
        store.close()


def visible_rows(settings: Settings) -> dict[str, list[Any]]:
    """Read all that is in effect, through the views."""
    asked = {
        "samples": "SELECT contact_id, slot, value_ms FROM samples ORDER BY ALL",
        "panes": "SELECT channel, sample, n, sum_ms, hist FROM panes ORDER BY ALL",
        "contacts": "SELECT contact_id, replies FROM contacts ORDER BY ALL",
        "events": "SELECT contact_id, event_id, topic, `partition`, `offset`, epoch FROM events ORDER BY ALL",
    }
    with connect(settings) as client:
        return {name: list(client.query(sql).result_rows) for name, sql in asked.items()}


async def wait_for_answer(settings: Settings, path: str, is_it: Callable[[int, str], bool]) -> str:
    """Ask the sink's health server until it answers so."""
    url = f"http://127.0.0.1:{settings.sink_port}/{path}"
    async with asyncio.timeout(WITHIN_S), aiohttp.ClientSession() as session:
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    text = await answer.text()
                    if is_it(answer.status, text):
                        return text
            await asyncio.sleep(0.02)
