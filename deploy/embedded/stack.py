"""A stack in one data folder: its lock, its state file, its parts from the first to the last, and its end.

Exit codes: 0 when it was asked to end, 1 when a part cannot be kept running, 2 when its settings do not go with the
folder, 3 when another stack uses the folder.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

from deploy.embedded import UnavailableError, stack_state
from deploy.embedded.folder_lock import FolderInUseError, lock_folder, lock_owner
from deploy.embedded.readiness_probes import http_fault
from deploy.embedded.stack_layout import GATEWAY, MAY_AWAIT_OPERATOR, SERVERS, StackLayout, part_groups, plan_layout
from deploy.embedded.stack_output import TerminalOutput
from deploy.embedded.stack_state import PartState, StackState
from deploy.embedded.supervisor import PartDiedError, PartGroup, StopRequested, Supervisor
from schemas.exits import Exit
from schemas.settings import Settings

#: After a stack was killed its parts notice within a moment and end; that long a new one waits for them.
LEFTOVERS_END_WITHIN_S: Final = 20.0
#: How long the end of a stack waits for what its killed parts left.
KILLED_END_WITHIN_S: Final = 5.0
RECOVERY_NOTICE: Final = "the last run did not end in order: Kafka and ClickHouse recover from what is on the disk"
#: Announces what runs beside the stack once that is ready, and returns its parts.
ExtraParts: TypeAlias = Callable[[StackLayout, TerminalOutput], Sequence[PartGroup]]


def _awaiting_operator(parts: Sequence[PartState]) -> list[str]:
    """Say of each part that has started why it is not ready: somebody must act."""
    asked = [part for part in parts if part.name in MAY_AWAIT_OPERATOR and part.state == "ready"]
    faults = ((part.name, http_fault(f"{part.url}readyz")) for part in asked)
    return [f"{name} is not ready: {fault}" for name, fault in faults if fault]


async def _supervise(
    layout: StackLayout, groups: Sequence[PartGroup], extra: ExtraParts, output: TerminalOutput
) -> int:
    phase: Literal["starting", "ready", "ending"] = "starting"
    ca, verify = layout.settings.clickhouse_ca, layout.settings.clickhouse_verify
    external = [
        PartState(name=name, url=url, state="ready", started_here=False, ca=ca, verify=verify)
        for name, url in layout.external.items()
    ]
    environment = {**stack_state.configuration_setting(), **layout.environment}
    state = StackState(pid=os.getpid(), folder=layout.folder, phase=phase, environment=environment, moved=layout.moved)

    def write_state() -> None:
        parts = (*external, *supervisor.states())
        stack_state.write(state.model_copy(update={"phase": phase, "parts": parts}))

    supervisor = Supervisor(output.line, output.say, write_state)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.request_stop)
    code = Exit.DONE
    write_state()
    try:
        for group in groups:
            await supervisor.start(*group)
        phase = "ready"
        write_state()
        output.say("")
        for line in _addresses(layout, supervisor.states()):
            output.say(line)
        for group in extra(layout, output):
            await supervisor.start(*group)
        for line in await asyncio.to_thread(_awaiting_operator, supervisor.states()):
            output.say(line)
        stopped = [part.name for part in supervisor.states() if part.state == "stopped"]
        runs = f"all but {', '.join(stopped)} runs" if stopped else "everything runs"
        output.say(f"{runs}; Ctrl-C or `pulssi down` ends it")
        await supervisor.wait_for_end()
    except StopRequested:
        output.say("ending, the last started first")
    except PartDiedError as error:
        code = Exit.NO
        output.say(f"{error}: ending the rest")
    finally:
        phase = "ending"
        await supervisor.end_all()
    output.say("all ended")
    return code


def _addresses(layout: StackLayout, parts: Iterable[PartState]) -> Iterator[str]:
    """Write a line for each part that people open, and for the data folder."""
    gateway = (GATEWAY,) if GATEWAY in layout.ports else ()
    for name in ("wallboard", *gateway, "clickhouse", "broker", "worker", "sink"):
        program = layout.program if name == "clickhouse" else ""
        note = "  (external)" if name in layout.external else f"  ({program})" if program else ""
        yield f"  {name:<11} {layout.url_of(name)}{note}"
    for part in parts:
        if part.url and part.name not in {*layout.ports, *layout.external}:
            yield f"  {part.name:<11} {part.url}"
    yield f"  {'data':<11} {layout.folder}\n"


def run(
    folder: Path,
    settings: Settings,
    output: TerminalOutput,
    port_base: int | None = None,
    extra_parts: ExtraParts = lambda _layout, _output: (),
    parts: Callable[[StackLayout], Sequence[PartGroup]] = part_groups,
) -> int:
    """Run a stack until it is asked to end or a part is beyond help; returns the exit code. For the main thread.

    Raises UnavailableError where another stack has the folder, and UnusableError.
    """
    try:
        with lock_folder(folder, stack_state.LOCK):
            try:
                for part in SERVERS:  # what an earlier run left; the lock of what was killed is removed
                    if lock_owner(folder, part) is not None:
                        output.say(f"waiting for the {part} of an earlier run in {folder} to end")
                    with lock_folder(folder, part, LEFTOVERS_END_WITHIN_S):
                        pass
                if stack_state.was_killed(folder):
                    output.say(RECOVERY_NOTICE)
                stack_state.remember_last(folder)
                stack_state.remember_configuration(folder)
                layout = plan_layout(settings, folder, port_base, output.say)
                return asyncio.run(_supervise(layout, parts(layout), extra_parts, output))
            finally:
                for part in SERVERS:  # what a killed part left, such as a JVM, has the folder for a moment
                    with contextlib.suppress(FolderInUseError), lock_folder(folder, part, KILLED_END_WITHIN_S):
                        pass
                stack_state.remove(folder)
    except FolderInUseError as error:
        raise UnavailableError(f"{error}: `pulssi down --data {folder}` ends it") from None
