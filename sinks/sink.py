"""The sink process: writes the committed steps, and the events that they count, to ClickHouse.

Only the edge is here: signals, the health server, exit codes. It ends by itself only where to continue would be wrong.
"""

from __future__ import annotations

import asyncio
import gc
from typing import Final

from schemas.exits import EndError, Exit
from schemas.journal import JournalVersionError
from schemas.settings import Settings
from sinks.clickhouse.store import ClickHouseStore
from sinks.pipeline import Pipeline
from sinks.sink_health import SinkHealth
from sinks.store_protocol import Store
from streams.monitoring.watchdog import watched
from streams.tasks import cancel, stop_on_signals

#: How long the current batch may take after the signal; if it is not written, the next sink reads it again.
STOP_WITHIN_S: Final = 15.0

#: A batch is a hundred thousand small objects without cycles that are freed together: collecting would be wasted work.
GARBAGE_AFTER: Final = 100_000


def run(settings: Settings) -> int:
    """Run the sink until SIGTERM or Ctrl-C; returns the exit code."""
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER, 20, 50)
    return asyncio.run(_run(settings))


async def _run(settings: Settings) -> int:
    try:
        await serve(settings, ClickHouseStore(settings), stop_on_signals())
    except JournalVersionError as error:
        raise EndError(f"the sink ends: {error}", Exit.NO) from None
    return Exit.DONE


async def serve(settings: Settings, store: Store, stop: asyncio.Event) -> None:
    """Write to the store until `stop` is set; then finish the current batch, within a time limit.

    Raises EndError, and JournalVersionError.
    """
    health = SinkHealth()
    server = health.server()
    port = await server.start(settings, "sink")
    print(f"sink: health and metrics at http://{settings.bind}:{port}", flush=True)  # noqa: T201 - a command's own output
    pipeline = Pipeline(settings, store, health)
    working = asyncio.create_task(_work(pipeline))
    stopping = asyncio.create_task(stop.wait())
    try:
        with watched(health.activities):
            await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not working.done() and pipeline.started:
            await pipeline.finish()
            await asyncio.wait([working], timeout=STOP_WITHIN_S)
    finally:
        if working.done():
            await cancel(stopping)
        else:
            await cancel(working, stopping)
        await pipeline.stop()
        await server.stop()
    if not working.cancelled():
        working.result()


async def _work(pipeline: Pipeline) -> None:
    try:
        await pipeline.start()
        await pipeline.run()
    except BaseExceptionGroup as group:
        error: BaseException = group
        only_versions = group.split(JournalVersionError)[1] is None  # of several journals each says the same
        while isinstance(error, BaseExceptionGroup) and (only_versions or len(error.exceptions) == 1):
            error = error.exceptions[0]
        raise error from None  # several are raised as a group: each of them may be the cause
