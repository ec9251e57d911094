"""Which stack a command speaks to: the folder it is given, named servers, the last `up`, or the defaults."""

import fcntl
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy.cli import main
from deploy.cli.common import stack_settings
from deploy.cli.config_option import rules_in_force
from deploy.embedded import stack_state
from deploy.embedded.folder_lock import lock_folder, lock_path
from deploy.embedded.stack_state import StackState
from schemas.policies import Rules

EMBEDDED = {"PULSSI_KAFKA_BROKERS": "127.0.0.1:19092", "PULSSI_CLICKHOUSE_URL": "http://127.0.0.1:18123"}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own stacks and settings out."""
    for name in ("PULSSI_KAFKA_BROKERS", "PULSSI_CLICKHOUSE_URL", "PULSSI_DATA", "PULSSI_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def _write(folder: Path, **more: str) -> None:
    """Leave the state of a stack that this process runs, as the last `up`."""
    stack_state.write(StackState(pid=os.getpid(), folder=folder, phase="ready", environment={**EMBEDDED, **more}))
    stack_state.remember_last(folder)


def _servers(data: Path | None = None) -> tuple[str, str]:
    settings = stack_settings(data)
    return settings.kafka_brokers, settings.clickhouse_url


def test_the_stack_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last `up` while it runs, then the defaults; a Kafka of the environment as a whole; `--data` whatever else."""
    embedded = ("127.0.0.1:19092", "http://127.0.0.1:18123")
    with lock_folder(tmp_path, stack_state.LOCK):
        _write(tmp_path)
        assert _servers() == embedded
        monkeypatch.setenv("PULSSI_KAFKA_BROKERS", "kafka:9092")
        assert _servers() == ("kafka:9092", embedded[1])
        assert _servers(tmp_path) == embedded
        monkeypatch.delenv("PULSSI_KAFKA_BROKERS")
    assert _servers() == ("127.0.0.1:9092", "http://127.0.0.1:8123")


def test_down_ends_none_of_several_that_it_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last one may be somebody else's; once only one runs, that is the one."""
    kill, first, second = os.kill, tmp_path / "first", tmp_path / "second"

    def without_effect(pid: int, number: int) -> None:
        assert number == 0, "a stack was to be ended"
        kill(pid, number)

    monkeypatch.setattr(os, "kill", without_effect)
    for folder in (first, second):
        folder.mkdir()
    with lock_folder(first, stack_state.LOCK):
        _write(first)
        with lock_folder(second, stack_state.LOCK):
            _write(second)
            refused = CliRunner().invoke(main, ["down"])
            assert (refused.exit_code, f"--data: {first}, {second}" in refused.output) == (2, True)
            found = stack_state.find(None)
            assert found is not None
            assert found.folder == second
            stack_state.remove(second)
        found = stack_state.find(None)
        assert found is not None
        assert found.folder == first
        assert stack_state.noted() == [found]
        stack_state.remove(first)
    assert (stack_state.find(None), stack_state.noted()) == (None, [])


def test_a_stacks_configuration_is_taken_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules and the centre's time zone come from the folder that the stack was started with, unless one is named."""
    monkeypatch.setattr(os, "environ", {**os.environ})  # what a command sets ends with it
    (tmp_path / "config").mkdir()
    (tmp_path / "config/centre.toml").write_text('time_zone = "Europe/Helsinki"\nshort_abandon = "9s"\n')
    with lock_folder(tmp_path, stack_state.LOCK):
        _write(tmp_path, PULSSI_CONFIG=str(tmp_path / "config"))
        settings = stack_settings(tmp_path)
        assert (settings.time_zone, settings.kafka_brokers) == ("Europe/Helsinki", "127.0.0.1:19092")
        assert rules_in_force(settings).short_abandon_ms == 9_000
        (tmp_path / "other").mkdir()
        os.environ["PULSSI_CONFIG"] = str(tmp_path / "other")
        settings = stack_settings(tmp_path)
        assert (settings.time_zone, rules_in_force(settings)) == ("UTC", Rules())


def test_a_folder_where_nothing_runs_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state file without a living owner counts for nothing."""
    _write(tmp_path)
    with pytest.raises(SystemExit) as ended:
        stack_settings(tmp_path)
    assert ended.value.code == 3
    assert "pulssi up --data" in capsys.readouterr().err


def test_a_killed_stack_is_not_taken_for_the_one_that_has_just_got_its_lock(tmp_path: Path) -> None:
    """Between taking the lock and writing its process id, the next stack has the killed one's id in the lock's file."""
    killed = subprocess.Popen(["true"])
    killed.wait()
    lock_path(tmp_path, stack_state.LOCK).write_text(f"{killed.pid}\n")
    stack_state.write(StackState(pid=killed.pid, folder=tmp_path, phase="ready", environment=EMBEDDED))
    with lock_path(tmp_path, stack_state.LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert stack_state.read(tmp_path) is None
