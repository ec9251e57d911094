"""The programs behind an open page, as users run them, and what they take of the processors."""

import asyncio
import contextlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp

from deploy.embedded.stack_layout import ARCHIVE_NICENESS, OWN_PARTS, pulssi_command
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from tests.bench.live_load import produce_live
from tests.bench.servers import broker
from tests.deploy.program import Program, clean_environment
from tests.fixtures.clickhouse import ClickHouseServer

LIVE_WITHIN_S: Final = 240.0
#: Beyond this the rate was not the rate.
BEHIND_S: Final = 0.2
#: What may be left out, with ClickHouse.
ARCHIVE: Final = ("sink",)
PARTS: Final = ("worker", "wallboard", "alerts")
_PORTS: Final = {f"PULSSI_{name.upper()}_PORT": "0" for name in OWN_PARTS}
#: All pages of the measurement come from one address.
_LIMITS: Final = {
    "PULSSI_WALLBOARD_STREAMS_PER_ADDRESS": "256",
    "PULSSI_WALLBOARD_REQUESTS_PER_SECOND": "10000",
}


class Running(NamedTuple):
    """What was started. `url` is the wallboard's, with a slash at its end."""

    settings: Settings
    url: str
    programs: dict[str, Program]

    def check(self) -> None:
        """Fail where a program has ended."""
        for program in self.programs.values():
            program.check()


def stand_back(pid: int) -> None:
    """Have a process go behind the others, as `pulssi up` does: each thread, for some run already."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), ARCHIVE_NICENESS)


def processor_s(pid: int) -> float:
    """Tell the seconds of processor time that a process has taken, in its own code and in the kernel."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def waited_s(pid: int) -> float:
    """Tell for how many seconds a process's first thread could run and had no processor: others had it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="utf-8").split()[1]) / 1e9


@contextlib.contextmanager
def running(*, archive: bool) -> Iterator[Running]:
    """Run a broker, worker, wallboard and SLA engine; with `archive` also ClickHouse and the sink."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        kafka = stack.enter_context(broker())
        more = {**_PORTS, **_LIMITS}
        parts: tuple[str, ...] = PARTS
        if archive:
            clickhouse = stack.enter_context(ClickHouseServer(folder / "clickhouse"))
            more["PULSSI_CLICKHOUSE_URL"], parts = clickhouse.url, (*PARTS, *ARCHIVE)
            stand_back(clickhouse.pid)
        else:
            # Nothing listens there: the wallboard goes without the last weeks, as beside a ClickHouse that is away.
            more["PULSSI_CLICKHOUSE_URL"] = "http://127.0.0.1:9"
        settings = kafka.with_topics(**more)
        if archive:
            migrate(settings)
        clean = clean_environment(folder, **kafka.settings_env(), **more)
        programs = {name: stack.enter_context(Program(_command(name, archive=archive), clean)) for name in parts}
        if archive:
            stand_back(programs["sink"].process.pid)
        url = programs["wallboard"].await_line("wallboard at http://").split()[-1]
        yield Running(settings, url, programs)


def _command(name: str, *, archive: bool) -> tuple[str, ...]:
    if name == "worker" and not archive:  # which asks ClickHouse at its start how far it was
        return (sys.executable, "-m", "tests.streams.worker_process")
    return pulssi_command(*OWN_PARTS[name])


async def await_told(http: aiohttp.ClientSession, url: str, told: Callable[[dict[str, Any]], bool]) -> None:
    """Return once the wallboard tells what is asked for."""
    async with asyncio.timeout(LIVE_WITHIN_S):
        while True:
            async with http.get(f"{url}api/live?window=5m") as answer:
                if told(await answer.json()):
                    return
            await asyncio.sleep(0.2)


@contextlib.asynccontextmanager
async def under_load(settings: Settings, rate: int, seconds: float) -> AsyncIterator[Awaitable[tuple[int, float]]]:
    """Produce events of now in a process of its own, for so long.

    Gives what awaits its end: how many events, and by how many seconds one was late at most.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        producing = partial(produce_live, settings.kafka_brokers, rate, seconds)
        yield asyncio.get_running_loop().run_in_executor(process, producing)


def how_steady(rate: int, behind_s: float) -> str:
    """Say whether the rate was the rate."""
    late = f"The producer of {rate:,} events/s was at most {behind_s:.2f} s behind its timetable"
    return f"{late}." if behind_s <= BEHIND_S else f"{late}: the machine had no room for it at that moment."
