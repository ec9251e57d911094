"""The containers' topology as processes: what each is told is what the Compose file says, and together they count."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from deploy.bare import topology
from deploy.bare.compose_file import read_services
from deploy.embedded.stack_layout import OWN_PARTS, StackLayout, pulssi_command
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from tests.deploy.program import (
    Program,
    await_gone,
    clean_environment,
    descendants,
    ports_in_a_row,
    remaining_files,
    run,
)

ALL = ("broker", "clickhouse", *OWN_PARTS)
FOLLOWED = """
[[source]]
source = "zendesk"
account = "acme"
secret_file = ["/etc/pulssi/zendesk-secret"]
[[source]]
source = "asterisk"
account = "main"
path = "{log}"
time_zone = "Europe/Helsinki"
"""


def _layout(folder: Path) -> StackLayout:
    return StackLayout(Settings(), folder, {name: 40_000 + place for place, name in enumerate(ALL)}, {})


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Leave the secrets of ClickHouse's users."""
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name, user in (("writer", "pulssi_writer"), ("admin", "default")):
        (folder / f"clickhouse_{name}_url").write_text(f"http://{user}:invented@clickhouse:8123\n")
    (folder / "wallboard_token").write_text("0123456789abcdef0123456789abcdef\n")
    (folder / "wallboard_session_key").write_text("fedcba9876543210fedcba9876543210\n")
    return folder


def test_each_process_is_told_what_its_container_is(secrets: Path, tmp_path: Path) -> None:
    """The same variables, no more but its port, no fewer; with the places of this machine."""
    layout = _layout(tmp_path)
    groups = topology.part_groups(layout, variables={}, config=tmp_path, secrets=secrets, profiles=())
    told = {part.name: part for group in groups for part in group}
    services = read_services({})
    assert [part.name for part in groups[0]] == ["broker", "clickhouse"]
    assert [part.name for part in groups[1]] == ["migrate"]
    assert set(told) == {*ALL, "migrate"}
    for name in ("migrate", *OWN_PARTS):
        own_port = {f"PULSSI_{name.upper()}_PORT"} if name in OWN_PARTS else set()
        assert set(told[name].environment) == set(services[name].environment) | own_port
        settings = load_settings(told[name].environment)
        assert settings.kafka_brokers == "127.0.0.1:40000"
        user = "default" if name == "migrate" else "pulssi_writer"
        assert settings.clickhouse_url == f"http://{user}:invented@127.0.0.1:40001"
        assert told[name].command[: len(pulssi_command(*services[name].command))] == pulssi_command(
            *services[name].command
        )


def test_a_profile_adds_what_it_names(secrets: Path, tmp_path: Path) -> None:
    """The simulator last, once the parts are ready; what the machine's variables say is put in."""
    groups = topology.part_groups(
        _layout(tmp_path), variables={"PULSSI_DEMO_RATE": "7"}, config=tmp_path, secrets=secrets, profiles=("demo",)
    )
    (simulator,) = groups[-1]
    assert simulator.command[-2:] == ("--rate", "7")


def test_grafana_is_told_what_its_container_is(secrets: Path, tmp_path: Path) -> None:
    """First its provisioning is written, for this machine's ClickHouse; then the container's entry point starts it."""
    (secrets / "clickhouse_grafana_password").write_text("invented\n")
    home = tmp_path / "grafana's"
    groups = topology.part_groups(
        _layout(tmp_path),
        variables={"GRAFANA_VERSION": "9.4", "GRAFANA_READS_AS": "grafana", "PULSSI_CLICKHOUSE_DATABASE": "centre"},
        config=tmp_path,
        secrets=secrets,
        profiles=(),
        grafana=topology.GrafanaProgram(home, tmp_path / "plugins", 40_100),
    )
    (dashboards,), (grafana,) = groups[-2:]
    out = tmp_path / "grafana-provisioning"
    assert dashboards.command == pulssi_command(
        *("dashboards", "build", f"--out={out}", "--clickhouse=http://127.0.0.1:40001"),
        "--clickhouse-user=pulssi_grafana",
        *("--webhook=http://127.0.0.1:9095/pulssi", "--runbooks=", "--grafana-version=9.4"),
    )
    assert dashboards.environment["PULSSI_CLICKHOUSE_DATABASE"] == "centre"
    own = {"GF_PATHS_DATA", "GF_PATHS_PLUGINS", "GF_SERVER_HTTP_ADDR", "GF_SERVER_HTTP_PORT"}
    of_file = {name.removesuffix("__FILE") for name in read_services({})["grafana"].environment}
    assert set(grafana.environment) == of_file | own
    password = tmp_path / "secrets-here" / "grafana_admin_password"
    assert grafana.environment["GF_SECURITY_ADMIN_PASSWORD"] == f"$__file{{{password}}}"
    assert grafana.environment["GF_PATHS_PROVISIONING"] == str(out)
    program = home / "bin/grafana"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$CLICKHOUSE_READER_PASSWORD" "$@"\n')
    program.chmod(0o755)
    said = subprocess.run(grafana.command, check=True, capture_output=True, text=True).stdout
    assert said == f"invented server -homepath {home}\n"


@pytest.mark.long
@pytest.mark.apache
def test_the_whole_topology_counts_a_simulated_hour(tmp_path: Path) -> None:
    """Every part of the Compose file, told as there: all are healthy, an hour drains, and nothing differs."""
    home, data, config = tmp_path / "home", (tmp_path / "bare").resolve(), tmp_path / "config"
    assert run(home, "init", str(config)).code == 0
    log = tmp_path / "queue_log"
    log.touch()
    secret = tmp_path / "zendesk-secret"
    secret.write_text("an-invented-signing-secret\n")
    sources = FOLLOWED.format(log=log).replace("/etc/pulssi/zendesk-secret", str(secret))
    (config / "sources.toml").write_text(sources)
    base = ports_in_a_row()
    words = ("--data", str(data), "--config", str(config), "--port-base", str(base))
    command = (*pulssi_command()[:2], "-m", "deploy.bare", *words)
    with Program(command, clean_environment(home)) as program:
        program.await_line("everything runs", within_s=300)
        everything = descendants(program.process.pid)
        asked = run(home, "status", "--data", str(data), "--json")
        states = {part["name"]: part["state"] for part in json.loads(asked.text)["parts"]}
        assert states == {**dict.fromkeys(ALL, "ready"), "migrate": "done"}
        ports = {f"PULSSI_{name.upper()}_PORT": str(base + ALL.index(name)) for name in OWN_PARTS}
        healthy = run(home, "health", *OWN_PARTS, **ports)
        assert (healthy.code, healthy.lines) == (0, ["ok"])
        hour = ("--start", "2026-03-02T09:00:00Z", "--for", "1h", "--rate", "2")
        assert run(home, "simulate", "--data", str(data), *hour).code == 0
        drained = run(home, "drain", "--data", str(data), "--timeout", "200")
        assert drained.code == 0, drained.text
        counted = run(home, "query", "--data", str(data), "SELECT count() > 1000 FROM samples", "--format", "TSV")
        assert counted.lines == ["1"]
        compared = run(home, "reconcile", "--data", str(data))
        assert compared.code == 0, compared.text
        program.signal(signal.SIGTERM)
        assert program.await_end() == 0
        await_gone(everything)
    assert remaining_files(data) == []
