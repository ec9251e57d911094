"""The sink keeps the gauges at the minute's turn, once what is in is of now."""

from __future__ import annotations

import asyncio
import time

from schemas.settings import Settings
from sinks.clickhouse.keeper import ClickHouseKeeper
from sinks.pipeline import Pipeline
from sinks.vitals import Vitals
from streams.clickhouse import connect
from tests.sinks.test_sink import CHAT, WITHIN_S, Floor

#: A minute's turn in 2026, seconds since 1970.
TURN_S = 1_790_000_040
#: The sink's clock goes so much slower than the machine's, which may be busy with others.
SLOWER = 20


async def test_the_gauges_of_the_minute_are_kept(settings: Settings) -> None:
    """Contacts that were in the journal when it started are in the minute that had just begun then."""
    await Floor(settings, CHAT, 0).play(3, width=4)
    begun = time.monotonic()
    keeper = ClickHouseKeeper(settings)
    pipeline = Pipeline(settings, keeper, Vitals(), now=lambda: TURN_S + (time.monotonic() - begun) / SLOWER)
    await pipeline.start()
    running = asyncio.create_task(pipeline.run())
    ask = "SELECT toUnixTimestamp(at), channel, open, stale FROM gauge_history"
    try:
        with connect(settings) as client:
            async with asyncio.timeout(WITHIN_S):
                while not (kept := client.query(ask).result_rows):  # noqa: ASYNC110 - a database tells no one when it changes
                    await asyncio.sleep(0.1)
        await pipeline.finish()
        await running
    finally:
        running.cancel()
        await pipeline.stop()
    assert kept == [(TURN_S, "chat", 4, 0)]
