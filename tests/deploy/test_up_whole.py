"""The whole of Pulssi by its commands: `up --detach`, `status`, `query`, `down`, `demo`; every part is the real one."""

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded import stack_state
from deploy.embedded.readiness_probes import http_fault
from deploy.embedded.stack_layout import FOLLOW, GATEWAY, PARTS_WITH_PORTS, pulssi_command
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
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

#: Six processes start; on a machine that does much else they take their time.
STARTS_WITHIN_S = 240.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Name a data folder; whatever runs in it is ended."""
    folder = (tmp_path / "stack").resolve()
    yield folder
    run(tmp_path, "down", "--data", str(folder))


def _status(home: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(run(home, "status", "--json").text)
    return report


def _events(home: Path, channel: str) -> int:
    """Count the events of a channel in ClickHouse."""
    return int(run(home, "query", f"SELECT count() AS n FROM events WHERE channel = '{channel}'").lines[1])  # noqa: S608


def test_in_the_background_it_is_asked_and_a_dead_part_comes_back(folder: Path, tmp_path: Path) -> None:
    """`up --detach` returns when every part is ready; commands find it; a killed sink is named and comes back."""
    started = run(tmp_path, "up", "--detach", "--data", str(folder), "--port-base", str(ports_in_a_row()))
    assert started.code == 0, started.text
    assert f"`pulssi down --data {folder}` ends it; logs: {folder / 'logs'}" in started.lines
    report = _status(tmp_path)
    parts = {part["name"]: part for part in report["parts"]}
    assert report["ready"] is True
    run_here = [name for name in PARTS_WITH_PORTS if name not in {GATEWAY, FOLLOW}]  # no account is configured
    states = {**dict.fromkeys(run_here, "ready"), "topics": "done", "schema": "done"}
    assert {name: part["state"] for name, part in parts.items()} == states
    assert http_fault(parts["wallboard"]["url"]) is None
    niceness = {name: os.getpriority(os.PRIO_PROCESS, part["pid"]) for name, part in parts.items() if part["pid"]}
    archives = {"sink", "clickhouse"}  # what is watched goes first
    assert max(niceness[name] for name in niceness.keys() - archives) < min(niceness[name] for name in archives)
    # Nothing is named: the last `up` is meant, and its views are there.
    asked = run(tmp_path, "query", "SELECT count() AS n FROM samples")
    assert (asked.code, asked.lines) == (0, ["n", "0"])
    # A question costs nothing: what would write is declined.
    slip = run(tmp_path, "query", "DROP TABLE samples_rows")
    assert (slip.code, "readonly" in slip.text) == (2, True)
    again = run(tmp_path, "migrate", "--data", str(folder))
    assert (again.code, "made" in again.text) == (0, False)
    second = run(tmp_path, "up", "--data", str(folder))
    assert (second.code, len(second.lines)) == (3, 1)
    os.kill(int(parts["sink"]["pid"]), signal.SIGKILL)
    await_restarted(folder, "sink")
    sink = next(part for part in _status(tmp_path)["parts"] if part["name"] == "sink")
    assert (sink["restarts"], sink["last_exit"]) == (1, "was killed by SIGKILL")
    told = run(tmp_path, "status").text
    assert "sink        ready" in told
    assert f"data        {folder}" in told, "which stack it is, where none is named"
    assert "restarts: 1, last: was killed by SIGKILL" in told
    log = (folder / "logs" / "up.log").read_text(encoding="utf-8")
    assert "sink was killed by SIGKILL: started again (1)" in log
    running = stack_state.read(folder)
    assert running is not None
    everything = [running.pid, *descendants(running.pid)]
    assert run(tmp_path, "down").code == 0
    await_gone(everything)
    assert remaining_files(folder) == []
    assert run(tmp_path, "status", "--data", str(folder)).code == 1


@pytest.mark.long
def test_a_source_that_was_given_partitions_is_refused_alone(folder: Path, tmp_path: Path) -> None:
    """All else starts and counts, the refused source is named with its remedy; the remedy works while all runs."""
    base = str(ports_in_a_row())
    up = ("up", "--detach", "--data", str(folder), "--port-base", base)
    assert run(tmp_path, *up).code == 0
    with admin_client(parts_in(folder)["broker"].url) as admin:
        admin.create_partitions({"contacts.chat": load_settings({}).partitions + 2})
    assert run(tmp_path, "down").code == 0
    started = run(tmp_path, *up)
    refused = re.compile(
        r"contacts\.chat/0,1,2,3,4,5: refused: contacts\.chat has 6 partitions, .*"
        r"delete the topic contacts\.chat\.journal, run `pulssi migrate`, then `pulssi epoch begin contacts\.chat`"
    )
    assert (started.code, bool(refused.search(started.lines[-1]))) == (1, True), started.text
    log = (folder / "logs" / "up.log").read_text(encoding="utf-8")
    assert refused.search(next(line for line in log.splitlines() if "worker is not ready" in line))
    parts = {part["name"]: part for part in _status(tmp_path)["parts"]}
    assert [name for name, part in parts.items() if part["state"] not in {"ready", "done"}] == ["worker"]
    begin = datetime.now(UTC) - timedelta(hours=1)
    assert run(tmp_path, "simulate", "--start", begin.isoformat(), "--for", "1h", "--rate", "2").code == 0
    deadline = time.monotonic() + PATIENCE_S
    while not _events(tmp_path, "call"):
        assert time.monotonic() < deadline, "no other source is counted"
    assert _events(tmp_path, "chat") == 0
    with admin_client(parts_in(folder)["broker"].url) as admin:
        admin.delete_topics(["contacts.chat.journal"])
    assert run(tmp_path, "migrate").code == 0
    begun = run(tmp_path, "epoch", "begin", "contacts.chat", "--yes")
    assert begun.code == 0, begun.text
    assert run(tmp_path, "drain").code == 0
    assert run(tmp_path, "reconcile").code == 0
    assert _events(tmp_path, "chat")
    assert _status(tmp_path)["ready"] is True


@pytest.mark.long
def test_a_demonstration_shows_its_address_and_goes_live(folder: Path, tmp_path: Path) -> None:
    """`demo` says where the wallboard is, sends today so far, and `down` ends it with 0 and nothing left."""
    base = ports_in_a_row()
    command = pulssi_command("demo", "--rate", "1", "--data", str(folder), "--port-base", str(base))
    with Program(command, clean_environment(tmp_path)) as program:
        line = program.await_line("Open the wallboard", within_s=STARTS_WITHIN_S)
        assert f"http://127.0.0.1:{base + 4}/" in line
        program.await_line("everything runs")
        everything = descendants(program.process.pid)
        ended = run(tmp_path, "down", "--data", str(folder))
        assert (ended.code, ended.lines) == (0, [f"ended: {folder}"])
        assert program.await_end() == 0
        await_gone(everything)
        assert remaining_files(folder) == []
