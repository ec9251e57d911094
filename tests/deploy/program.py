"""A program under test: its lines as they come, its end, and what is left of it."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from deploy.cli.up import LAST_PORT_BASE
from deploy.embedded import stack_state
from deploy.embedded.ports import any_free, is_free
from deploy.embedded.stack_layout import PARTS_WITH_PORTS, pulssi_command
from deploy.embedded.stack_state import PartState

#: Generous: the machine is shared.
PATIENCE_S: Final = 120.0


class Program:
    """Runs a command; stdout and stderr are read as one."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], stdin: int = subprocess.DEVNULL) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self.process = subprocess.Popen(
            list(command), env=dict(environment), stdin=stdin, stdout=self._output, stderr=subprocess.STDOUT
        )
        self._text = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """All that was written so far."""
        if not self._output.closed:
            size = os.fstat(self._output.fileno()).st_size
            self._text = os.pread(self._output.fileno(), size, 0).decode(errors="replace").removesuffix("\n")
        return self._text

    @property
    def lines(self) -> list[str]:
        """All that was written so far, line by line."""
        return self.text.splitlines()

    def await_line(self, part: str, within_s: float = PATIENCE_S) -> str:
        """Return the next line that holds `part`, after the one that was returned last."""
        deadline = time.monotonic() + within_s
        while True:
            late = time.monotonic() > deadline or self.process.poll() is not None
            for number, line in enumerate(self.lines[self._seen :], self._seen + 1):
                if part in line:
                    self._seen = number
                    return line
            assert not late, f"no line with {part!r} within {within_s:g} s, or until its end:\n{self.text}"
            time.sleep(0.05)

    def await_end(self, within_s: float = PATIENCE_S) -> int:
        """Return the exit code."""
        return self.process.wait(within_s)

    def check(self) -> None:
        """Fail where it ended by itself."""
        if self.process.poll() is not None:
            raise AssertionError(f"ended by itself with {self.await_end()}:\n" + "\n".join(self.lines[-30:]))

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself."""
        self.process.send_signal(number)

    def close(self) -> None:
        """End it, however it stands; what it wrote can still be read."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._text = self.text
        self._output.close()


def run(home: Path, *words: str, **settings: str) -> Program:
    """Run one of Pulssi's commands to its end."""
    with Program(pulssi_command(*words), clean_environment(home, **settings)) as program:
        program.await_end(2 * PATIENCE_S)
    return program


def remaining_files(folder: Path) -> list[str]:
    """List the locks and state files in a data folder: none after an orderly end."""
    return sorted(path.name for path in folder.rglob("*") if path.suffix == ".lock" or path.name == stack_state.FILE)


def parts_in(folder: Path) -> dict[str, PartState]:
    """Return the parts of the stack that runs in a folder."""
    running = stack_state.read(folder)
    assert running is not None
    return {part.name: part for part in running.parts}


def await_restarted(folder: Path, name: str, times: int = 1) -> PartState:
    """Return a part once it is ready again after so many restarts."""
    deadline = time.monotonic() + PATIENCE_S
    while (part := parts_in(folder)[name]).restarts < times or part.state != "ready":
        assert time.monotonic() < deadline, part
        time.sleep(0.05)
    return part


def is_running(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def await_gone(pids: Sequence[int], within_s: float = PATIENCE_S) -> None:
    """Return when none of the processes runs; fails where one still does."""
    deadline = time.monotonic() + within_s
    while left := [pid for pid in pids if is_running(pid)]:
        if time.monotonic() > deadline:
            raise AssertionError(f"still running: {left}")
        time.sleep(0.02)  # the end of somebody else's child is no event we could wait for


def descendants(pid: int) -> list[int]:
    """List the processes that `pid` started, and those that they did."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text(encoding="utf-8").split():
            found += [int(child), *descendants(int(child))]
    return found


def ports_in_a_row() -> int:
    """Find free ports in a row for the parts of a stack; returns the first."""
    while True:
        base = any_free("127.0.0.1")
        if base < LAST_PORT_BASE and all(is_free("127.0.0.1", base + place) for place in range(len(PARTS_WITH_PORTS))):
            return base


def clean_environment(home: Path, **settings: str) -> dict[str, str]:
    """Return this environment without Pulssi's settings, with a state folder of its own and the embedded ClickHouse."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("PULSSI_")}
    return {**own, "XDG_STATE_HOME": str(home), "PULSSI_CLICKHOUSE_PROGRAM": "embedded", **settings}
