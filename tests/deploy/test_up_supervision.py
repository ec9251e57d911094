"""A stack on this machine: it starts in order, starts again what died, ends all, and leaves nothing behind.

The broker is the real one; worker, sink and wallboard are stand-ins, for what is tested is who looks after them.
"""

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from deploy.embedded import stack_state
from deploy.embedded.stack_layout import ARCHIVE_NICENESS
from deploy.embedded.supervisor import FAILED_STARTS_LIMIT
from streams.kafka.brokers import admin_client
from tests.deploy import clickhouse_standin
from tests.deploy.program import (
    PATIENCE_S,
    Program,
    await_gone,
    await_restarted,
    clean_environment,
    descendants,
    parts_in,
    ports_in_a_row,
    remaining_files,
    run,
)

Start = Callable[..., Program]
RUNS: Final = "everything runs"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Name the stack's folder."""
    return (tmp_path / "stack").resolve()


@pytest.fixture
def start(folder: Path, tmp_path: Path) -> Iterator[Start]:
    """Start stacks in this test's folder; what is left of them is ended."""
    with ExitStack() as programs:

        def started(
            kind: str = "", until: str = RUNS, base: int = 0, before: tuple[str, ...] = (), **settings: str
        ) -> Program:
            stack = (sys.executable, "-m", "tests.deploy.stack_of_standins", str(folder), str(base or ports_in_a_row()))
            program = Program([*before, *stack, kind], clean_environment(tmp_path, **settings))
            programs.enter_context(program)
            if until:
                program.await_line(until)
            return program

        yield started


def _end(program: Program, folder: Path) -> None:
    """End a stack: with 0, and neither a process nor a lock or state file is left."""
    everything = descendants(program.process.pid)
    program.signal(signal.SIGTERM)
    assert program.await_end() == 0
    await_gone(everything)
    assert remaining_files(folder) == []


def test_it_starts_in_order_and_ends_in_reverse(start: Start, folder: Path) -> None:
    """Each part is said to be ready; SIGTERM ends all with 0 and leaves no process, lock or state.

    A busy port is got around, which is said. Who gives the whole stack less claim to the processors is not overruled,
    which only root could. A second stack on the folder is refused in one line with its owner and the way out, with 3.
    """
    base = ports_in_a_row()
    with socket.create_server(("127.0.0.1", base)):
        program = start(base=base, before=("nice", "-n", "12"))
        parts = parts_in(folder)
    assert f"port {base} is busy: the broker takes " in program.text
    assert list(parts) == ["broker", "worker", "sink", "wallboard", "alerts", "hooks"]
    assert {part.state for part in parts.values()} == {"ready"}
    assert parts["broker"].url != f"127.0.0.1:{base}"
    niceness = {name: os.getpriority(os.PRIO_PROCESS, part.pid) for name, part in parts.items() if part.pid}
    own = niceness["worker"]
    assert own == min(os.getpriority(os.PRIO_PROCESS, 0) + 12, 19)
    assert niceness["sink"] == min(own + ARCHIVE_NICENESS, 19)
    second = start(until="")
    assert second.await_end() == 3
    (line,) = second.lines
    assert f"process {program.process.pid}" in line
    assert f"pulssi down --data {folder}" in line
    _end(program, folder)
    ends = [line.split()[0] for line in program.lines if "stand-in ends" in line]
    assert ends == ["hooks", "alerts", "wallboard", "sink", "worker"]


@pytest.mark.parametrize("victim", ["broker", pytest.param("sink", marks=pytest.mark.long)])
def test_a_killed_part_is_started_again(start: Start, folder: Path, victim: str) -> None:
    """SIGKILL, twice: how it ended is said and counted, it comes back at its address, and nothing else is touched."""
    program = start()
    before = parts_in(folder)
    part = before[victim]
    for times in (1, 2):
        assert part.pid is not None
        os.kill(part.pid, signal.SIGKILL)
        program.await_line(f"{victim} was killed by SIGKILL: started again ({times})")
        killed, part = part, await_restarted(folder, victim, times)
        assert (part.url, part.last_exit) == (killed.url, "was killed by SIGKILL")
        assert part.pid != killed.pid
    assert parts_in(folder) == {**before, victim: part}
    _end(program, folder)


@pytest.mark.long
def test_a_broker_whose_jvm_is_killed_is_started_again(start: Start, folder: Path) -> None:
    """The JVM dies and not what looks after it: that names the log and ends, and both come back with what was kept."""
    program = start()
    with admin_client(parts_in(folder)["broker"].url) as admin:
        admin.create_topics({"kept": {"num_partitions": 1, "replication_factor": 1}})
    pid = parts_in(folder)["broker"].pid
    assert pid is not None
    (jvm,) = descendants(pid)
    os.kill(jvm, signal.SIGKILL)
    assert str(folder / "logs" / "kafka.log") in program.await_line("Kafka was killed by SIGKILL: see ")
    program.await_line("broker ended with code 1: started again (1)")
    with admin_client(await_restarted(folder, "broker", 1).url, wait_s=PATIENCE_S) as admin:
        assert "kept" in admin.list_topics()


def test_killed_itself_it_leaves_no_process(start: Start, folder: Path) -> None:
    """SIGKILL of `up`: its parts end by themselves, and a new one starts in the same folder."""
    program = start()
    everything = descendants(program.process.pid)
    assert len(everything) >= 5
    program.signal(signal.SIGKILL)
    await_gone(everything)
    assert stack_state.read(folder) is None
    again = start()
    assert "the last run did not end in order: Kafka and ClickHouse recover" in again.text
    _end(again, folder)


def test_a_part_that_does_not_end_is_killed_when_asked_twice(start: Start) -> None:
    """A second Ctrl-C waits for nobody."""
    program = start("stubborn")
    everything = descendants(program.process.pid)
    program.signal(signal.SIGINT)
    program.await_line("ending, the last started first")
    program.signal(signal.SIGINT)
    assert program.await_end() == 0
    assert "did not end at once: killed" in program.text
    await_gone(everything)


@pytest.mark.long
def test_a_part_that_dies_again_and_again_ends_the_stack(start: Start, folder: Path) -> None:
    """The sink ends with 7 before it is ready, each time: it is tried five times, then named with its last lines."""
    program = start("short", until="")
    assert program.await_end() == 1
    assert [line for line in program.lines if "started again" in line] == [
        f"sink ended with code 7: started again ({times}): going down" for times in range(1, FAILED_STARTS_LIMIT)
    ]
    told = program.lines.index("sink ended with code 7, 5 times in a row without being ready: ending the rest")
    assert program.lines[told - 1] == "  sink: going down"
    assert "everything runs" not in program.text
    assert remaining_files(folder) == []


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        pytest.param("short", "started again (3)", id="a part is down", marks=pytest.mark.long),
        pytest.param("", "broker ready", id="it starts"),
    ],
)
def test_it_can_be_ended_while(start: Start, folder: Path, kind: str, line: str) -> None:
    """SIGTERM in the pause before a restart, or before all is ready: nothing is started any more, and all ends."""
    _end(start(kind, until=line), folder)


def test_a_part_that_gives_up_stays_down(start: Start, folder: Path, tmp_path: Path) -> None:
    """It ends with 1, for an operator must act first: said once with its reason, kept in the status; the others run."""
    program = start("gives-up", until="all but sink runs")
    why = "ended with code 1: too many bad records"
    assert [line for line in program.lines if line.startswith("sink ") and "|" not in line] == [
        f"sink {why}",
        "sink stays down, the others go on: docs/runbooks/stopped-part.md says what to do",
    ]
    parts = parts_in(folder)
    assert (parts["sink"].state, parts["sink"].restarts, parts["sink"].pid) == ("stopped", 0, None)
    assert {part.state for name, part in parts.items() if name != "sink"} == {"ready"}
    status = run(tmp_path, "status", "--data", str(folder))
    assert status.code == 1
    (line,) = [line for line in status.lines if line.startswith("sink")]
    assert f"{why}; docs/runbooks/stopped-part.md" in line
    _end(program, folder)


@pytest.mark.long
def test_an_official_clickhouse_is_a_part_like_any(start: Start, folder: Path, tmp_path: Path) -> None:
    """The program that the setting names is shown with its version, restarted after SIGKILL, and stopped in order."""
    named = clickhouse_standin.program(tmp_path)
    program = start(PULSSI_CLICKHOUSE_PROGRAM=str(named))
    told = f"ClickHouse 26.9.1.1, {named}"
    before = parts_in(folder)["clickhouse"]
    assert (before.program, before.state) == (told, "ready")
    assert f"({told})" in program.text
    assert told in run(tmp_path, "status", "--data", str(folder)).text
    assert before.pid is not None
    (server,) = descendants(before.pid)
    os.kill(server, signal.SIGKILL)
    program.await_line("clickhouse ended with code 1: started again (1)")
    assert await_restarted(folder, "clickhouse").url == before.url
    _end(program, folder)
    assert "stand-in ends" in "\n".join(line for line in program.lines if line.startswith("clickhouse"))
