"""Starts the parts of a stack in the order of their needs, restarts parts that die, and ends all parts on request.

A part that dies is logged with its exit code or signal and started again, after a longer pause each time. One that dies
FAILED_STARTS_LIMIT times in a row without being ready ends the stack, and its last lines are shown. One whose exit code
says that an operator must act first stays down, and the others go on. Parts are ended in reverse order, by SIGTERM,
then by SIGKILL; no process remains. It knows nothing of Kafka or ClickHouse: a part is a command and a readiness check.
"""

import asyncio
import contextlib
import os
import signal
import time
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeAlias

from deploy.embedded.child_processes import die_with_parent
from deploy.embedded.stack_state import PartPhase, PartState

READY_WITHIN_S: Final = 60.0
#: The pause between two readiness checks of a part.
CHECK_EVERY_S: Final = 0.15
#: How long one part may take to end itself before SIGKILL.
ENDS_WITHIN_S: Final = 30.0
#: After its end a part's last lines are read, unless something else holds its pipe open.
LAST_OUTPUT_WITHIN_S: Final = 0.5
#: A part that died is started again after this long, twice as long each time, up to the longest.
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 15.0
#: A part that was ready for so long has recovered: the next death counts as its first.
RECOVERED_AFTER_S: Final = 60.0
#: So many deaths in a row without being ready in between end the stack.
FAILED_STARTS_LIMIT: Final = 5
#: How many of the part's last lines are shown then.
LAST_LINES: Final = 5
#: A log line longer than this is cut: nobody reads it, and it must not fill the memory.
LONGEST_LINE: Final = 64 * 1024
RUNBOOK: Final = "docs/runbooks/stopped-part.md says what to do"


@dataclass(frozen=True)
class PartDefinition:
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
    #: Which program it is, for people, where there are several.
    program: str = ""
    #: The exit code by which it says that it would end again until an operator has acted.
    operator_must_act_code: int | None = None


#: Parts that are started together.
PartGroup: TypeAlias = tuple[PartDefinition, ...]


class PartDiedError(RuntimeError):
    """A part cannot be kept running, or was not ready in time; the message says which and how, in a line."""


class StopRequested(Exception):  # noqa: N818 - a request, no error
    """Somebody asked the stack to end."""


def exit_description(code: int) -> str:
    """Say how a process ended."""
    if code >= 0:
        return f"ended with code {code}"
    with contextlib.suppress(ValueError):  # signals for real time have no names
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


@dataclass(eq=False)
class _RunningPart:
    """A part as it is now; `task` looks after it."""

    part: PartDefinition
    state: PartState
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    #: Set when it is ready for the first time; a step's when it is done.
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] = field(init=False)


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
    ) -> None:
        self._on_line = on_line
        self._say = say
        self._on_change = on_change
        self._running: list[_RunningPart] = []
        self._stop_requested = False
        self._kill_at_once = asyncio.Event()
        #: Why the stack ends: PartDiedError or StopRequested, whichever was first.
        self._end_reason: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def request_stop(self) -> None:
        """Ask for the end; asked a second time, no part is waited for."""
        if self._stop_requested:
            self._kill_at_once.set()
        elif not self._end_reason.done():
            self._end_reason.set_exception(StopRequested)
        self._stop_requested = True

    def states(self) -> tuple[PartState, ...]:
        """Return each part as it is now."""
        return tuple(each.state for each in self._running)

    async def start(self, *parts: PartDefinition) -> None:
        """Start parts that do not need one another, and return when all are ready (a step: when it is done) or gave up.

        Raises PartDiedError when one of them, or any other part, cannot be kept running meanwhile or one is not ready
        in time, and StopRequested.
        """
        if not self._end_reason.done():
            started = [
                _RunningPart(part, PartState(name=part.name, url=part.url, program=part.program)) for part in parts
            ]
            self._running += started
            for running in started:
                running.task = asyncio.create_task(self._keep_running(running))
                running.task.add_done_callback(partial(self._end_stack_on_failure, running))
            for running in started:
                ready = asyncio.create_task(running.ready.wait())
                await asyncio.wait({ready, self._end_reason}, return_when=asyncio.FIRST_COMPLETED)
                ready.cancel()
        if self._end_reason.done():
            self._end_reason.result()

    async def wait_for_end(self) -> None:
        """Never return: raises PartDiedError when a part cannot be kept running, StopRequested on request."""
        await self._end_reason

    async def end_all(self) -> None:
        """End every part in reverse order, and whatever a part left in its process group."""
        self._end_reason.cancel()
        for running in reversed(self._running):
            if running.state.state != "ending":  # it was not ready in time, and is being ended already
                running.task.cancel()
            await asyncio.wait([running.task])
            if running.task.cancelled():
                self._set_phase(running, "ended")

    def _set_phase(self, running: _RunningPart, phase: PartPhase) -> None:
        running.state.state = phase
        self._on_change()

    def _end_stack_on_failure(self, running: _RunningPart, task: asyncio.Task[None]) -> None:
        """End the stack where a part cannot be kept running: show its last lines, and note why."""
        if task.cancelled() or (error := task.exception()) is None or self._end_reason.done():
            return
        for line in running.lines:
            self._say(f"  {running.part.name}: {line}")
        unforeseen = "" if isinstance(error, PartDiedError) else f"cannot be kept running: {type(error).__name__}: "
        self._end_reason.set_exception(PartDiedError(f"{running.part.name} {unforeseen}{error}"))

    async def _keep_running(self, running: _RunningPart) -> None:
        """Run a step once, any other part through all its deaths; whoever cancels this ends the part.

        Raises PartDiedError.
        """
        part, failed_starts, pause_s = running.part, 0, FIRST_PAUSE_S
        ready_by = time.monotonic() + part.ready_within_s
        while True:
            code, ready_for_s = await self._run(running, ready_by)
            if part.fault is None and code == 0:
                self._set_phase(running, "done")
                running.ready.set()
                return
            why = f": {running.lines[-1]}" if code >= 0 and running.lines else ""
            running.state.last_exit = f"{exit_description(code)}{why}"
            if code == part.operator_must_act_code:  # its last line has the reason and the fix
                self._set_phase(running, "stopped")
                running.ready.set()  # nobody needs to wait for it any longer
                self._say(f"{part.name} {running.state.last_exit}")
                self._say(f"{part.name} stays down, the others go on: {RUNBOOK}")
                return
            self._set_phase(running, "died")
            if part.fault is None:
                raise PartDiedError(exit_description(code))
            failed_starts = 0 if ready_for_s else failed_starts + 1
            if failed_starts == FAILED_STARTS_LIMIT:
                raise PartDiedError(
                    f"{exit_description(code)}, {FAILED_STARTS_LIMIT} times in a row without being ready"
                )
            if ready_for_s >= RECOVERED_AFTER_S:
                pause_s = FIRST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            running.state.restarts += 1
            self._say(f"{part.name} {exit_description(code)}: started again ({running.state.restarts}){why}")

    async def _run(self, running: _RunningPart, ready_by: float) -> tuple[int, float]:
        """Run one process of a part to its end; returns its code, and for how long it was ready (0: never)."""
        part = running.part
        process = await asyncio.create_subprocess_exec(
            *part.command,
            stdin=PIPE,  # its lifeline: closed by the kernel when this process is gone
            stdout=PIPE,
            stderr=STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1", **part.environment},
            start_new_session=True,  # Ctrl-C comes to this process only, which ends the parts in order
            preexec_fn=partial(die_with_parent, signal.SIGTERM),
        )
        if part.niceness:
            with contextlib.suppress(ProcessLookupError):  # it has ended already
                own = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, process.pid, own + part.niceness)
        running.lines.clear()  # what an earlier run said is not why this one ends
        reading = asyncio.create_task(self._read_output(running, process))
        running.state.pid, running.state.code = process.pid, None
        self._set_phase(running, "starting")
        try:
            ready_at = part.fault and await self._await_ready(running, process, part.fault, ready_by)
            code = await process.wait()
            return code, time.monotonic() - ready_at if ready_at else 0.0
        finally:
            await self._end(running, process)
            # Its last lines are still read; another process that holds its pipe open is not waited for.
            await asyncio.wait([reading], timeout=LAST_OUTPUT_WITHIN_S)
            reading.cancel()

    async def _read_output(self, running: _RunningPart, process: Process) -> None:
        """Pass on each line that a process writes, the over-long ones cut."""
        assert process.stdout is not None  # noqa: S101 - it was asked for as a pipe
        rest = b""

        def pass_on(*lines: bytes) -> None:
            for line in lines:
                text = line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")
                running.lines.append(text)
                self._on_line(running.part.name, text)

        while chunk := await process.stdout.read(LONGEST_LINE):
            *whole, rest = (rest + chunk).split(b"\n")
            pass_on(*whole)
            rest = rest[:LONGEST_LINE]
        if rest:
            pass_on(rest)

    async def _await_ready(
        self, running: _RunningPart, process: Process, fault_of: Callable[[], str | None], ready_by: float
    ) -> float | None:
        """Ask a process until it is ready, and return when that was; None where it ended before.

        Raises PartDiedError where the part was not ready by then for the first time.
        """
        while True:
            fault = await asyncio.to_thread(fault_of)
            if process.returncode is not None:
                return None
            if fault is None:
                running.ready.set()
                self._set_phase(running, "ready")
                return time.monotonic()
            if not running.ready.is_set() and time.monotonic() >= ready_by:
                raise PartDiedError(f"was not ready within {running.part.ready_within_s:g} s ({fault})")
            await asyncio.sleep(CHECK_EVERY_S)

    async def _end(self, running: _RunningPart, process: Process) -> None:
        """End a process by SIGTERM, then by SIGKILL, and whatever it has left in its group."""
        if process.returncode is None:
            self._set_phase(running, "ending")
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            ended, kill_at_once = asyncio.create_task(process.wait()), asyncio.create_task(self._kill_at_once.wait())
            await asyncio.wait({ended, kill_at_once}, timeout=ENDS_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            kill_at_once.cancel()
            if not ended.done():
                patience = "at once" if self._kill_at_once.is_set() else f"within {ENDS_WITHIN_S:g} s"
                self._on_line(running.part.name, f"did not end {patience}: killed")
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        running.state.pid, running.state.code = None, await process.wait()
