"""Commands as people and scripts see them before anything is started: what they refuse, and how they end."""

import logging
import socket
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy.cli import COMMANDS, main
from deploy.embedded import stack_state
from deploy.embedded.ports import any_free
from schemas.exits import EndError, Exit
from streams.kafka.faust_transport import BatchConsumer, BatchThread
from streams.worker import Worker
from tests.deploy.program import run
from tests.fixtures.clickhouse import ClickHouseServer


@pytest.mark.parametrize(
    ("words", "setting", "url"),
    [
        (("query", "SELECT 1"), "PULSSI_CLICKHOUSE_URL", "http://reader:secret@{address}"),
        (("reconcile",), "PULSSI_CLICKHOUSE_URL", "http://reader:secret@{address}"),
        (("explain", "desk:acme:4711"), "PULSSI_CLICKHOUSE_URL", "http://reader:secret@{address}"),
        (("migrate",), "PULSSI_KAFKA_BROKERS", "{address}"),
    ],
    ids=["query", "reconcile", "explain", "migrate"],
)
def test_a_server_that_does_not_answer_is_one_line_and_3(
    tmp_path: Path, words: tuple[str, ...], setting: str, url: str
) -> None:
    """Nobody listens: the address is named, and no password with it."""
    address = f"127.0.0.1:{any_free('127.0.0.1')}"
    program = run(tmp_path, *words, **{setting: url.format(address=address)})
    assert program.code == 3
    (line,) = program.lines
    assert address in line
    assert "secret" not in line


def test_drain_ends_soon_where_clickhouse_is_halted(tmp_path: Path) -> None:
    """Its port takes connections, and nobody answers."""
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as halted:
        address = f"127.0.0.1:{halted.getsockname()[1]}"
        program = run(tmp_path, "drain", "--timeout", "1", PULSSI_CLICKHOUSE_URL=f"http://{address}")
    (line,) = program.lines
    assert (program.code, address in line, time.monotonic() - began < 60) == (3, True, True)


def test_a_faulty_query_is_told_whole(clickhouse_server: ClickHouseServer, tmp_path: Path) -> None:
    """All that ClickHouse says of the fault, and nothing of the way there."""
    there = {"PULSSI_CLICKHOUSE_URL": clickhouse_server.url, "PULSSI_CLICKHOUSE_DATABASE": "default"}
    program = run(tmp_path, "query", "SELECT 1 FRUM x WHERE 2 AND", **there)
    assert program.code == 2
    assert program.text.startswith("pulssi: ClickHouse refused: Code: 62. DB::Exception: Syntax error")
    assert program.text.rstrip().endswith("(SYNTAX_ERROR)")
    assert "127.0.0.1" not in program.text


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(name: str) -> None:
    """Every command tells what it does by an example, or each of its own commands does."""
    command = main.get_command(click.Context(main), name)
    for each in command.commands.values() if isinstance(command, click.Group) else [command]:
        assert each is not None
        shown = CliRunner().invoke(each, ["--help"])
        assert shown.exit_code == 0
        assert "Example" in shown.output


def test_lists_of_commands_cut_no_sentence() -> None:
    """On a terminal of 80 columns."""
    groups = [main, *(main.get_command(click.Context(main), name) for name in COMMANDS)]
    for group in groups:
        if isinstance(group, click.Group):
            assert "..." not in CliRunner().invoke(group, ["--help"]).output.partition("Commands:")[2]


def test_a_data_folder_remembers_its_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted by a configuration's policies is not counted on by the defaults unless somebody says so.

    A run that names a configuration is not refused, and one that was allowed to have none is the last to be asked.
    """
    config = tmp_path / "config"
    monkeypatch.setenv("PULSSI_CONFIG", str(config))
    stack_state.remember_configuration(tmp_path)
    assert stack_state.previous_configuration(tmp_path) is None
    monkeypatch.delenv("PULSSI_CONFIG")
    program = run(tmp_path, "up", "--data", str(tmp_path))
    assert program.code == 2
    (line,) = program.lines
    assert line.startswith(
        f"pulssi: {tmp_path} was run with the configuration {config}: add --config {config}, or --no"
    )
    stack_state.remember_configuration(tmp_path)
    assert stack_state.previous_configuration(tmp_path) is None


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [(LookupError("no such thing"), Exit.BUG, "in fails"), (EndError("port taken", Exit.UNREACHABLE), 3, "")],
    ids=["a bug", "an end"],
)
def test_a_part_that_fails_ends_with_the_code_of_that(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, code: int, told: str
) -> None:
    """What nobody expects is a bug, also before or beside what the part itself guards: 70, with the trace."""

    def fails(_: object) -> None:
        raise error

    monkeypatch.setattr("streams.worker.run", fails)
    assert CliRunner().invoke(main, ["worker"]).exit_code == code
    assert (told in caplog.text) if told else not caplog.text


def test_the_clients_of_a_part_write_no_lines_of_their_own(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Of an outage, a busy machine, a start and an end the part tells itself; also not in the name of our modules."""

    def speaks(_: object) -> int:
        for name in ("aiokafka.conn", "kafka.client", "mode.timers", "faust.transport.drivers.aiokafka"):
            logging.getLogger(name).error("Connect call failed")
        for service in (Worker, BatchConsumer, BatchThread):
            service.logger.error("Thread keepalive is not responding...")
        return 0

    monkeypatch.setattr("streams.worker.run", speaks)
    CliRunner().invoke(main, ["worker"])
    assert caplog.messages == []
