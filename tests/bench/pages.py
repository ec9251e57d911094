"""What many open pages take of the wallboard's process: processor time, and bytes on the line.

The pages are clients that accept gzip, as browsers do, and read all that they are sent; they draw nothing.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

import aiohttp

from tests.bench.live_load import LONGEST_S
from tests.bench.report import Part
from tests.bench.wallboard_stack import Running, await_told, how_steady, processor_s, running, under_load, waited_s

#: The windows that the pages show, in turn: so many messages are made for each push.
WINDOWS: Final = ("15m", "15m", "15m", "60m", "today")
#: Until the first contacts have ended, and a little for what is late.
SETTLING_S: Final = LONGEST_S + 10
#: A second: what a machine with room for it gets.
MOST_PUSHES: Final = 4
_NEVER: Final = aiohttp.ClientTimeout(total=None)


class _Line:
    """What came over the lines of all pages."""

    def __init__(self) -> None:
        self.open = 0
        self.bytes = 0

    async def read(self, http: aiohttp.ClientSession, url: str, window: str) -> None:
        """Be an open page."""
        asked = f"{url}api/stream?window={window}"
        async with http.get(asked, timeout=_NEVER, headers={"Accept-Encoding": "gzip, deflate, br"}) as answer:
            assert (answer.status, answer.headers.get("Content-Encoding")) == (200, "gzip"), answer.status
            self.open += 1
            async for piece in answer.content.iter_any():
                self.bytes += len(piece)
        raise AssertionError("the wallboard ended a stream")


class _Reading(NamedTuple):
    """Sums so far, at a time of the monotonic clock."""

    at: float
    bytes: int
    pushes: float
    processor: dict[str, float]
    #: How long the wallboard could have run, and had no processor.
    waited_s: float


async def _read(http: aiohttp.ClientSession, there: Running, line: _Line) -> _Reading:
    async with http.get(f"{there.url}metrics") as answer:
        said = dict(row.rsplit(" ", 1) for row in (await answer.text()).splitlines() if not row.startswith("#"))
    processor = {name: processor_s(program.process.pid) for name, program in there.programs.items()}
    waited = waited_s(there.programs["wallboard"].process.pid)
    return _Reading(time.monotonic(), line.bytes, float(said["pulssi_wallboard_pushes_total"]), processor, waited)


async def _measure(there: Running, pages: int, rate: int, seconds: int) -> tuple[_Reading, _Reading, float, float]:
    line = _Line()
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession() as asking,
        aiohttp.ClientSession(connector=connector, auto_decompress=False) as http,
    ):
        await await_told(asking, there.url, lambda said: said["state"] == "live")
        produced_s = SETTLING_S + seconds
        async with under_load(there.settings, rate, produced_s) as produced, asyncio.TaskGroup() as group:
            open_pages = [
                group.create_task(line.read(http, there.url, WINDOWS[number % len(WINDOWS)])) for number in range(pages)
            ]
            await await_told(asking, there.url, lambda said: len(said["groups"]) > 1)
            await asyncio.sleep(LONGEST_S)
            assert line.open == pages, f"{line.open} of {pages} pages are open"
            first = await _read(asking, there, line)
            await asyncio.sleep(seconds)
            last = await _read(asking, there, line)
            there.check()
            events, behind_s = await produced
            for page in open_pages:
                page.cancel()
    return first, last, events / produced_s, behind_s


def run(pages: int, rate: int, seconds: int, *, archive: bool) -> Part:
    """Measure for some seconds, once the rate is reached."""
    with running(archive=archive) as there:
        first, last, mean_rate, behind_s = asyncio.run(_measure(there, pages, rate, seconds))
    took = last.at - first.at
    cores = {name: (last.processor[name] - first.processor[name]) / took for name in last.processor}
    pushes = (last.pushes - first.pushes) / took
    sent = (last.bytes - first.bytes) / took
    own = cores.pop("wallboard")
    rows: Sequence[tuple[str, str]] = [
        (f"the wallboard's process with {pages} open pages, CPU seconds a second", f"{own:.2f}"),
        ("in proportion, had it pushed four times a second", f"{own * MOST_PUSHES / pushes:.2f}" if pushes else "-"),
        ("it could have run and had no processor, seconds a second", f"{(last.waited_s - first.waited_s) / took:.2f}"),
        ("pushes a second, four at most", f"{pushes:.1f}"),
        ("bytes a second to all pages, compressed", f"{sent / 1e6:,.2f} MB"),
        ("bytes a second to a page", f"{sent / pages / 1e3:,.1f} kB"),
        *((f"meanwhile: {name}, CPU seconds a second", f"{share:.2f}") for name, share in cores.items()),
    ]
    where = ["Apache Kafka, worker, wallboard and SLA engine" + (", ClickHouse and sink" * archive) + " on these cores"]
    pace = f"Over {took:.0f} s; {mean_rate:,.0f} events/s on average, the rise to the rate included."
    return Part(rows, where, [pace, how_steady(rate, behind_s)])
