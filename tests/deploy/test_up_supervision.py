"""A stack on this machine: it starts in order, names who died, ends all, and leaves nothing behind.

The broker is the real one; worker, sink and wallboard are stand-ins, for what is tested is who looks after them.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.embedded import state
from deploy.embedded.parts import BEHIND_THE_LIVE
from deploy.embedded.ports import any_free, is_free
from deploy.embedded.supervisor import how
from tests.deploy.program import Program, await_gone, clean_environment, descendants, lives

Start = Callable[..., Program]


def _port_base() -> int:
    """Find five free ports in a row."""
    while True:
        base = any_free("127.0.0.1")
        if base < 65500 and all(is_free("127.0.0.1", base + place) for place in range(5)):
            return base


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start stacks in this test's folder; what is left of them is ended."""
    programs: list[Program] = []

    def started(*kind: str, port_base: int | None = None, before: tuple[str, ...] = ()) -> Program:
        base = str(_port_base() if port_base is None else port_base)
        command = [
            *before,
            sys.executable,
            "-m",
            "tests.deploy.stack_of_standins",
            str(tmp_path / "stack"),
            base,
            *kind,
        ]
        programs.append(Program(command, clean_environment(tmp_path)))
        return programs[-1]

    yield started
    for program in programs:
        program.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the stack's folder."""
    return (tmp_path / "stack").resolve()


def _left(folder: Path) -> list[str]:
    """List the locks and state files in the folder."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in {".lock", ".json"})


def test_a_part_stands_back_behind_the_stack_itself(start: Start, folder: Path) -> None:
    """Who gives the whole stack less claim to the processors is not overruled, which only root could."""
    program = start(before=("nice", "-n", "12"))
    program.await_line("everything runs")
    running = state.read(folder)
    assert running is not None
    niceness = {part.name: os.getpriority(os.PRIO_PROCESS, part.pid) for part in running.parts if part.pid}
    own = niceness["worker"]
    assert own == min(os.getpriority(os.PRIO_PROCESS, 0) + 12, 19)
    assert niceness["sink"] == min(own + BEHIND_THE_LIVE, 19)


def test_it_starts_in_order_and_ends_in_reverse(start: Start, folder: Path) -> None:
    """Each part is said to be ready; SIGTERM ends all with 0 and leaves no process, lock or state."""
    program = start()
    program.await_line("everything runs")
    running = state.read(folder)
    assert running is not None
    assert [part.name for part in running.parts] == ["broker", "worker", "sink", "wallboard"]
    assert {part.state for part in running.parts} == {"ready"}
    everything = descendants(program.process.pid)
    program.signal(signal.SIGTERM)
    assert program.await_end() == 0
    ends = [line.split()[0] for line in program.lines if "stand-in ends" in line]
    assert ends == ["wallboard", "sink", "worker"]
    await_gone(everything)
    assert _left(folder) == []


@pytest.mark.parametrize("victim", ["broker", "sink"])
def test_a_killed_part_is_named_and_the_rest_ends(start: Start, folder: Path, victim: str) -> None:
    """SIGKILL of any part: which one and how is said, exit 1, nothing is left."""
    program = start()
    program.await_line("everything runs")
    running = state.read(folder)
    assert running is not None
    everything = descendants(program.process.pid)
    pid = next(part.pid for part in running.parts if part.name == victim)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert program.await_end() == 1
    assert f"{victim} was killed by SIGKILL: ending the rest" in program.text
    await_gone(everything)
    assert _left(folder) == []


def test_killed_itself_it_leaves_no_process(start: Start, folder: Path) -> None:
    """SIGKILL of `up`: its parts end by themselves, and a new one starts in the same folder."""
    program = start()
    program.await_line("everything runs")
    everything = descendants(program.process.pid)
    assert len(everything) >= 5
    program.signal(signal.SIGKILL)
    await_gone(everything)
    assert state.read(folder) is None
    again = start()
    again.await_line("everything runs")
    again.signal(signal.SIGINT)
    assert again.await_end() == 0


def test_a_second_one_on_the_folder_is_refused(start: Start, folder: Path) -> None:
    """One line with the owner and the way out, exit 3; the first one goes on."""
    first = start()
    first.await_line("everything runs")
    second = start()
    assert second.await_end() == 3
    assert len(second.lines) == 1
    assert f"process {first.process.pid}" in second.text
    assert f"pulssi down --data {folder}" in second.text
    assert lives(first.process.pid)


def test_a_busy_port_is_got_around(start: Start, folder: Path) -> None:
    """Somebody listens on the broker's port: another is taken, which is said."""
    base = _port_base()
    with socket.create_server(("127.0.0.1", base)):
        program = start(port_base=base)
        program.await_line(f"port {base} is busy: the broker takes ")
        program.await_line("everything runs")
        running = state.read(folder)
    assert running is not None
    assert running.environment["PULSSI_KAFKA_BROKERS"] != f"127.0.0.1:{base}"


def test_a_part_that_does_not_end_is_killed_when_asked_twice(start: Start) -> None:
    """A second Ctrl-C waits for nobody."""
    program = start("stubborn")
    program.await_line("everything runs")
    everything = descendants(program.process.pid)
    program.signal(signal.SIGINT)
    program.await_line("ending, the last started first")
    program.signal(signal.SIGINT)
    assert program.await_end() == 0
    assert "did not end at once: killed" in program.text
    await_gone(everything)


def test_a_part_that_fails_at_the_start_is_named(start: Start, folder: Path) -> None:
    """The sink ends with 7 before it is ready: its words, its name and its code are said; the rest ends."""
    program = start("short")
    assert program.await_end() == 1
    assert "sink       | going down" in program.text
    assert "sink ended with code 7: ending the rest" in program.text
    assert "everything runs" not in program.text
    assert _left(folder) == []


def test_it_can_be_ended_while_it_starts(start: Start, folder: Path) -> None:
    """SIGTERM before all is ready is a clean end too."""
    program = start()
    program.await_line("broker ready")
    everything = descendants(program.process.pid)
    program.signal(signal.SIGTERM)
    assert program.await_end() == 0
    await_gone(everything)
    assert _left(folder) == []


def test_how_a_process_ended_is_said_in_words() -> None:
    """A signal by its name, else the code."""
    assert how(-9) == "was killed by SIGKILL"
    assert how(3) == "ended with code 3"
