"""The Helm chart: its values, and, once helm has filled its templates, what a cluster would be told."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies
from jsonschema import Draft7Validator

from deploy.embedded.stack_layout import OWN_PARTS
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from tests.deploy.go_tools import go_tool

ROOT: Final = Path(__file__).resolve().parent.parent.parent
CHART: Final = ROOT / "deploy/chart"
OLDEST, NEWEST = "1.27.0", "1.37.0"
#: Everything that can be asked for at once.
FULL: Final = {
    "ingress": {name: {"enabled": True, "tlsSecret": "tls", "className": "nginx"} for name in ("wallboard", "gateway")},
    "follow": {"enabled": True},
    "autoscaling": {"enabled": True},
    "clickhouse": {"cluster": "floor", "quorum": 2, "passwordsSecret": "pulssi-passwords"},
    "existingSecretFiles": "pulssi-files",
    "kafka": {"brokers": "kafka-0.kafka:9094,kafka-1.kafka:19092"},
    "wallboard": {"passwordHash": True},
    "trustedProxies": ["10.0.0.0/8"],
    "image": {"digest": f"sha256:{'0' * 64}"},
    "config": {"centre.toml": 'time_zone = "Europe/Helsinki"\n'},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    "nodeSelector": {"disk": "fast"},
}
LEAST: Final = {
    **{name: {"enabled": False} for name in ("wallboard", "alerts", "hooks", "gateway")},
    **{name: {"enabled": False} for name in ("networkPolicy", "podDisruptionBudget")},
    "existingConfigMap": "mine",
    "serviceAccount": {"name": "mine"},
}
SITES: Final[dict[str, dict[str, Any]]] = {"default": {}, "full": FULL, "least": LEAST}


def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return schema


def test_values_are_as_their_schema_says() -> None:
    """The defaults are allowed, and every one of them is known: a misspelt value is refused, not ignored."""
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    validator = Draft7Validator(_schema())
    assert [error.message for error in validator.iter_errors(values)] == []
    assert set(_schema()["properties"]) - {"global"} == set(values)
    for wrong in (
        {"kafka": {"brokers": "https://kafka:9092"}},
        {"worker": {"replica": 2}},
        {"logLevel": "loud"},
        {"image": {"repository": "pulssi", "digest": "sha256:12"}},
    ):
        assert list(validator.iter_errors({**values, **wrong})), wrong


def test_every_variable_is_a_setting() -> None:
    """A name in a template that no part knows would stop every pod."""
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    names = {name.lower() for name in re.findall(r"\{name: PULSSI_(\w+)", templates)} - {"config"}
    assert names
    assert names <= set(Settings.model_fields)


def test_it_runs_what_this_is() -> None:
    """The image's default tag is this version."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert str(chart["appVersion"]) == version[1]


def _rendered(site: str, folder: Path, kubernetes: str) -> list[Any]:
    values = folder / "site.yaml"
    values.write_text(yaml.safe_dump(SITES[site]))
    command = [go_tool("helm"), "template", "acme", str(CHART), "--namespace", "centre", "--values", str(values)]
    made = subprocess.run(
        [*command, "--kube-version", kubernetes],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(folder)},
    )
    (folder / "rendered.yaml").write_text(made.stdout)
    return [each for each in yaml.safe_load_all(made.stdout) if each]


def _pods(objects: list[Any]) -> Iterator[tuple[str, Any]]:
    for each in objects:
        if each["kind"] in {"Deployment", "StatefulSet", "Job"}:
            yield each["metadata"]["labels"]["app.kubernetes.io/component"], each["spec"]["template"]["spec"]


def _schemas(kubernetes: str, folder: Path) -> Path:
    """Lay Kubernetes' schemas out as kubeconform reads them: it would download its own."""
    there = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{kubernetes}-local-strict"
    for path in Path(str(there)).iterdir():
        schema = json.loads(path.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
        schema.pop("$id", None)
        (folder / path.name).write_text(json.dumps(schema))
    return folder


@pytest.mark.long
def test_helm_has_nothing_to_say(tmp_path: Path) -> None:
    """`helm lint --strict`, with each set of values; and values that the schema forbids are refused with their name."""
    helm, environment = go_tool("helm"), {**os.environ, "HOME": str(tmp_path)}
    for site, values in SITES.items():
        (tmp_path / f"{site}.yaml").write_text(yaml.safe_dump(values))
        words = ["lint", "--strict", "--values", str(tmp_path / f"{site}.yaml"), str(CHART)]
        linted = subprocess.run([helm, *words], check=False, capture_output=True, text=True, env=environment)
        assert linted.returncode == 0, linted.stdout
    refused = subprocess.run(
        [helm, "template", str(CHART), "--kube-version", NEWEST, "--set", "worker.replica=2"],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert refused.returncode != 0
    assert "replica" in refused.stderr


@pytest.mark.long
@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
@pytest.mark.parametrize("site", SITES)
def test_kubernetes_takes_it(site: str, kubernetes: str, tmp_path: Path) -> None:
    """Strictly by the schemas of the oldest and the newest version: by their library, and by kubeconform."""
    objects = _rendered(site, tmp_path, kubernetes)
    known = [each for each in objects if each["kind"] != "ScaledObject"]  # KEDA's own
    for each in known:
        kubernetes_validate.validate(each, kubernetes, strict=True)
    (tmp_path / "schemas").mkdir()
    schemas = _schemas(kubernetes, tmp_path / "schemas")
    checked = subprocess.run(
        [
            *(go_tool("kubeconform"), "-strict", "-summary", "-output", "json", "-kubernetes-version", kubernetes),
            *("-skip", "ScaledObject", "-schema-location", f"{schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"),
            str(tmp_path / "rendered.yaml"),
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    summary = json.loads(checked.stdout)["summary"]
    skipped = len(objects) - len(known)
    assert summary == {"valid": len(known), "invalid": 0, "errors": 0, "skipped": skipped}, checked.stdout


@pytest.mark.long
@pytest.mark.parametrize("site", SITES)
def test_every_pod_is_closed(site: str, tmp_path: Path) -> None:
    """Nobody, read-only, no privilege, no token; and without the variables that Kubernetes makes of services."""
    pods = dict(_pods(_rendered(site, tmp_path, NEWEST)))
    wanted = {"default": {*OWN_PARTS} - {"follow"}, "full": {*OWN_PARTS}, "least": {"worker", "sink"}}[site]
    assert set(pods) == wanted | {"migrate"}
    for spec in pods.values():
        (container,) = spec["containers"]
        security = container["securityContext"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert (security["readOnlyRootFilesystem"], security["allowPrivilegeEscalation"]) == (True, False)
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert spec["automountServiceAccountToken"] is False
        assert spec["enableServiceLinks"] is False, "PULSSI_WALLBOARD_PORT would be tcp://…"
        assert container["resources"]["limits"]["memory"]
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in spec["volumes"]}


@pytest.mark.long
@pytest.mark.parametrize("site", SITES)
def test_each_part_is_told_what_it_knows(site: str, tmp_path: Path) -> None:
    """Its command, its settings, and probes at the port that it listens on."""
    (tmp_path / "url").write_text("http://pulssi_writer:invented@clickhouse:8123")
    for name, spec in _pods(_rendered(site, tmp_path, NEWEST)):
        (container,) = spec["containers"]
        told = {each["name"]: each.get("value", f"acme-pulssi-{name}-0") for each in container["env"]}
        assert {"PULSSI_KAFKA_BROKERS", "PULSSI_CLICKHOUSE_URL_FILE", "PULSSI_BIND"} <= told.keys()
        told |= {"PULSSI_CLICKHOUSE_URL_FILE": str(tmp_path / "url"), "PULSSI_CONFIG": str(tmp_path)}
        settings = load_settings(told)
        if name == "migrate":
            assert container["args"][0] == "migrate"
            continue
        assert tuple(container["args"]) == OWN_PARTS[name]
        assert container["ports"] == [{"name": "http", "containerPort": getattr(settings, f"{name}_port")}]
        alive = "/livez" if name == "worker" else "/healthz"
        for probe, path in (("startupProbe", alive), ("livenessProbe", alive), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "http"}
        assert f"acme-pulssi-{name}.centre.svc" in settings.allowed_hosts.split(",")


@pytest.mark.long
def test_secrets_are_named_and_never_held(tmp_path: Path) -> None:
    """The chart makes none, and only the migration gets the address of the user that may do everything."""
    objects = _rendered("full", tmp_path, NEWEST)
    assert "Secret" not in {each["kind"] for each in objects}
    keys = {
        name: volume["secret"]["items"][0]["key"]
        for name, spec in _pods(objects)
        for volume in spec["volumes"]
        if volume["name"] == "clickhouse"
    }
    assert keys.pop("migrate") == "adminUrl"
    assert set(keys.values()) == {"url"}
    passwords = {name for name, spec in _pods(objects) for volume in spec["volumes"] if volume["name"] == "passwords"}
    assert passwords == {"migrate"}


@pytest.mark.long
@pytest.mark.parametrize("site", SITES)
def test_the_migration_reads_the_configuration_of_the_parts(site: str, tmp_path: Path) -> None:
    """Views are made for the centre's time zone, topics for the settings of pulssi.toml: before other objects exist."""
    objects = _rendered(site, tmp_path, NEWEST)
    pods = dict(_pods(objects))
    migration, worker = (
        {"env": {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}, "pod": spec}
        for spec in (pods["migrate"], pods["worker"])
    )
    assert migration["env"]["PULSSI_CONFIG"] == worker["env"]["PULSSI_CONFIG"] == "/etc/pulssi"
    maps = {each["metadata"]["name"]: each for each in objects if each["kind"] == "ConfigMap"}
    names = {}
    for name, spec in (("migrate", pods["migrate"]), ("worker", pods["worker"])):
        (mount,) = [each for each in spec["containers"][0]["volumeMounts"] if each["mountPath"] == "/etc/pulssi"]
        (volume,) = [each for each in spec["volumes"] if each["name"] == mount["name"]]
        names[name] = volume["configMap"]["name"]
    if site == "least":
        assert set(names.values()) == {"mine"}
        return
    (of_migration,), (of_parts,) = ([maps[names[name]]] for name in ("migrate", "worker"))
    assert of_migration["data"] == of_parts["data"] == SITES[site].get("config", {})
    hooks = [
        each["metadata"]["annotations"] for each in (of_migration, *(each for each in objects if each["kind"] == "Job"))
    ]
    assert {each["helm.sh/hook"] for each in hooks} == {"pre-install,pre-upgrade"}
    assert int(hooks[0]["helm.sh/hook-weight"]) < int(hooks[1].get("helm.sh/hook-weight", 0))
    assert "helm.sh/hook" not in of_parts["metadata"].get("annotations", {})


@pytest.mark.long
def test_a_node_can_be_drained_while_parts_are_not_ready(tmp_path: Path) -> None:
    """A pod that waits for ClickHouse, or for an operator, keeps no node: another one waits as well as it."""
    budgets = [each for each in _rendered("default", tmp_path, NEWEST) if each["kind"] == "PodDisruptionBudget"]
    assert {each["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] for each in budgets} == (
        {*OWN_PARTS} - {"sink", "follow"}
    )
    assert {each["spec"]["unhealthyPodEvictionPolicy"] for each in budgets} == {"AlwaysAllow"}


@pytest.mark.long
def test_what_each_part_has_to_reach_is_open(tmp_path: Path) -> None:
    """Servers for all, receivers and vendors for those that ask them, databases of sources for the follower alone."""
    objects = _rendered("full", tmp_path, NEWEST)
    policies = [each["spec"] for each in objects if each["kind"] == "NetworkPolicy"]

    def open_ports(part: str) -> set[int]:
        ports = set()
        for policy in policies:
            selector = policy["podSelector"]
            asked = [each["values"] for each in selector.get("matchExpressions", ())]
            named = selector["matchLabels"].get("app.kubernetes.io/component", part)
            if named == part and all(part in values for values in asked):
                ports |= {each["port"] for rule in policy.get("egress", ()) for each in rule["ports"]}
        return ports

    servers, outward, databases = {53, 9092, 9094, 19092, 8123, 8443}, {443, 465, 587, 993}, {1433, 3306, 5432}
    assert open_ports("worker") == open_ports("sink") == open_ports("alerts") == open_ports("migrate") == servers
    assert open_ports("hooks") == open_ports("gateway") == open_ports("wallboard") == servers | outward
    assert open_ports("follow") == servers | outward | databases


@pytest.mark.long
def test_every_part_knows_the_cluster(tmp_path: Path) -> None:
    """A part that did not would read from replicas that lack the last writes."""
    for name, spec in _pods(_rendered("full", tmp_path, NEWEST)):
        told = {each["name"]: each.get("value") for each in spec["containers"][0]["env"]}
        assert (told["PULSSI_CLICKHOUSE_CLUSTER"], told["PULSSI_CLICKHOUSE_QUORUM"]) == ("floor", "2"), name


@pytest.mark.long
@pytest.mark.parametrize("site", SITES)
def test_workers_are_named_by_their_pods(site: str, tmp_path: Path) -> None:
    """So that a restart moves no partition; not with autoscaling, where a removed pod does not come back."""
    named = {
        name: each["valueFrom"]
        for name, spec in _pods(_rendered(site, tmp_path, NEWEST))
        for each in spec["containers"][0]["env"]
        if each["name"] == "PULSSI_WORKER_NAME"
    }
    assert named == ({} if site == "full" else {"worker": {"fieldRef": {"fieldPath": "metadata.name"}}})


@pytest.mark.long
def test_workers_follow_the_lag(tmp_path: Path) -> None:
    """KEDA is told the consumer group that workers are, and the chart leaves the number of workers to it."""
    objects = {(each["kind"], each["metadata"]["name"]): each for each in _rendered("full", tmp_path, NEWEST)}
    workers, scaled = objects["StatefulSet", "acme-pulssi-worker"], objects["ScaledObject", "acme-pulssi-worker"]
    assert "replicas" not in workers["spec"]
    assert scaled["spec"]["scaleTargetRef"]["name"] == "acme-pulssi-worker"
    for trigger in scaled["spec"]["triggers"]:
        assert trigger["type"] == "kafka"
        assert trigger["metadata"]["consumerGroup"] == Settings().application


@pytest.mark.long
def test_what_is_one_is_never_two(tmp_path: Path) -> None:
    """The sink and the follower do all of their work alone: at an update the old one ends first."""
    objects = {
        each["metadata"]["name"]: each for each in _rendered("full", tmp_path, NEWEST) if each["kind"] == "Deployment"
    }
    for name in ("sink", "follow"):
        spec = objects[f"acme-pulssi-{name}"]["spec"]
        assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    for name in ("alerts", "hooks", "gateway", "wallboard"):
        assert objects[f"acme-pulssi-{name}"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
