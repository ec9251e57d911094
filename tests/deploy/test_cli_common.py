"""Which stack a command speaks to: the folder it is given, named servers, the last `up`, or the defaults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.cli.common import settings_or_exit, stack_settings
from deploy.cli.rules import rules_or_exit
from deploy.embedded import state
from deploy.embedded.lock import hold
from deploy.embedded.state import StackState
from schemas.policies import Rules

EMBEDDED = {
    "PULSSI_KAFKA_BROKERS": "127.0.0.1:19092",
    "PULSSI_CLICKHOUSE_URL": "http://127.0.0.1:18123",
}


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep this machine's own stacks and settings out."""
    for name in ("PULSSI_KAFKA_BROKERS", "PULSSI_CLICKHOUSE_URL", "PULSSI_DATA", "PULSSI_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def _write(folder: Path) -> None:
    state.write(StackState(pid=os.getpid(), folder=folder, phase="ready", environment=EMBEDDED))


def test_the_last_up_is_meant_where_nothing_is_named(tmp_path: Path) -> None:
    """Its broker and its ClickHouse, for as long as it runs; then the defaults again."""
    with hold(tmp_path, state.LOCK):
        _write(tmp_path)
        state.remember(tmp_path)
        assert stack_settings().kafka_brokers == "127.0.0.1:19092"
        assert stack_settings().clickhouse_url == "http://127.0.0.1:18123"
    assert stack_settings().kafka_brokers == "127.0.0.1:9092"


def test_a_named_kafka_is_taken_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Kafka from the environment is not spoken to as the embedded broker of the last `up`."""
    monkeypatch.setenv("PULSSI_KAFKA_BROKERS", "kafka:9092")
    with hold(tmp_path, state.LOCK):
        _write(tmp_path)
        state.remember(tmp_path)
        settings = stack_settings()
    assert settings.kafka_brokers == "kafka:9092"
    assert settings.clickhouse_url == "http://127.0.0.1:18123"


def test_a_given_folder_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--data` means that stack, whatever the environment says."""
    monkeypatch.setenv("PULSSI_KAFKA_BROKERS", "kafka:9092")
    with hold(tmp_path, state.LOCK):
        _write(tmp_path)
        assert stack_settings(tmp_path).kafka_brokers == "127.0.0.1:19092"


def test_a_stacks_configuration_is_taken_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules and the centre's time zone come from the folder that the stack was started with, unless one is named."""
    monkeypatch.setattr(os, "environ", {**os.environ})  # what a command sets ends with it
    (tmp_path / "config").mkdir()
    (tmp_path / "config/centre.toml").write_text('time_zone = "Europe/Helsinki"\nshort_abandon = "9s"\n')
    with hold(tmp_path, state.LOCK):
        environment = {**EMBEDDED, "PULSSI_CONFIG": str(tmp_path / "config")}
        state.write(StackState(pid=os.getpid(), folder=tmp_path, phase="ready", environment=environment))
        settings = stack_settings(tmp_path)
        assert (settings.time_zone, settings.kafka_brokers) == ("Europe/Helsinki", "127.0.0.1:19092")
        assert rules_or_exit(settings).short_abandon_ms == 9_000
        (tmp_path / "other").mkdir()
        os.environ["PULSSI_CONFIG"] = str(tmp_path / "other")
        settings = stack_settings(tmp_path)
        assert (settings.time_zone, rules_or_exit(settings)) == ("UTC", Rules())


def test_a_folder_where_nothing_runs_is_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state file without a living owner counts for nothing."""
    _write(tmp_path)
    with pytest.raises(SystemExit) as ended:
        stack_settings(tmp_path)
    assert ended.value.code == 3
    assert "pulssi up --data" in capsys.readouterr().err


def test_faults_of_settings_are_lines_and_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each fault is a line on stderr."""
    monkeypatch.setenv("PULSSI_KAFKA_BROKERS", "nowhere")
    monkeypatch.setenv("PULSSI_CLICKHOUSE_URL", "nowhere")
    with pytest.raises(SystemExit) as ended:
        settings_or_exit()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
