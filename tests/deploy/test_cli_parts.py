"""The commands that run one part: what they refuse before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.cli import COMMANDS
from deploy.embedded import state
from deploy.embedded.ports import any_free
from tests.deploy.program import run
from tests.fixtures.clickhouse import ClickHouseServer


@pytest.mark.parametrize("part", ["worker", "sink", "wallboard", "broker", "clickhouse"])
def test_unusable_settings_end_a_part_at_once(part: str, tmp_path: Path) -> None:
    """A misspelt setting is named with its correction, and the exit is 2."""
    program = run(tmp_path, part, PULSSI_PARTITION="4", PULSSI_DATA=str(tmp_path))
    assert program.code == 2
    assert program.lines == [
        "pulssi: PULSSI_PARTITION (environment): there is no such setting; did you mean partitions?"
    ]


def test_a_query_without_a_clickhouse_is_one_line_and_3(tmp_path: Path) -> None:
    """Nobody listens: the address is named, and no password with it."""
    port = any_free("127.0.0.1")
    url = f"http://reader:secret@127.0.0.1:{port}"
    program = run(tmp_path, "query", "SELECT 1", PULSSI_CLICKHOUSE_URL=url)
    assert program.code == 3
    assert len(program.lines) == 1
    assert f"127.0.0.1:{port}" in program.text
    assert "secret" not in program.text


def test_a_faulty_query_is_told_whole(clickhouse_server: ClickHouseServer, tmp_path: Path) -> None:
    """All that ClickHouse says of the fault, and nothing of the way there."""
    there = {"PULSSI_CLICKHOUSE_URL": clickhouse_server.url, "PULSSI_CLICKHOUSE_DATABASE": "default"}
    program = run(tmp_path, "query", "SELECT 1 FRUM x WHERE 2 AND", **there)
    assert program.code == 2
    assert program.text.startswith("pulssi: ClickHouse declined: Code: 62. DB::Exception: Syntax error")
    assert program.text.rstrip().endswith("(SYNTAX_ERROR)")
    assert "127.0.0.1" not in program.text


@pytest.mark.parametrize("part", ["up", "worker", "wallboard"])
def test_every_fault_of_a_configuration_is_told_at_once(part: str, tmp_path: Path) -> None:
    """Settings and rules: who mends one fault does not meet the next one at the next start."""
    folder = tmp_path / "config"
    folder.mkdir()
    (folder / "pulssi.toml").write_text("partition = 4\n", encoding="utf-8")
    (folder / "centre.toml").write_text('short_abandon = "soon"\n', encoding="utf-8")
    program = run(tmp_path, part, "--config", str(folder))
    assert program.code == 2
    assert len(program.lines) == 2
    assert "pulssi.toml:1" in program.lines[0]
    assert "centre.toml:1" in program.lines[1]


@pytest.mark.parametrize("command", sorted({"up", "demo", "down", "status", "migrate", "query", "worker", "broker"}))
def test_help_shows_an_example(command: str, tmp_path: Path) -> None:
    """Every command tells what it does by an example."""
    assert command in COMMANDS
    program = run(tmp_path, command, "--help")
    assert program.code == 0
    assert "Example" in program.text


def test_a_folder_is_not_run_without_its_configuration(tmp_path: Path) -> None:
    """What was counted by a configuration's policies is not counted on by the defaults unless somebody says so."""
    folder, config = tmp_path / "data", tmp_path / "config"
    folder.mkdir()
    config.mkdir()
    (folder / state.CONFIGURATION).write_text(f"{config}\n", encoding="utf-8")
    program = run(tmp_path, "up", "--data", str(folder))
    assert program.code == 2
    (line,) = program.lines
    assert line.startswith(f"pulssi: {folder} was run with the configuration {config}: add --config {config}, or --no-")


@pytest.mark.parametrize("named", [True, False])
def test_a_data_folder_remembers_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    """What the last run named is missed by a run that names none; a run without one asks for nothing later."""
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path / "config"))
    state.remember_configuration(tmp_path)
    assert state.forgotten_configuration(tmp_path) is None
    if not named:
        monkeypatch.delenv("PULSSI_CONFIG")
        state.remember_configuration(tmp_path)
    monkeypatch.delenv("PULSSI_CONFIG", raising=False)
    assert state.forgotten_configuration(tmp_path) == (tmp_path / "config" if named else None)
