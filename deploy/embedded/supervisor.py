"""Starts the parts of a stack in the order of their needs, restarts parts that die, and ends all parts on request.

A part that dies is logged with its exit code or signal and started again, after a longer pause each time. One that dies
HOPELESS_AFTER times in a row without being ready ends the stack, and its last lines are shown. Parts are ended in
reverse order, by SIGTERM, then by SIGKILL; no process remains. It knows nothing of Kafka or ClickHouse: a part is a
command and a readiness check.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from deploy.embedded.lifeline import die_with_parent
from deploy.embedded.state import PartPhase, PartState

T = TypeVar("T")

READY_WITHIN_S: Final = 60.0
#: The pause between two readiness checks of a part.
ASK_EVERY_S: Final = 0.15
#: How long one part may take to end itself before SIGKILL.
ENDS_WITHIN_S: Final = 30.0
#: After its end a part's last lines are read, unless something else holds its pipe open.
LAST_WORDS_WITHIN_S: Final = 0.5
#: A part that died is started again after this long, twice as long each time, up to the longest.
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
#: A part that was ready for so long has recovered: the next death counts as its first.
RECOVERED_AFTER_S: Final = 60.0
#: So many deaths in a row without being ready in between end the stack.
HOPELESS_AFTER: Final = 5
#: How many of the part's last lines are shown then.
LAST_LINES: Final = 5
#: A log line longer than this is cut: nobody reads it, and it must not fill the memory.
LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Part:
    """One program to run: its command, its address for people, and its readiness check.

    `fault` returns why the part is not ready, None once it is; it is called repeatedly, in a thread. A part without
    `fault` is a step, such as a migration: it is run once, has no time limit, and is done when it has ended with 0.
    """

    name: str
    command: tuple[str, ...]
    url: str = ""
    fault: Callable[[], str | None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_within_s: float = READY_WITHIN_S
    #: Added to this process's own niceness, so that other parts go first on a busy machine; see `os.setpriority`.
    niceness: int = 0


class PartDiedError(RuntimeError):
    """A part cannot be kept running, or was not ready in time; the message says which and how, in a line."""


class StopRequested(Exception):  # noqa: N818 - a request, no error
    """Somebody asked the stack to end."""


def how(code: int) -> str:
    """Say how a process ended."""
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield lines, the over-long ones cut."""
    rest = b""
    while chunk := await stream.read(LONGEST_LINE):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")
        rest = rest[:LONGEST_LINE]
    if rest:
        yield rest.decode(errors="replace")


def _kill_group(process: Process) -> None:
    """Kill the processes that a part started and did not end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


class _Running:
    """A part and its process, which is another one after each death."""

    process: Process
    listening: asyncio.Task[None]
    tending: asyncio.Task[None]

    def __init__(self, part: Part) -> None:
        self.part = part
        self.phase: PartPhase = "starting"
        #: Held while the process is replaced or ended.
        self.changing = asyncio.Lock()
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self.restarts = 0
        self.last_exit: str | None = None
        #: Deaths in a row: since it last was ready for long, and since it last was ready at all.
        self.deaths = 0
        self.unready_deaths = 0
        self.ready_at: float | None = None

    def pause_s(self) -> float:
        """Count a death, and say how long to wait before the next start."""
        if self.ready_at is None:
            self.unready_deaths += 1
        else:
            self.unready_deaths = 0
            if time.monotonic() - self.ready_at >= RECOVERED_AFTER_S:
                self.deaths = 0
            self.ready_at = None
        self.deaths += 1
        return float(min(FIRST_PAUSE_S * 2 ** (self.deaths - 1), LONGEST_PAUSE_S))


class Supervisor:
    """Runs parts for one stack. One instance, one event loop, in the main thread.

    `on_line` gets each line of a part with its name, `say` the supervisor's own; `on_change` is called when a part's
    state changed.
    """

    def __init__(
        self,
        on_line: Callable[[str, str], None],
        say: Callable[[str], None],
        on_change: Callable[[], None] = lambda: None,
        ends_within_s: float = ENDS_WITHIN_S,
    ) -> None:
        self._on_line = on_line
        self._say = say
        self._on_change = on_change
        self._ends_within_s = ends_within_s
        self._running: list[_Running] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ending = asyncio.Event()
        self._asking: set[asyncio.Task[str | None]] = set()
        self._fault: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def request_stop(self) -> None:
        """Ask for the end; asked a second time, no part is waited for."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def states(self) -> tuple[PartState, ...]:
        """Return each part as it is now."""
        return tuple(
            PartState(
                name=each.part.name,
                url=each.part.url,
                state=each.phase,
                pid=each.process.pid if each.process.returncode is None else None,
                code=each.process.returncode,
                restarts=each.restarts,
                last_exit=each.last_exit,
            )
            for each in self._running
        )

    def _enter(self, running: _Running, phase: PartPhase) -> None:
        running.phase = phase
        self._on_change()

    async def _spawn(self, running: _Running) -> None:
        """Start the part's process, and read what it writes."""
        part = running.part
        running.process = await asyncio.create_subprocess_exec(
            *part.command,
            stdin=PIPE,  # its lifeline: closed by the kernel when this process is gone
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
            start_new_session=True,  # Ctrl-C comes to this process only, which ends the parts in order
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
        )
        if part.niceness:
            with contextlib.suppress(ProcessLookupError):  # it has ended already, which `_tend` reports
                own = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, running.process.pid, own + part.niceness)
        running.listening = asyncio.create_task(self._listen(running, running.process))

    async def _listen(self, running: _Running, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        async for line in _lines(process.stdout):
            running.lines.append(line)
            self._on_line(running.part.name, line)

    async def _tend(self, running: _Running) -> None:
        """Look after a part until the stack ends: a step until it is done, any other part through all its deaths."""
        while True:
            code = await running.process.wait()
            await asyncio.wait([running.listening], timeout=LAST_WORDS_WITHIN_S)
            if self._ending.is_set():
                self._enter(running, "ended")
                return
            if running.part.fault is None:
                self._enter(running, "died" if code else "done")
                if code:
                    self._give_up(running, how(code))
                return
            if not await self._starts_again(running, code):
                return

    async def _starts_again(self, running: _Running, code: int) -> bool:
        """Start a part that died again, after a pause; False where the stack ends instead."""
        name, running.last_exit = running.part.name, how(code)
        pause_s = running.pause_s()
        self._enter(running, "died")
        if running.unready_deaths >= HOPELESS_AFTER:
            self._give_up(running, f"{running.last_exit}, {HOPELESS_AFTER} times in a row without being ready")
            return False
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ending.wait(), pause_s)
        async with running.changing:
            if self._ending.is_set():
                self._enter(running, "ended")
                return False
            _kill_group(running.process)
            running.restarts += 1
            self._say(f"{name} {running.last_exit}: started again ({running.restarts})")
            await self._spawn(running)
            self._enter(running, "starting")
        asking = asyncio.create_task(self._await_ready(running, running.process))
        self._asking.add(asking)
        asking.add_done_callback(self._asking.discard)
        asking.add_done_callback(partial(self._failed, running))
        return True

    def _give_up(self, running: _Running, fault: str) -> None:
        """Show the part's last lines and note why the stack must end; later reasons are ignored."""
        if not self._fault.done():
            for line in running.lines:
                self._say(f"  {running.part.name}: {line}")
            self._fault.set_result(f"{running.part.name} {fault}")

    def _failed(self, running: _Running, task: asyncio.Task[Any]) -> None:
        """End the stack where a part is not looked after any more, such as one that cannot be started again."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._give_up(running, f"cannot be kept running: {type(error).__name__}: {error}")

    async def start(self, *parts: Part) -> None:
        """Start parts that do not need one another, and return when all are ready (a step: when it is done).

        Raises PartDiedError when one of them, or any other part, cannot be kept running meanwhile or one is not ready
        in time, and StopRequested.
        """
        if self._stop.is_set():
            raise StopRequested
        started = []
        for part in parts:
            running = _Running(part)
            await self._spawn(running)
            self._running.append(running)
            running.tending = asyncio.create_task(self._tend(running))
            running.tending.add_done_callback(partial(self._failed, running))
            started.append(running)
        self._on_change()
        await self._first(asyncio.create_task(self._all_ready(started)))

    async def _all_ready(self, started: Sequence[_Running]) -> None:
        async with asyncio.TaskGroup() as group:
            for running in started:
                group.create_task(self._ready(running))

    async def _ready(self, running: _Running) -> None:
        """Return when a part is ready for the first time, through however many deaths, or a step is done."""
        part = running.part
        if part.fault is None:
            await asyncio.shield(running.tending)
            return
        deadline = time.monotonic() + part.ready_within_s
        while (fault := await self._await_ready(running, running.process, deadline)) is not None:
            if time.monotonic() >= deadline:
                self._give_up(running, f"was not ready within {part.ready_within_s:g} s ({fault})")
                return
            await asyncio.sleep(ASK_EVERY_S)  # it died: the next process is asked

    async def _await_ready(self, running: _Running, process: Process, deadline: float = math.inf) -> str | None:
        """Ask one process of a part until it is ready: None then, else what was amiss when it ended or time was up."""
        assert running.part.fault is not None  # noqa: S101 - a step is not asked
        while True:
            fault = await asyncio.to_thread(running.part.fault)
            if process is not running.process or process.returncode is not None:
                return fault or "it ended"
            if fault is None:
                running.ready_at = running.ready_at or time.monotonic()
                self._enter(running, "ready")
                return None
            if time.monotonic() >= deadline:
                return fault
            await asyncio.sleep(ASK_EVERY_S)

    async def _first(self, task: asyncio.Task[T]) -> T:
        """Wait for a task, unless a part cannot be kept running or the end is asked for first."""
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({task, stop, self._fault}, return_when=asyncio.FIRST_COMPLETED)
            if self._fault.done():
                raise PartDiedError(self._fault.result())
            if self._stop.is_set():
                raise StopRequested
            return task.result()
        finally:
            stop.cancel()
            task.cancel()

    async def until_end(self) -> None:
        """Never return: raises PartDiedError when a part cannot be kept running, StopRequested on request."""
        await self._first(asyncio.create_task(asyncio.Event().wait()))

    async def end_all(self) -> None:
        """End every part in reverse order, and whatever a part left in its process group."""
        self._ending.set()
        for asking in self._asking:
            asking.cancel()
        for running in reversed(self._running):
            async with running.changing:
                await self._end(running)
        for running in self._running:
            # A part's last lines are still read; another process that holds its pipe open is not waited for.
            _, late = await asyncio.wait([running.listening, running.tending], timeout=1.0)
            for task in late:
                task.cancel()

    async def _end(self, running: _Running) -> None:
        process = running.process
        if process.returncode is None:
            self._enter(running, "ending")
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            ended = asyncio.create_task(process.wait())
            hurry = asyncio.create_task(self._hurry.wait())
            done, _ = await asyncio.wait(
                {ended, hurry}, timeout=self._ends_within_s, return_when=asyncio.FIRST_COMPLETED
            )
            hurry.cancel()
            if ended not in done:
                patience = "at once" if self._hurry.is_set() else f"within {self._ends_within_s:g} s"
                self._on_line(running.part.name, f"did not end {patience}: killed")
        _kill_group(process)
        await process.wait()
