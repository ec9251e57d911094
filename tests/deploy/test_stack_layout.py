"""Which parts a stack starts, where they listen, and what it tells the others."""

import socket
from pathlib import Path

import pytest

from deploy.embedded.demonstration import demonstrate
from deploy.embedded.ports import any_free
from deploy.embedded.stack_layout import StackLayout, part_groups, plan_layout
from deploy.embedded.stack_output import TerminalOutput
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.environment import load_settings
from tests.deploy.program import run


def _names(layout: StackLayout) -> list[list[str]]:
    return [[part.name for part in group] for group in part_groups(layout)]


def test_everything_is_started_where_nothing_is_named(tmp_path: Path) -> None:
    """Servers and migrations first, then what needs them; ports stand in a row from the base."""
    said: list[str] = []
    layout = plan_layout(load_settings({}), tmp_path, 21100, said.append)
    assert _names(layout) == [
        ["broker", "clickhouse", "topics", "schema"],
        ["worker", "sink", "wallboard", "alerts", "hooks"],
    ]
    assert list(layout.ports.values()) == [21100, 21101, 21102, 21103, 21104, 21105, 21106], said
    assert layout.environment["PULSSI_KAFKA_BROKERS"] == "127.0.0.1:21100"


def test_the_gateway_runs_where_an_account_takes_hooks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a port of its own behind the others, which the other parts and commands are told; else without any."""
    entry = '[[source]]\nsource = "asterisk"\naccount = "main"\ntime_zone = "Europe/Helsinki"\n'
    (tmp_path / "sources.toml").write_text(entry)
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    layout = plan_layout(load_settings({}), tmp_path, 21300, lambda _: None)
    assert "gateway" not in layout.ports
    assert "PULSSI_GATEWAY_PORT" not in layout.environment
    hooked = f'{entry}[[source]]\nsource = "zendesk"\naccount = "acme"\nsecret_env = ["ACME"]\n'
    (tmp_path / "sources.toml").write_text(hooked)
    layout = plan_layout(load_settings({}), tmp_path, 21300, lambda _: None)
    assert _names(layout)[1] == ["worker", "sink", "wallboard", "alerts", "hooks", "gateway"]
    assert layout.environment["PULSSI_GATEWAY_PORT"] == str(layout.ports["gateway"])
    assert list(layout.ports)[-1] == "gateway"


def test_named_servers_are_used_and_not_started(tmp_path: Path) -> None:
    """An external Kafka and ClickHouse: neither is started, no setting of theirs is changed, no password is shown."""
    settings = load_settings(
        {"PULSSI_KAFKA_BROKERS": "kafka:9092", "PULSSI_CLICKHOUSE_URL": "https://writer:secret@clickhouse:8443"}
    )
    layout = plan_layout(settings, tmp_path, None, lambda _: None)
    assert _names(layout) == [["topics", "schema"], ["worker", "sink", "wallboard", "alerts", "hooks"]]
    assert not any(name.startswith(("PULSSI_KAFKA", "PULSSI_CLICKHOUSE")) for name in layout.environment)
    assert layout.url_of("broker") == "kafka:9092"
    assert layout.url_of("clickhouse") == "https://clickhouse:8443"
    assert "secret" not in str(layout.environment)


def test_no_two_parts_get_one_port(tmp_path: Path) -> None:
    """A busy port is replaced by one that no other part wants, and settings that clash are told apart."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = str(taken.getsockname()[1])
        free = str(any_free("127.0.0.1"))
        said: list[str] = []
        settings = load_settings({"PULSSI_WORKER_PORT": busy, "PULSSI_SINK_PORT": free, "PULSSI_WALLBOARD_PORT": free})
        layout = plan_layout(settings, tmp_path, None, said.append)
    assert len(set(layout.ports.values())) == len(layout.ports)
    assert any(line.startswith(f"port {busy} is busy: the worker takes ") for line in said)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", set()),
        ('[[source]]\nsource = "zendesk"\naccount = "A b"\nsecret_env = ["X"]\n', {"gateway"}),
        ('[[source]]\nsource = "zendsk"\naccount = "acme"\n', {"gateway", "follow"}),
    ],
)
def test_a_faulty_account_has_its_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, parts: set[str]
) -> None:
    """The part names the fault, and uses the account once it is mended; of an unknown source both may."""
    (tmp_path / "sources.toml").write_text(text, encoding="utf-8")
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    layout = plan_layout(load_settings({}), tmp_path, 21400, lambda _: None)
    assert set(layout.own_parts) & {"gateway", "follow"} == parts


def test_a_file_that_is_no_toml_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what it means."""
    (tmp_path / "sources.toml").write_text("[[source]\n", encoding="utf-8")
    monkeypatch.setenv("PULSSI_CONFIG", str(tmp_path))
    with pytest.raises(ConfigurationError, match="is not TOML"):
        plan_layout(load_settings({}), tmp_path, 21400, lambda _: None)


def test_a_demonstration_begins_at_midnight(tmp_path: Path) -> None:
    """One simulator, from the start of today, with the rate and the seed that were asked for."""
    layout = plan_layout(load_settings({}), tmp_path, 21200, lambda _: None)
    ((simulator,),) = demonstrate(2.5, 7, layout, TerminalOutput())
    assert simulator.command[-7:] == ("simulate", "--start", "midnight", "--rate", "2.5", "--seed", "7")


def test_a_demonstration_takes_no_folder_that_holds_something(tmp_path: Path) -> None:
    """It must not mix with what somebody keeps."""
    (tmp_path / "mine.txt").touch()
    demo = run(tmp_path, "demo", "--data", str(tmp_path), PULSSI_KAFKA_BROKERS="127.0.0.1:9")
    assert (demo.code, demo.lines) == (
        2,
        [f"pulssi: --data {tmp_path}: is not empty; a demonstration takes a folder of its own"],
    )
