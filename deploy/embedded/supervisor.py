"""Starts parts, those that need others once these are really ready; ends all when one dies or when it is told to.

What it promises: a death is told by the part's name and how it died; the rest ends in reverse order, politely, then by
SIGKILL; no process is left. It knows nothing of Kafka or ClickHouse: a part is a command and a question.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from deploy.embedded.lifeline import end_with_parent
from deploy.embedded.state import PartPhase, PartState

T = TypeVar("T")

READY_WITHIN_S: Final = 60.0
#: Between two questions whether a part is ready.
ASK_EVERY_S: Final = 0.15
#: How long one part may take to end itself before SIGKILL.
ENDS_WITHIN_S: Final = 30.0
#: After its end a part's last lines are read, unless something else holds its pipe open.
LAST_WORDS_WITHIN_S: Final = 0.5
#: A log line longer than this is cut: nobody reads it, and it must not fill the memory.
LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Part:
    """One program to run: its command, its address for people, and the question whether it is ready.

    `fault` says what is still amiss, None once the part is ready; it is called in a thread, again and again. No `fault`
    makes it a step, such as a migration, which is done when it
    has ended with 0 and may take its time.
    """

    name: str
    command: tuple[str, ...]
    url: str = ""
    fault: Callable[[], str | None] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_within_s: float = READY_WITHIN_S
    #: How far it stands back behind this process where the machine has too much to do; see `os.setpriority`.
    niceness: int = 0


class PartDiedError(RuntimeError):
    """A part ended that should not have, or was not ready in time; the message says which and how."""


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


@dataclass
class _Running:
    part: Part
    process: Process
    tasks: list[asyncio.Task[None]]
    phase: PartPhase = "starting"


class Supervisor:
    """Runs parts for one stack. One instance, one event loop, in the main thread."""

    def __init__(
        self,
        on_line: Callable[[str, str], None],
        on_change: Callable[[], None] = lambda: None,
        ends_within_s: float = ENDS_WITHIN_S,
    ) -> None:
        self._on_line = on_line
        self._on_change = on_change
        self._ends_within_s = ends_within_s
        self._running: list[_Running] = []
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._ending = False
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
            )
            for each in self._running
        )

    def _enter(self, running: _Running, phase: PartPhase) -> None:
        running.phase = phase
        self._on_change()

    async def _spawn(self, part: Part) -> _Running:
        process = await asyncio.create_subprocess_exec(
            *part.command,
            stdin=PIPE,  # its lifeline: closed by the kernel when this process is gone
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
            start_new_session=True,  # Ctrl-C comes to this process only, which ends the parts in order
            preexec_fn=end_with_parent,
        )
        if part.niceness:
            with contextlib.suppress(ProcessLookupError):  # it has ended already, which is told elsewhere
                own = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, process.pid, own + part.niceness)
        running = _Running(part, process, [])
        self._running.append(running)
        running.tasks = [asyncio.create_task(self._listen(running)), asyncio.create_task(self._watch(running))]
        self._on_change()
        return running

    async def _listen(self, running: _Running) -> None:
        assert running.process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        async for line in _lines(running.process.stdout):
            self._on_line(running.part.name, line)

    async def _watch(self, running: _Running) -> None:
        code = await running.process.wait()
        await asyncio.wait(running.tasks[:1], timeout=LAST_WORDS_WITHIN_S)
        if self._ending:
            self._enter(running, "ended")
        elif running.part.fault is None and code == 0:
            self._enter(running, "done")
        else:
            self._enter(running, "died")
            self._fail(f"{running.part.name} {how(code)}")

    def _fail(self, fault: str) -> None:
        """Note why the stack must end; the first reason is the one that is told."""
        if not self._fault.done():
            self._fault.set_result(fault)

    async def start(self, *parts: Part) -> None:
        """Start parts that do not need one another, and return when all are ready (a step: when it is done).

        Raises PartDiedError when one of them, or any other part, dies meanwhile or one is not ready in time, and
        StopRequested.
        """
        if self._stop.is_set():
            raise StopRequested
        started = [await self._spawn(part) for part in parts]
        await self._first(asyncio.create_task(self._all_ready(started)))

    async def _all_ready(self, started: Sequence[_Running]) -> None:
        async with asyncio.TaskGroup() as group:
            for running in started:
                group.create_task(self._ready(running))

    async def _ready(self, running: _Running) -> None:
        part = running.part
        if part.fault is None:
            await asyncio.shield(running.tasks[1])
        elif (fault := await self._ask(part.fault, part.ready_within_s)) is None:
            self._enter(running, "ready")
        else:
            self._fail(f"{part.name} was not ready within {part.ready_within_s:g} s ({fault})")

    async def _ask(self, ask: Callable[[], str | None], within_s: float) -> str | None:
        deadline = time.monotonic() + within_s
        while True:
            fault = await asyncio.to_thread(ask)
            if fault is None or time.monotonic() >= deadline:
                return fault
            await asyncio.sleep(ASK_EVERY_S)

    async def _first(self, task: asyncio.Task[T]) -> T:
        """Wait for a task, unless a part dies or the end is asked for first."""
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
        """Return never: raises PartDiedError on a death, StopRequested when the end was asked for."""
        await self._first(asyncio.create_task(asyncio.Event().wait()))

    async def end_all(self) -> None:
        """End every part in reverse order, and whatever a part left in its process group."""
        self._ending = True
        for running in reversed(self._running):
            await self._end(running)
        for running in self._running:
            # What a part wrote last is still to be read; a stranger that holds its pipe is not waited for.
            _, late = await asyncio.wait(running.tasks, timeout=1.0)
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
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
