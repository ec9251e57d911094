"""The Compose file: valid by the specification, complete, closed where it can be, and known to the parts it starts."""

import hashlib
import json
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies
from click.testing import CliRunner
from jsonschema import Draft7Validator
from jsonschema.validators import validator_for

from deploy.bare.compose_file import COMPOSE_FILE, Service, interpolated, read_document, read_services
from deploy.cli import main
from deploy.embedded.kafka.node import SETTINGS
from deploy.embedded.stack_layout import OWN_PARTS
from sinks.clickhouse.access import password_statements
from streams.configuration.environment import load_settings

ROOT = COMPOSE_FILE.parents[2]
SERVICES = read_services({})
DOCUMENT = read_document({})
#: Services of our own image.
OURS = sorted(name for name, each in SERVICES.items() if each.image.startswith("pulssi"))
#: What ends by itself.
STEPS = {"migrate", "dashboards"}
PARTS = sorted(OWN_PARTS)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make all secrets as the first start does."""
    folder = tmp_path_factory.mktemp("site") / "secrets"
    subprocess.run([COMPOSE_FILE.parent / "make-secrets.sh", folder], check=True)
    return folder


def _inside(service: Service, secrets: Path, config: Path) -> dict[str, str]:
    """Give a service's environment with the paths of this machine in the place of the container's."""
    places = {"/run/secrets": str(secrets), "/etc/pulssi": str(config)}
    return {
        name: places.get(value, value.replace("/run/secrets/", f"{secrets}/"))
        for name, value in service.environment.items()
    }


def test_it_is_valid_by_the_specification() -> None:
    """Held against the specification's own JSON Schema, before and after its variables are put in."""
    schema = json.loads((Path(__file__).parent / "compose_spec/compose-spec.json").read_text())
    validator = validator_for(schema, default=Draft7Validator)(schema)
    for document in (yaml.safe_load(COMPOSE_FILE.read_text()), DOCUMENT):
        assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document)] == []


def test_a_fault_is_found() -> None:
    """The schema says no to a misspelt key: it is not the schema of anything."""
    schema = json.loads((Path(__file__).parent / "compose_spec/compose-spec.json").read_text())
    wrong = {"services": {"worker": {"image": "pulssi", "enviroment": {}}}}
    assert list(validator_for(schema, default=Draft7Validator)(schema).iter_errors(wrong))


def test_every_part_is_a_service() -> None:
    """With the command that `pulssi up` starts it with; a new part is missing here until it has one."""
    assert {name: SERVICES[name].command for name in PARTS} == dict(OWN_PARTS)
    assert set(SERVICES) == {*PARTS, *STEPS, "kafka", "clickhouse", "grafana", "simulator"}


@pytest.mark.parametrize("name", OURS)
def test_each_command_is_one_of_ours(name: str) -> None:
    """With options that it has."""
    explained = CliRunner().invoke(main, [*SERVICES[name].command, "--help"])
    assert explained.exit_code == 0, explained.output


def test_the_step_before_grafana_writes_what_grafana_reads(tmp_path: Path) -> None:
    """With the words that stand there and nobody's variables: Grafana waits for its success."""
    words = [word.replace("/var/lib/pulssi", str(tmp_path)) for word in SERVICES["dashboards"].command]
    built = CliRunner().invoke(main, words, env={"PULSSI_CONFIG": ""})
    assert built.exit_code == 0, built.output
    source = yaml.safe_load((tmp_path / "datasources/pulssi.yaml").read_text())["datasources"][0]
    assert (source["jsonData"]["host"], source["jsonData"]["port"]) == ("clickhouse", 8123)
    assert "runbook_url" not in (tmp_path / "alerting/rules.yaml").read_text()


@pytest.mark.parametrize("name", [name for name in OURS if name != "dashboards"])
def test_each_part_knows_its_settings_and_lacks_none(name: str, secrets: Path, tmp_path: Path) -> None:
    """One that is unknown is refused by the part; one that is missing would leave it on this machine's defaults."""
    settings = load_settings(_inside(SERVICES[name], secrets, tmp_path))
    assert settings.kafka_brokers == "kafka:9092"
    assert re.fullmatch(r"http://(pulssi_writer|default):[0-9a-f]{48}@clickhouse:8123", settings.clickhouse_url)
    assert settings.bind == "0.0.0.0"  # noqa: S104 - compared
    assert set(PARTS) <= set(settings.allowed_hosts.split(","))
    assert "PULSSI_CONFIG" in SERVICES[name].environment


def test_what_is_not_known_would_be_seen(secrets: Path, tmp_path: Path) -> None:
    """The test above fails for a variable that no part reads."""
    wrong = {**_inside(SERVICES["worker"], secrets, tmp_path), "PULSSI_KAFKA_BROKER": "kafka:9092"}
    with pytest.raises(Exception, match="PULSSI_KAFKA_BROKER"):
        load_settings(wrong)


@pytest.mark.parametrize("name", OURS)
def test_what_is_ours_is_closed(name: str) -> None:
    """As nobody, on a read-only file system, without a capability, within limits, and started again."""
    service = DOCUMENT["services"][name]
    assert service["user"].split(":")[0] == "10001"
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}
    assert service["restart"] == ("on-failure" if name in STEPS else "unless-stopped")
    if name in PARTS:
        assert service["healthcheck"]["test"] == ["CMD", "pulssi", "health"]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_servers_have_limits_and_health_checks() -> None:
    """And keep what they write in named volumes."""
    for name in ("kafka", "clickhouse", "grafana"):
        service = DOCUMENT["services"][name]
        assert service["healthcheck"]["test"][0] == "CMD-SHELL"
        assert set(service["deploy"]["resources"]["limits"]) >= {"cpus", "memory"}
        assert service["volumes"][0].split(":")[0] in DOCUMENT["volumes"]


def test_nothing_is_published_to_others_by_default() -> None:
    """Only on this machine, until somebody says otherwise; Kafka and ClickHouse not at all."""
    published = {name: each["ports"] for name, each in DOCUMENT["services"].items() if "ports" in each}
    assert set(published) == {"wallboard", "gateway", "grafana"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_secrets_are_files_and_each_is_given_to_who_reads_it(secrets: Path) -> None:
    """No service names a secret that it is not given, or is given one that it does not name; all are made."""
    for name, service in DOCUMENT["services"].items():
        text = json.dumps([service.get("environment"), service.get("entrypoint"), service["image"]])
        assert set(re.findall(r"/run/secrets/(\w+)", text)) == set(service.get("secrets", ())), name
    assert {path.name for path in secrets.iterdir() if path.is_file()} == set(DOCUMENT["secrets"])


def test_secrets_are_made_once(secrets: Path) -> None:
    """A second run changes none; nobody else looks into the folder; the user of the containers can read each file."""
    before = {path: path.read_bytes() for path in secrets.iterdir() if path.is_file()}
    subprocess.run([COMPOSE_FILE.parent / "make-secrets.sh", secrets], check=True)
    assert {path: path.read_bytes() for path in secrets.iterdir() if path.is_file()} == before
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in before} == {0o644}
    assert len(set(before.values())) == len(before)


def test_make_compose_up_prepares_what_the_containers_read(tmp_path: Path) -> None:
    """In the folders that the variables name, as Compose reads them; and readable, whatever this user's umask says."""
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$PULSSI_IMAGE" "$@" >> {tmp_path}/said\n')
    (tmp_path / "docker").chmod(0o755)
    folders = {f"PULSSI_{name.upper()}_FOLDER": str(tmp_path / "site" / name) for name in ("config", "secrets")}
    environment = {**os.environ, **folders, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    for _ in range(2):
        subprocess.run(
            ["make", "--assume-old=image", "compose-up", "IMAGE=own", "PROFILES=demo"],
            check=True,
            cwd=ROOT,
            env=environment,
            umask=0o077,
        )
    said = "own compose --file deploy/compose/compose.yaml --profile demo up --detach\n"
    assert (tmp_path / "said").read_text() == 2 * said
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "site").rglob("*")}
    assert modes.pop(tmp_path / "site/secrets") == 0o700
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o755}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o644}
    assert {"config/policies.toml", "secrets/wallboard_token", "secrets/configured"} <= {
        str(path.relative_to(tmp_path / "site")) for path in modes
    }


def test_a_proxy_in_front_can_be_named() -> None:
    """Those that it stands before believe what it says of who asks; unnamed, nobody is believed."""
    for variables, named in (({}, ""), ({"PULSSI_PROXY_FROM": "172.18.0.1"}, "172.18.0.1/32")):
        services = read_services(variables)
        for name in ("wallboard", "gateway"):
            told = services[name].environment["PULSSI_WALLBOARD_PROXY_FROM"]
            assert load_settings({"PULSSI_WALLBOARD_PROXY_FROM": told}).wallboard_proxy_from == named


def test_logs_that_are_followed_can_be_given() -> None:
    """As a folder: a log that was turned over is read beside its successor. The follower cannot change them."""
    for variables, folder in (
        ({}, "./followed"),
        ({"PULSSI_FOLLOWED_FOLDER": "/var/log/asterisk"}, "/var/log/asterisk"),
    ):
        assert f"{folder}:/followed:ro" in read_document(variables)["services"]["follow"]["volumes"]


@pytest.mark.parametrize("user", ["reader", "grafana"])
def test_grafana_reads_as_the_user_whose_password_it_is_given(user: str) -> None:
    """The data source of the files, the secret, and what Grafana's start reads name one user of ClickHouse."""
    services = read_document({"GRAFANA_READS_AS": user})["services"]
    assert f"--clickhouse-user=pulssi_{user}" in services["dashboards"]["command"]
    assert services["grafana"]["secrets"][0] == f"clickhouse_{user}_password"
    assert f"/run/secrets/clickhouse_{user}_password)" in services["grafana"]["entrypoint"][-1]


def test_all_use_the_database_that_is_named() -> None:
    """Whoever writes, reads or makes Grafana's data source."""
    for variables, database in (({}, "pulssi"), ({"PULSSI_CLICKHOUSE_DATABASE": "centre"}, "centre")):
        services = read_services(variables)
        assert {services[name].environment["PULSSI_CLICKHOUSE_DATABASE"] for name in OURS} == {database}


def test_the_users_of_clickhouse_get_the_passwords_of_the_secrets(secrets: Path, tmp_path: Path) -> None:
    """The migration sets them at each start, as hashes: those that the parts and Grafana sign in with."""
    made = password_statements(load_settings(_inside(SERVICES["migrate"], secrets, tmp_path)), lambda: "salt")
    for name, statement in zip(("writer", "reader", "grafana"), made, strict=True):
        password = (secrets / f"clickhouse_{name}_password").read_text().strip()
        digest = hashlib.sha256(f"{password}salt".encode()).hexdigest()
        assert statement == (
            f"ALTER USER IF EXISTS pulssi_{name} IDENTIFIED WITH sha256_hash BY '{digest}' SALT 'salt'"
        )
    assert f":{(secrets / 'clickhouse_writer_password').read_text().strip()}@" in (
        load_settings(_inside(SERVICES["sink"], secrets, tmp_path)).clickhouse_url
    )


def test_kafka_is_set_as_the_embedded_one() -> None:
    """A setting that both have has one value; what keeps data safe is in both."""
    names = SERVICES["kafka"].environment
    set_there = {name.removeprefix("KAFKA_").lower().replace("_", "."): value for name, value in names.items()}
    both = (set_there.keys() & SETTINGS.keys()) - {"listener.security.protocol.map"}
    assert {name: set_there[name] for name in both} == {name: SETTINGS[name] for name in both}
    assert {
        *("auto.create.topics.enable", "transaction.state.log.replication.factor", "log.flush.interval.ms"),
        "offsets.topic.replication.factor",
    } <= both


def test_variables() -> None:
    """`${NAME:-default}` as Compose reads it: an empty one is none; `$$` is a dollar sign."""
    text = "${A:-one} ${B:-two} $$x"
    assert interpolated({"x": [text, 1]}, {"A": "first", "B": ""}) == {"x": ["first two $x", 1]}
    with pytest.raises(KeyError):
        interpolated("${C}", {})
