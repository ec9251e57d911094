"""`pulssi drain`: wait until all that was produced is counted and in ClickHouse."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.common import echo_report, exit_if_unreachable, fail, json_option, running_stack_option, stack_settings
from schemas.exits import Exit
from schemas.settings import Settings

if TYPE_CHECKING:
    from sinks.lag import Lag

#: Between two looks: a batch of the sink takes about a second.
CHECK_EVERY_S = 0.3
#: How long a server gets for an answer: as long as the timeout, within these bounds.
ANSWER_AT_LEAST_S = 5.0
ANSWER_AT_MOST_S = 30.0


async def _wait_until_drained(settings: Settings, timeout_s: float) -> list[Lag]:
    """Look until nothing is behind or the time is up; returns the last look."""
    from sinks.clickhouse.store import ClickHouseStore
    from sinks.lag import LagReader

    deadline = time.monotonic() + timeout_s
    answer_s = min(max(timeout_s, ANSWER_AT_LEAST_S), ANSWER_AT_MOST_S)
    store, lag_reader = ClickHouseStore(settings, answer_s), LagReader(settings)
    try:
        await asyncio.to_thread(store.progress)  # says at once where ClickHouse is away
        try:
            async with asyncio.timeout(answer_s):
                await lag_reader.start()
        except TimeoutError:
            fail(f"Kafka at {settings.kafka_brokers} does not answer, or has no topics yet", Exit.UNREACHABLE)
        while True:
            progress = await asyncio.to_thread(store.progress)
            async with asyncio.timeout(answer_s):
                lags = await lag_reader.read(progress)
            if not any(lag.behind for lag in lags) or time.monotonic() >= deadline:
                return lags
            await asyncio.sleep(min(CHECK_EVERY_S, max(deadline - time.monotonic(), 0)))
    finally:
        await lag_reader.stop()
        store.close()


def _parked(lag: Lag) -> str:
    """Tell how many events wait in the worker until ClickHouse was asked for their contacts."""
    return f"; {lag.parked} parked: the worker's log says why" if lag.parked else ""


@click.command()
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0),
    default=60.0,
    metavar="SECONDS",
    show_default=True,
    help="How long to wait until nothing is behind.",
)
@running_stack_option
@json_option
def drain(data: Path | None, timeout_s: float, *, as_json: bool) -> None:
    """Wait until all events so far are counted and in ClickHouse.

    Ends with 1 where it takes longer than the timeout, and names how far each partition is behind. Events that come
    while it waits are not waited for, so that it ends beside a running stream too. Ends with 3 where Kafka or
    ClickHouse does not answer for as long as the timeout (at least 5 s, at most 30).

    Example: pulssi replay today.ndjson --speed max && pulssi drain --timeout 120
    """
    settings = stack_settings(data)
    with exit_if_unreachable(settings):
        lags = asyncio.run(_wait_until_drained(settings, timeout_s))
    behind = [lag for lag in lags if lag.behind]
    partitions = [{**lag._asdict(), "behind": lag.behind} for lag in lags]
    lines = [
        f"{lag.topic}/{lag.partition}: {lag.behind} behind (produced {lag.end}, in ClickHouse {lag.next}{_parked(lag)})"
        for lag in behind
    ] or [f"drained: nothing is behind in any of {len(lags)} partitions"]
    echo_report({"drained": not behind, "partitions": partitions}, lines, as_json=as_json)
    if behind:
        total = sum(lag.behind for lag in behind)
        fail(f"not drained after {timeout_s:g} s: {total} events behind in {len(behind)} partitions", Exit.NO)
