"""The push by the API: against a stand-in that keeps what it is given, as a Grafana is not to be had everywhere."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from dashboards.grafana_definitions.alerts import CONTACT_POINT, route, rules
from dashboards.grafana_definitions.pushing import with_own_route
from dashboards.grafana_definitions.site import DASHBOARD_UID, DATA_SOURCE_UID, FOLDER_UID, Site
from deploy.cli.dashboards import dashboards
from schemas.policies import DEFAULT_POLICIES

TOKEN: Final = "a-token"  # noqa: S105 - of the stand-in
POLICIES: Final = "/api/v1/provisioning/policies"
POINTS: Final = "/api/v1/provisioning/contact-points"
RULES: Final = "/api/v1/provisioning/alert-rules"
GROUP: Final = f"/api/v1/provisioning/folder/{FOLDER_UID}/rule-groups/Service level"


class StandIn(ThreadingHTTPServer):
    """Answers the API's paths from what was put there, and keeps the order of the writes."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.kept: dict[str, Any] = {
            POLICIES: {
                "receiver": "theirs",
                "routes": [{"receiver": "theirs", "object_matchers": [["team", "=", "web"]]}],
            },
            RULES: [{"uid": "theirs"}],
            POINTS: [{"uid": "theirs", "name": "theirs", "type": "email"}],
        }
        self.writes: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def keep(self, method: str, path: str, given: Any) -> None:  # noqa: ANN401 - any JSON
        """Do as Grafana does with a write."""
        self.writes.append(f"{method} {path}")
        if path in {POINTS, RULES}:
            self.kept[path].append(given)
        elif path in {"/api/datasources", "/api/folders"}:
            self.kept[f"{path}/uid/{given['uid']}" if "datasources" in path else f"{path}/{given['uid']}"] = given
        elif not path.startswith((f"{POINTS}/", f"{RULES}/")):
            self.kept[path] = given


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
        path = self.path.replace("%20", " ")
        given = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"null")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._say(401, {"message": "Unauthorized"})
        elif self.command == "GET":
            self._say(*((200, self.server.kept[path]) if path in self.server.kept else (404, {"message": "not found"})))
        else:
            self.server.keep(self.command, path, given)
            self._say(200, {})

    do_GET = do_POST = do_PUT = _do  # noqa: N815 - names of the library

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


def push(url: str, token: str = TOKEN, **environment: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(dashboards, ["push", "--url", url, "--json"], env={"GRAFANA_TOKEN": token, **environment})


def test_push_brings_everything_and_leaves_what_is_others(grafana: StandIn) -> None:
    """Data source with the reader's password, folder, dashboard, contact point, route and rules; theirs stay."""
    run = push(grafana.url, CLICKHOUSE_READER_PASSWORD="a-secret")  # noqa: S106 - of the stand-in
    assert run.exit_code == 0, run.output
    assert "a-secret" not in run.output
    kept = grafana.kept
    assert kept[f"/api/datasources/uid/{DATA_SOURCE_UID}"]["secureJsonData"] == {"password": "a-secret"}
    assert kept["/api/dashboards/db"]["dashboard"]["uid"] == DASHBOARD_UID
    assert kept["/api/dashboards/db"]["folderUid"] == FOLDER_UID
    assert [point["uid"] for point in kept[POINTS]] == ["theirs", CONTACT_POINT]
    assert [child["receiver"] for child in kept[POLICIES]["routes"]] == [CONTACT_POINT, "theirs"]
    assert kept[POLICIES]["receiver"] == "theirs"
    ours = [rule["uid"] for rule in rules(Site(), DEFAULT_POLICIES)]
    assert [rule["uid"] for rule in kept[RULES]] == ["theirs", *ours]
    assert [rule["uid"] for rule in kept[GROUP]["rules"]] == ours


def test_a_second_push_updates_and_adds_nothing(grafana: StandIn) -> None:
    """What is there is replaced by its identifier: one data source, one contact point, one route of ours."""
    assert push(grafana.url).exit_code == 0
    grafana.writes.clear()
    assert push(grafana.url).exit_code == 0
    assert grafana.writes == [
        f"PUT /api/datasources/uid/{DATA_SOURCE_UID}",
        "POST /api/dashboards/db",
        f"PUT {POINTS}/{CONTACT_POINT}",
        f"PUT {POLICIES}",
        *(f"PUT {RULES}/{rule['uid']}" for rule in rules(Site(), DEFAULT_POLICIES)),
        f"PUT {GROUP}",
    ]
    assert len(grafana.kept[POLICIES]["routes"]) == 2


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
    ours = {**route(), "object_matchers": [["service", "=", "pulssi"]]}
    routes = with_own_route({"receiver": "root", "routes": [{"receiver": "a"}, ours, {"receiver": "b"}]})["routes"]
    assert [one["receiver"] for one in routes] == [CONTACT_POINT, "a", "b"]
