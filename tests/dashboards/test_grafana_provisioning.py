"""The provisioning folder: as its definitions say, readable as what it is, and refused when it drifted."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies
from click.testing import CliRunner

from dashboards.grafana_definitions.alerts import FRESHNESS_UID
from dashboards.grafana_definitions.provisioning import FOLDER_HERE, drift, texts, write
from dashboards.grafana_definitions.routes import CONTACT_POINT, MUTED, route
from dashboards.grafana_definitions.site import DATA_SOURCE_UID, Site
from deploy.cli.dashboards import dashboards
from schemas.alert_rules import AlertRules
from schemas.policies import DEFAULT_POLICIES
from tests import centres

CHECKOUT = Path(__file__).resolve().parents[2]


def read(path: str) -> Any:  # noqa: ANN401 - whatever the file holds
    """Read a committed file as Grafana does."""
    text = (FOLDER_HERE / path).read_text(encoding="utf-8")
    return json.loads(text) if path.endswith(".json") else yaml.safe_load(text)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a copy of the committed folder to break."""
    return Path(shutil.copytree(FOLDER_HERE, tmp_path / "grafana"))


def test_committed_files_are_as_defined() -> None:
    """What is committed is what the definitions give."""
    assert drift(FOLDER_HERE, texts(Site())) == []


def test_check_names_each_file_that_drifted_and_build_mends_it(copy: Path) -> None:
    """A changed, a missing and a left-over file are named; after a build only the last differs, which is others'."""
    (copy / "alerting/rules.yaml").write_text("groups: []\n", encoding="utf-8")
    (copy / "datasources/pulssi.yaml").unlink()
    (copy / "dashboards/theirs.json").write_text("{}", encoding="utf-8")
    drifted = [
        ("alerting/rules.yaml", "differs"),
        ("dashboards/theirs.json", "left over"),
        ("datasources/pulssi.yaml", "missing"),
    ]
    run = CliRunner().invoke(dashboards, ["check", "--out", str(copy)])
    assert run.exit_code == 1
    told = [f"{path}: {problem}" for path, problem in drifted]
    assert run.output.splitlines() == [*told, "drift: run `pulssi dashboards build`"]
    run = CliRunner().invoke(dashboards, ["build", "--out", str(copy), "--json"])
    assert run.exit_code == 0
    assert [(one["path"], one["problem"]) for one in json.loads(run.output)["files"]] == drifted
    assert write(copy, texts(Site())) == drifted[1:2]
    assert (copy / "dashboards/theirs.json").is_file()


@pytest.mark.parametrize(
    ("address", "mend"),
    [("tcp://me:secret@host:9000", "http://host:8123"), ("https://me:secret@host", "Grafana reads as pulssi_reader")],
)
def test_an_address_that_is_none_is_refused(address: str, mend: str, tmp_path: Path) -> None:
    """What would be left unread of a ClickHouse address ends with 2 and one line that shows no password."""
    run = CliRunner().invoke(dashboards, ["build", "--out", str(tmp_path), "--clickhouse", address])
    assert run.exit_code == 2
    assert "secret" not in run.output
    assert mend in run.output


def test_another_error_is_not_told_as_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the definitions stays a bug, with its trace: it is no fault of --clickhouse."""

    def broken(_: Site) -> dict[str, str]:
        raise ValueError("planted")

    monkeypatch.setattr("deploy.cli.dashboards.texts", broken)
    run = CliRunner().invoke(dashboards, ["build", "--out", str(tmp_path)])
    assert isinstance(run.exception, ValueError)
    assert "--clickhouse" not in run.output


def test_every_file_reads_back() -> None:
    """YAML and JSON parse, and a provisioning file names the version of its format."""
    held = {path: read(path) for path in texts(Site())}
    assert {path.endswith(".json") for path, content in held.items() if content.get("apiVersion") != 1} == {True}
    assert sum(path.endswith(".json") for path in held) == 10


def test_data_source_has_no_secret() -> None:
    """The password is a variable of Grafana's environment; the user may only read."""
    (source,) = read("datasources/pulssi.yaml")["datasources"]
    assert source["uid"] == DATA_SOURCE_UID
    assert source["jsonData"]["username"] == "pulssi_reader"
    assert source["jsonData"] | {"host": "127.0.0.1", "port": 8123, "protocol": "http"} == source["jsonData"]
    assert source["secureJsonData"] == {"password": "$CLICKHOUSE_READER_PASSWORD"}


def test_the_data_source_has_the_installations_database_and_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is asked has no database's name in it: it is that of the settings."""
    monkeypatch.setenv("PULSSI_CLICKHOUSE_DATABASE", "centre_two")
    words = ["build", "--out", str(tmp_path), "--clickhouse-user", "pulssi_grafana"]
    assert CliRunner().invoke(dashboards, words).exit_code == 0
    told = yaml.safe_load((tmp_path / "datasources" / "pulssi.yaml").read_text(encoding="utf-8"))
    of_source = told["datasources"][0]["jsonData"]
    assert (of_source["username"], of_source["defaultDatabase"]) == ("pulssi_grafana", "centre_two")


def test_each_policy_has_a_rule_with_all_that_an_alert_needs() -> None:
    """One rule a policy beside the one for the age of the figures, each with a runbook that is there."""
    (group,) = read("alerting/rules.yaml")["groups"]
    freshness, *of_policies = group["rules"]
    assert freshness["uid"] == FRESHNESS_UID
    assert [rule["labels"]["policy"] for rule in of_policies] == [policy.name for policy in DEFAULT_POLICIES]
    for rule in group["rules"]:
        assert (CHECKOUT / rule["annotations"]["runbook"]).is_file()
        query, threshold = rule["data"]
        assert query["model"]["format"] == 1
        assert threshold["model"]["expression"] == query["refId"]
        assert rule["condition"] == threshold["refId"]


def test_alerts_reach_the_contact_point_where_grafana_notifies() -> None:
    """A message for each queue goes to all receivers; where hooks notify, the same route is muted at all times."""
    (point,) = read("alerting/contact-points.yaml")["contactPoints"]
    (policy,) = read("alerting/policies.yaml")["policies"]
    (own,) = policy["routes"]
    assert policy["receiver"] == own["receiver"] == point["name"] == CONTACT_POINT
    assert own["group_by"] == ["alertname", "channel", "queue"]
    assert point["receivers"][0]["settings"]["url"].startswith("http://")
    assert own["mute_time_intervals"] == [MUTED]
    (muted,) = [one for one in read("alerting/mute-timings.yaml")["muteTimes"] if one["name"] == MUTED]
    assert muted["time_intervals"] == [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
    assert "mute_time_intervals" not in route(Site(alert_rules=AlertRules(notifier="grafana")))


def test_everything_is_built_from_the_installations_own_configuration(tmp_path: Path) -> None:
    """Policies of all times, windows, least numbers, who notifies, and when not: from the folder, not the defaults."""
    (tmp_path / "config").mkdir()
    for name, text in centres.files("whole").items():
        (tmp_path / "config" / f"{name}.toml").write_text(text, encoding="utf-8")
    out = tmp_path / "out"
    told = ["--config", str(tmp_path / "config"), "--out", str(out)]
    more = ["--notify", "slack", "--notify", "email", "--runbooks", "https://git.example/runbooks"]
    run = CliRunner().invoke(dashboards, ["build", *told, *more], env={"PULSSI_CONFIG": ""})
    assert run.exit_code == 0, run.output
    (group,) = yaml.safe_load((out / "alerting/rules.yaml").read_text(encoding="utf-8"))["groups"]
    assert [rule["labels"].get("policy") for rule in group["rules"]] == [None, "vip", "chat", "campaign"]
    vip = group["rules"][1]
    assert "80 % within 20 min" in vip["annotations"]["summary"]
    assert vip["annotations"]["runbook_url"] == "https://git.example/runbooks/alerts.md"
    (window,) = re.findall(r"window_ms = multiIf\(now\(\) >= (.*)\)", vip["data"][0]["model"]["rawSql"])
    assert {"3600000", "7200000"} <= set(re.findall(r"\d+", window))
    (point,) = yaml.safe_load((out / "alerting/contact-points.yaml").read_text(encoding="utf-8"))["contactPoints"]
    assert [(one["type"], one["settings"]) for one in point["receivers"]] == [
        ("slack", {"url": "$GRAFANA_SLACK_URL"}),
        ("email", {"addresses": "$GRAFANA_ALERT_ADDRESSES"}),
    ]
    (policy,) = yaml.safe_load((out / "alerting/policies.yaml").read_text(encoding="utf-8"))["policies"]
    (own,) = policy["routes"]
    assert "mute_time_intervals" not in own
    assert own["routes"] == [
        {
            "receiver": CONTACT_POINT,
            "object_matchers": [["queue", "=", "billing"]],
            "mute_time_intervals": ["Pulssi: exchange"],
        }
    ]
    assert CliRunner().invoke(dashboards, ["check", *told, *more], env={"PULSSI_CONFIG": ""}).exit_code == 0
    assert CliRunner().invoke(dashboards, ["check", *told], env={"PULSSI_CONFIG": ""}).exit_code == 1


@pytest.mark.parametrize(
    ("option", "value", "mend"), [("--runbooks", "docs/runbooks", "absolute"), ("--grafana-version", "new", "12.2")]
)
def test_an_option_that_makes_no_sense_is_refused(option: str, value: str, mend: str, tmp_path: Path) -> None:
    """It ends with 2 and one line that says what it should be."""
    run = CliRunner().invoke(dashboards, ["build", "--out", str(tmp_path), option, value])
    assert run.exit_code == 2
    assert mend in run.output
    assert not list(tmp_path.iterdir())
