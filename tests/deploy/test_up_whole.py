"""The whole of Pulssi by its commands: `up --detach`, `status`, `query`, `down`, `demo`; every part is the real one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import state
from deploy.embedded.parts import pulssi
from deploy.embedded.probes import http_fault
from tests.deploy.program import Program, await_gone, clean_environment, descendants, ports_in_a_row

#: Six processes start; on a machine that does much else they take their time.
STARTS_WITHIN_S = 240.0


@pytest.fixture
def port_base() -> int:
    """Find free ports in a row."""
    return ports_in_a_row()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Name a data folder; whatever runs in it is ended."""
    folder = (tmp_path / "stack").resolve()
    yield folder
    if state.read(folder) is not None:
        _pulssi(tmp_path, "down", "--data", str(folder))


def _pulssi(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        pulssi(*arguments),
        env=clean_environment(home),
        check=False,
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN_S,
    )


def _status(home: Path, *arguments: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_pulssi(home, "status", "--json", *arguments).stdout)
    return report


def _left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.suffix == ".lock" or path.name == state.FILE)


def test_in_the_background_it_is_asked_and_a_dead_part_comes_back(folder: Path, tmp_path: Path, port_base: int) -> None:
    """`up --detach` returns when every part is ready; commands find it; a killed sink is named and comes back."""
    started = _pulssi(tmp_path, "up", "--detach", "--data", str(folder), "--port-base", str(port_base))
    assert started.returncode == 0, started.stderr
    report = _status(tmp_path)
    parts = {part["name"]: part for part in report["parts"]}
    assert report["ready"] is True
    assert {name: part["state"] for name, part in parts.items()} == {
        "broker": "ready",
        "clickhouse": "ready",
        "topics": "done",
        "schema": "done",
        "worker": "ready",
        "sink": "ready",
        "wallboard": "ready",
    }
    assert http_fault(parts["wallboard"]["url"]) is None
    niceness = {name: os.getpriority(os.PRIO_PROCESS, part["pid"]) for name, part in parts.items() if part["pid"]}
    archives = {"sink", "clickhouse"}  # what is watched goes first
    assert max(niceness[name] for name in niceness.keys() - archives) < min(niceness[name] for name in archives)
    # Nothing is named: the last `up` is meant, and its views are there.
    asked = _pulssi(tmp_path, "query", "SELECT count() AS n FROM samples")
    assert (asked.returncode, asked.stdout.splitlines()) == (0, ["n", "0"])
    # A question costs nothing: what would write is declined.
    slip = _pulssi(tmp_path, "query", "DROP TABLE samples_rows")
    assert (slip.returncode, "readonly" in slip.stderr) == (2, True)
    again = _pulssi(tmp_path, "migrate", "--data", str(folder))
    assert "made" not in again.stdout
    assert again.returncode == 0
    second = _pulssi(tmp_path, "up", "--data", str(folder))
    assert second.returncode == 3
    assert len(second.stdout.splitlines() + second.stderr.splitlines()) == 1
    os.kill(int(parts["sink"]["pid"]), signal.SIGKILL)
    sink = _await_restarted(tmp_path, "sink")
    assert (sink["restarts"], sink["last_exit"]) == (1, "was killed by SIGKILL")
    assert "sink        ready" in (told := _pulssi(tmp_path, "status").stdout)
    assert "restarts: 1, last: was killed by SIGKILL" in told
    log = (folder / "logs" / "up.log").read_text(encoding="utf-8")
    assert "sink was killed by SIGKILL: started again (1)" in log
    running = state.read(folder)
    assert running is not None
    everything = [running.pid, *descendants(running.pid)]
    assert _pulssi(tmp_path, "down").returncode == 0
    await_gone(everything)
    assert _left(folder) == []
    assert _pulssi(tmp_path, "status", "--data", str(folder)).returncode == 1


def _await_restarted(home: Path, name: str) -> dict[str, Any]:
    """Return a part's status once it is ready again."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        part: dict[str, Any] = next(part for part in _status(home)["parts"] if part["name"] == name)
        if part["restarts"] and part["state"] == "ready":
            return part
        assert time.monotonic() < deadline, part
        time.sleep(0.1)


def test_a_demonstration_shows_its_address_and_goes_live(folder: Path, tmp_path: Path, port_base: int) -> None:
    """`demo` says where the wallboard is, sends today so far, and `down` ends it with 0 and nothing left."""
    command = pulssi("demo", "--rate", "1", "--data", str(folder), "--port-base", str(port_base))
    program = Program(command, clean_environment(tmp_path))
    try:
        line = program.await_line("Open the wallboard", within_s=STARTS_WITHIN_S)
        assert f"http://127.0.0.1:{port_base + 4}/" in line
        program.await_line("everything runs")
        everything = descendants(program.process.pid)
        ended = _pulssi(tmp_path, "down", "--data", str(folder))
        assert (ended.returncode, ended.stdout.strip()) == (0, f"ended: {folder}")
        assert program.await_end() == 0
        await_gone(everything)
        assert _left(folder) == []
    finally:
        program.close()
