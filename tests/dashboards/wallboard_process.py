"""The wallboard as a process of its own, on a port of its own, as the tests watch it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from schemas.journal import Head
from schemas.panes import PANE_MS
from schemas.settings import Settings
from streams.journal.step_assembly import Step
from streams.times import now_ms
from tests.streams.journal_by_hand import JournalByHand

STARTS_WITHIN_S: Final = 20.0
SEEN_WITHIN_S: Final = 20.0


class Wallboard:
    """A running wallboard: where it is, and what it says."""

    def __init__(self, url: str, process: asyncio.subprocess.Process, http: aiohttp.ClientSession) -> None:
        self.url = url
        self.process = process
        self.http = http

    async def until(self, seen: Callable[[dict[str, Any]], object], within_s: float = SEEN_WITHIN_S) -> dict[str, Any]:
        """Follow `/api/stream` until what is told is as asked; returns it."""
        last: dict[str, Any] = {}
        endless = aiohttp.ClientTimeout(total=None)
        try:
            async with (
                asyncio.timeout(within_s),
                self.http.get(f"{self.url}api/stream?window=15m", timeout=endless) as answer,
            ):
                assert answer.status == 200
                async for line in answer.content:
                    if line.startswith(b"data: "):
                        last |= orjson.loads(line[6:])
                        if "groups" in last and seen(last):
                            return last
        except TimeoutError:
            last["groups"] = last.get("groups", [])[:1]  # the centre's, the first, says most
            raise AssertionError(f"not seen within {within_s:g} s; last: {last}") from None
        raise AssertionError("the stream ended")

    async def status(self, path: str) -> tuple[int, str]:
        """Ask for a page."""
        async with self.http.get(f"{self.url}{path}") as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def running(settings: Settings, config: Path | None = None) -> AsyncIterator[Wallboard]:
    """Run a wallboard for the length of the block, and end it by its own process id; `config`: its configuration."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PULSSI_")},
        "PULSSI_KAFKA_BROKERS": settings.kafka_brokers,
        "PULSSI_APPLICATION": settings.application,
        "PULSSI_TIME_ZONE": settings.time_zone,
        "PULSSI_WALLBOARD_PORT": str(settings.wallboard_port),
        # A test asks again and again, as no page does.
        "PULSSI_WALLBOARD_REQUESTS_PER_SECOND": "10000",
        "PULSSI_WALLBOARD_REQUEST_BURST": "10000",
        **({} if config is None else {"PULSSI_CONFIG": str(config)}),
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", "wallboard"), env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(STARTS_WITHIN_S):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("wallboard at http://"), line
        async with aiohttp.ClientSession() as http:
            yield Wallboard(line.split()[-1], process, http)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 10)


async def write(settings: Settings, steps: list[Step]) -> None:
    """Write steps into their journals, in order per source partition."""
    by_lane: dict[tuple[str, int], list[Step]] = {}
    for step in steps:
        by_lane.setdefault((step.source, step.partition), []).append(step)
    for (source, partition), own in by_lane.items():
        async with JournalByHand(settings, source, partition) as hand:
            opened = await hand.open()
            for step in own:
                # Nothing stands in the source topic, so a head that is past nothing is past all.
                head = Head(step=step.head.step, epoch=step.head.epoch, open=opened)
                await hand.step(head, [(key, value) for _, key, value in step.records])


def minute_now() -> int:
    """Return the start of the minute that is under way, UTC milliseconds: where a pane begins."""
    return now_ms() // PANE_MS * PANE_MS
