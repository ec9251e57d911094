"""The push by the API: against a stand-in that keeps what it is given, as a Grafana is not to be had everywhere."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from dashboards.grafana_definitions.alerts import EVERY_S, rules
from dashboards.grafana_definitions.pushing import with_own_route
from dashboards.grafana_definitions.routes import CONTACT_POINT, route
from dashboards.grafana_definitions.site import DASHBOARD_UID, DATA_SOURCE_UID, FOLDER_UID, Site
from deploy.cli.dashboards import dashboards
from tests import centres

TOKEN: Final = "a-token"  # noqa: S105 - of the stand-in
POLICIES: Final = "/api/v1/provisioning/policies"
POINTS: Final = "/api/v1/provisioning/contact-points"
RULES: Final = "/api/v1/provisioning/alert-rules"
TIMINGS: Final = "/api/v1/provisioning/mute-timings"
SETTINGS: Final = "/api/frontend/settings"
GROUP: Final = f"/api/v1/provisioning/folder/{FOLDER_UID}/rule-groups/Service level"


class StandIn(ThreadingHTTPServer):
    """Answers the API's paths from what was put there, as Grafana does, and keeps the order of the writes.

    As Grafana does: it adds ids, versions, times and whence it came; leaves out what is empty; hides secrets; refuses
    to change what files made, and a route that names what is not there; a rule that is written is a new version.
    """

    def __init__(self, version: str = "12.3.1") -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.kept: dict[str, Any] = {
            SETTINGS: {"buildInfo": {"version": version}},
            POLICIES: {
                "receiver": "theirs",
                "routes": [{"receiver": "theirs", "object_matchers": [["team", "=", "web"]]}],
            },
            RULES: [{"uid": "theirs"}],
            POINTS: [{"uid": "theirs", "name": "theirs", "type": "email"}],
            TIMINGS: [{"name": "theirs", "time_intervals": []}],
        }
        self.writes: list[str] = []
        #: Of each rule how often it was written.
        self.versions: Counter[str] = Counter()
        self._numbers = count(1)
        #: The answer to every write, where none is done.
        self.refused: tuple[int, str] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keep(self, method: str, path: str, given: Any) -> tuple[int, Any]:  # noqa: ANN401 - any JSON
        """Do as Grafana does with a write."""
        self.writes.append(f"{method} {path}")
        if method == "DELETE":
            return self._remove(path)
        if path.startswith("/api/datasources"):
            before = self.kept.get(f"/api/datasources/uid/{given['uid']}") or {}
            if before.get("readOnly"):
                return 403, {"message": "Cannot update read-only data source"}
            secrets = {**before.get("secureJsonFields", {}), **dict.fromkeys(given.pop("secureJsonData", {}), True)}
            self.kept[f"/api/datasources/uid/{given['uid']}"] = self._kept(given) | {"secureJsonFields": secrets}
        elif path == "/api/folders":
            self.kept[f"{path}/{given['uid']}"] = self._kept(given)
        elif path == "/api/dashboards/db":
            dashboard = self._kept(given["dashboard"])
            self.kept[f"/api/dashboards/uid/{dashboard['uid']}"] = {
                "dashboard": dashboard,
                "meta": {"folderUid": given["folderUid"]},
            }
        elif path == POLICIES:
            known = {point["name"] for point in self.kept[POINTS]}, {one["name"] for one in self.kept[TIMINGS]}
            for child in given["routes"]:
                if child["receiver"] not in known[0] or not known[1].issuperset(child.get("mute_time_intervals", [])):
                    return 400, {"message": "receiver or time interval does not exist"}
            self.kept[path] = self._kept(given)
        elif path == GROUP:
            self.versions.update(rule["uid"] for rule in given["rules"])
            ours = {rule["uid"] for rule in given["rules"]}
            self.kept[path] = {**self._kept(given), "rules": [self._kept(rule) for rule in given["rules"]]}
            self.kept[RULES] = [
                rule for rule in self.kept[RULES] if rule.get("ruleGroup") != given["title"] or rule["uid"] in ours
            ]
        else:
            self._in_list(path, given)
        return 200, {}

    def _remove(self, path: str) -> tuple[int, Any]:
        listed, _, name = path.removeprefix("/api/v1/provisioning/").partition("/")
        used = [one for child in self.kept[POLICIES]["routes"] for one in json.dumps(child).split('"')]
        if name in used and listed == "mute-timings":
            return 409, {"message": "it is used by a route"}
        key, path = ("name", TIMINGS) if listed == "mute-timings" else ("uid", POINTS)
        assert name in [one[key] for one in self.kept[path]]
        self.kept[path] = [one for one in self.kept[path] if one[key] != name]
        return 204, {}

    def _in_list(self, path: str, given: Any) -> None:  # noqa: ANN401 - any JSON
        listed, key = next(
            (listed, key)
            for listed, key in ((POINTS, "uid"), (RULES, "uid"), (TIMINGS, "name"))
            if path.startswith(listed)
        )
        kept = self._kept(given)
        if listed == POINTS:
            settings = kept["settings"].items()
            kept["settings"] = {name: "[REDACTED]" if "hooks.example" in of else of for name, of in settings}
        self.kept[listed] = [one for one in self.kept[listed] if one[key] != given[key]] + [kept]
        if listed == RULES:
            self.versions[given["uid"]] += 1
            group = self.kept.setdefault(GROUP, {"title": given["ruleGroup"], "interval": 60, "rules": []})
            group["rules"] = [one for one in group["rules"] if one["uid"] != given["uid"]] + [kept]

    def _kept(self, given: dict[str, Any]) -> dict[str, Any]:
        """Keep what was given, as Grafana answers it later."""
        number = next(self._numbers)
        own = {"id": number, "version": number, "provenance": "api", "updated": "2026-06-01T09:00:00Z"}
        kept: dict[str, Any] = _without_empty(json.loads(json.dumps(given)))
        return {**kept, **own}


def _without_empty(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {key: _without_empty(one) for key, one in value.items() if one not in (None, "", False)}
    return [_without_empty(one) for one in value] if isinstance(value, list) else value


class _Answer(BaseHTTPRequestHandler):
    server: StandIn

    def _say(self, status: int, answer: Any) -> None:  # noqa: ANN401 - any JSON
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _do(self) -> None:
        path = unquote(self.path)
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say(401, {"message": "Unauthorized"})
        elif self.command == "GET":
            self._say(*((200, self.server.kept[path]) if path in self.server.kept else (404, {"message": "not found"})))
        elif self.server.refused is not None:
            self._say(self.server.refused[0], {"message": self.server.refused[1]})
        else:
            self._say(*self.server.keep(self.command, path, given))

    do_GET = do_POST = do_PUT = do_DELETE = _do  # noqa: N815 - names of the library

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def grafana() -> Iterator[StandIn]:
    """Serve a stand-in."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def push(url: str, *options: str, token: str = TOKEN, **environment: str) -> Result:
    """Run the command."""
    words = ["push", "--url", url, "--json", *options]
    return CliRunner().invoke(dashboards, words, env={"GRAFANA_TOKEN": token, **environment})


def pushed(run: Result) -> list[str]:
    """Read what a push says that it has written."""
    assert run.exit_code == 0, run.output
    found: list[str] = json.loads(run.output)["pushed"]
    return found


def test_push_brings_everything_and_leaves_what_is_others(grafana: StandIn) -> None:
    """Data source with the reader's password, folder, dashboard, contact point, route and rules; theirs stay."""
    run = push(grafana.url, CLICKHOUSE_READER_PASSWORD="a-secret")  # noqa: S106 - of the stand-in
    assert run.exit_code == 0, run.output
    assert "a-secret" not in run.output
    kept = grafana.kept
    assert kept[f"/api/datasources/uid/{DATA_SOURCE_UID}"]["secureJsonFields"] == {"password": True}
    assert kept[f"/api/dashboards/uid/{DASHBOARD_UID}"]["meta"]["folderUid"] == FOLDER_UID
    assert [point["uid"] for point in kept[POINTS]] == ["theirs", CONTACT_POINT]
    assert [child["receiver"] for child in kept[POLICIES]["routes"]] == [CONTACT_POINT, "theirs"]
    assert kept[POLICIES]["receiver"] == "theirs"
    ours = [rule["uid"] for rule in rules(Site())]
    assert [rule["uid"] for rule in kept[RULES]] == ["theirs", *ours]
    assert [rule["uid"] for rule in kept[GROUP]["rules"]] == ours
    assert kept[GROUP]["interval"] == EVERY_S


@pytest.mark.parametrize("options", [(), ("--notify", "slack", "--notify", "webhook", "--config", "WHOLE")])
def test_a_second_push_writes_nothing(grafana: StandIn, options: tuple[str, ...], tmp_path: Path) -> None:
    """Where nothing differs, no rule is restarted and no dashboard gets another version."""
    for name, text in centres.files("whole").items():
        (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
    options = tuple(str(tmp_path) if word == "WHOLE" else word for word in options)
    environment = {"CLICKHOUSE_READER_PASSWORD": "a-secret", "GRAFANA_SLACK_URL": "https://hooks.example/1"}
    assert pushed(push(grafana.url, *options, PULSSI_CONFIG="", **environment))
    grafana.writes.clear()
    before = grafana.versions.copy()
    assert pushed(push(grafana.url, *options, PULSSI_CONFIG="", **environment)) == []
    assert grafana.writes == []
    assert grafana.versions == before


def test_only_what_differs_is_written(grafana: StandIn) -> None:
    """Somebody changed one rule, one dashboard and the data source: those three are put right."""
    assert pushed(push(grafana.url))
    grafana.writes.clear()
    kept = grafana.kept
    (rule,) = [rule for rule in kept[RULES] if rule["uid"] == "service-level-chat-60s"]
    rule["for"] = "1h"
    kept[f"/api/dashboards/uid/{DASHBOARD_UID}"]["dashboard"]["panels"].pop()
    kept[f"/api/datasources/uid/{DATA_SOURCE_UID}"]["jsonData"]["port"] = 9000
    assert pushed(push(grafana.url)) == [
        f"data source {DATA_SOURCE_UID}",
        "dashboard Live floor",
        "rule Service level chat-60s",
    ]
    assert grafana.writes == [
        f"PUT /api/datasources/uid/{DATA_SOURCE_UID}",
        "POST /api/dashboards/db",
        f"PUT {RULES}/service-level-chat-60s",
    ]
    grafana.writes.clear()
    assert pushed(push(grafana.url)) == []


def test_rules_of_policies_that_are_gone_go(grafana: StandIn, tmp_path: Path) -> None:
    """The group then has exactly the rules of the configuration."""
    assert pushed(push(grafana.url))
    (tmp_path / "policies.toml").write_text(
        '[[policy]]\nname = "own"\nmetric = "resolution"\ntarget = "1h"\nobjective = 0.7\n', encoding="utf-8"
    )
    assert pushed(push(grafana.url, "--config", str(tmp_path), PULSSI_CONFIG="")) == [
        *(f"dashboard {title}" for title in ("Live floor", "SLA", "Channels and queues", "Planning", "Contact")),
        "rule Service level own",
        "rules' group",
    ]
    uids = [rule["uid"] for rule in grafana.kept[GROUP]["rules"]]
    assert uids == ["pulssi-freshness", "service-level-own"]
    assert [rule["uid"] for rule in grafana.kept[RULES]] == ["theirs", *uids]


def test_receivers_and_mute_timings_that_are_gone_go(grafana: StandIn, tmp_path: Path) -> None:
    """What was Pulssi's and is configured no more is removed, once no route names it; theirs stay."""
    (tmp_path / "alerts.toml").write_text(
        'notifier = "grafana"\n[[maintenance]]\nname = "move 1/2"\nvalid_from = 2026-04-01\nvalid_until = 2026-04-02\n',
        encoding="utf-8",
    )
    environment = {"PULSSI_CONFIG": "", "GRAFANA_SLACK_URL": "https://hooks.example/1"}
    told = ["--config", str(tmp_path), "--notify", "slack", "--notify", "webhook"]
    assert pushed(push(grafana.url, *told, **environment))
    text = (tmp_path / "alerts.toml").read_text(encoding="utf-8")
    (tmp_path / "alerts.toml").write_text(text.replace("04-02", "04-03"), encoding="utf-8")
    assert pushed(push(grafana.url, *told, **environment)) == ["mute timing Pulssi: move 1/2"]
    assert pushed(push(grafana.url, PULSSI_CONFIG="")) == [
        "notification policy",
        "without contact point slack",
        "without mute timing Pulssi: move 1/2",
    ]
    assert [point["uid"] for point in grafana.kept[POINTS]] == ["theirs", "pulssi-webhook"]
    assert [timing["name"] for timing in grafana.kept[TIMINGS]] == ["theirs", "Pulssi: hooks notify"]
    assert pushed(push(grafana.url, PULSSI_CONFIG="")) == []


@pytest.mark.parametrize("month", ["4", "april"])
def test_a_mute_timing_is_the_same_however_its_months_are_told(grafana: StandIn, tmp_path: Path, month: str) -> None:
    """Some releases of Grafana answer with their numbers, whatever they were given."""
    (tmp_path / "alerts.toml").write_text(
        'notifier = "grafana"\n[[maintenance]]\nname = "move"\nvalid_from = 2026-04-01\nvalid_until = 2026-04-02\n',
        encoding="utf-8",
    )
    told = ["--config", str(tmp_path)]
    assert pushed(push(grafana.url, *told, PULSSI_CONFIG=""))
    (kept,) = [timing for timing in grafana.kept[TIMINGS] if timing["name"] == "Pulssi: move"]
    for interval in kept["time_intervals"]:
        interval["months"] = [month]
    assert pushed(push(grafana.url, *told, PULSSI_CONFIG="")) == []
    kept["time_intervals"][0]["months"] = ["5"]
    assert pushed(push(grafana.url, *told, PULSSI_CONFIG="")) == ["mute timing Pulssi: move"]


def test_a_password_is_brought_where_there_is_none_yet(grafana: StandIn) -> None:
    """Grafana does not show the one that it has, so it cannot be compared."""
    assert pushed(push(grafana.url))
    name = f"data source {DATA_SOURCE_UID}"
    assert pushed(push(grafana.url, CLICKHOUSE_READER_PASSWORD="a-secret")) == [name]  # noqa: S106 - of the stand-in
    assert pushed(push(grafana.url, CLICKHOUSE_READER_PASSWORD="another")) == []  # noqa: S106 - of the stand-in


def test_a_data_source_that_files_made_is_told_with_what_to_do(grafana: StandIn) -> None:
    """As it is it may stay; where it differs the push ends before anything is written."""
    assert pushed(push(grafana.url))
    grafana.kept[f"/api/datasources/uid/{DATA_SOURCE_UID}"]["readOnly"] = True
    assert pushed(push(grafana.url)) == []
    grafana.writes.clear()
    run = push(grafana.url, "--clickhouse", "http://elsewhere:8123")
    assert run.exit_code == 2
    assert "pulssi dashboards build" in run.output
    assert grafana.writes == [f"PUT /api/datasources/uid/{DATA_SOURCE_UID}"]  # which was refused


@pytest.mark.parametrize(
    ("changed", "code", "message", "name"),
    [
        (f"/api/dashboards/uid/{DASHBOARD_UID}", 400, "Cannot save provisioned dashboard", "dashboard Live floor"),
        (POINTS, 500, "cannot changed provenance from 'file' to 'api'", "contact point webhook"),
        (RULES, 409, "cannot change provenance from 'file' to 'api'", "rule Figures are old"),
    ],
)
def test_what_files_made_is_told(grafana: StandIn, changed: str, code: int, message: str, name: str) -> None:
    """Whatever Grafana refuses to change, the message names it, and not Grafana's error."""
    assert pushed(push(grafana.url))
    kept = grafana.kept[changed]
    for one in kept if isinstance(kept, list) else [kept["dashboard"]]:
        one.update(title="changed", type="changed")
    grafana.refused = code, message
    run = push(grafana.url)
    assert run.exit_code == 2
    assert f"{name} was made by files and cannot be changed from here" in run.output


def test_a_receiver_without_its_secret_is_told(grafana: StandIn) -> None:
    """The variable is named."""
    run = push(grafana.url, "--notify", "slack", GRAFANA_SLACK_URL="")
    assert run.exit_code == 2
    assert "GRAFANA_SLACK_URL" in run.output


def test_an_older_grafana_gets_rules_that_it_knows(grafana: StandIn) -> None:
    """What it may be told is asked of Grafana itself."""
    grafana.kept[SETTINGS]["buildInfo"]["version"] = "9.4.3-pre"
    assert pushed(push(grafana.url))
    (rule,) = [rule for rule in grafana.kept[RULES] if rule["uid"] == "service-level-chat-60s"]
    assert rule["noDataState"] == "OK"
    assert "keep_firing_for" not in rule


def test_a_wrong_token_is_told_and_not_shown(grafana: StandIn) -> None:
    """Grafana's refusal ends with 2 and names the variable to set."""
    run = push(grafana.url, token="wrong-token")  # noqa: S106 - wrong on purpose
    assert run.exit_code == 2
    assert "GRAFANA_TOKEN" in run.output
    assert "wrong-token" not in run.output


def test_a_grafana_that_does_not_answer_ends_with_3() -> None:
    """Nobody listens: one line with the address and no trace."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    run = push(f"http://127.0.0.1:{port}")
    assert run.exit_code == 3
    assert run.output.strip() == (
        f"pulssi: Grafana does not answer at 127.0.0.1:{port}: is it running, and is --url right?"
    )


def test_a_refused_write_ends_with_1(grafana: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grafana's own words say why, in one line."""

    def refuse(answer: _Answer) -> None:
        answer._say(400, {"message": "cannot change provisioned data source"})  # noqa: SLF001 - this module's own

    monkeypatch.setattr(_Answer, "do_POST", refuse)
    run = push(grafana.url)
    assert run.exit_code == 1
    assert "cannot change provisioned data source" in run.output


def test_an_url_that_is_none_ends_with_2() -> None:
    """An address without a scheme is a wrong argument."""
    assert push("grafana:3000").exit_code == 2


def test_ours_is_replaced_and_theirs_keep_their_order() -> None:
    """In a tree that has our route already, further down, it stands first and once."""
    tree = {"receiver": "root", "routes": [{"receiver": "a"}, route(Site()), {"receiver": "b"}]}
    routes = with_own_route(tree, Site())["routes"]
    assert [one["receiver"] for one in routes] == [CONTACT_POINT, "a", "b"]
