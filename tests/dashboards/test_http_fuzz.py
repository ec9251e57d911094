"""Anything is sent to every HTTP face of Pulssi: none fails, none hangs, and a stranger reads nothing.

By the description of the addresses (schemathesis), and byte by byte (Hypothesis). The short run looks at a few of them.
"""

import asyncio
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import schemathesis
import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies
from hypothesis import HealthCheck, given, settings
from schemathesis.core import NotSet

from dashboards.wallboard.acknowledging import acknowledge_routes
from dashboards.wallboard.door import OPEN, PUBLIC
from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.public_figures import PublicFigures, public_routes
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application
from dashboards.wallboard.sign_in import SignIn
from dashboards.wallboard.snapshot import Snapshot
from deploy.embedded.ports import any_free
from schemas.alerts import Acknowledge
from schemas.boards import Boards
from streams.configuration.environment import load_settings
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import Health, add_routes
from tests.dashboards.door_site import TOKEN, DoorSite, door_site
from tests.dashboards.face_under_fire import SHORTLY_S, complaint, in_a_thread, requests, told
from tests.depth import examples

DESCRIPTION: Final = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
#: Answers that begin and do not end.
STREAMS: Final = "/api/stream"
ALIVE: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

described = schemathesis.openapi.from_path(str(DESCRIPTION))
anything = settings(suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def closed() -> Iterator[DoorSite]:
    """Return a wallboard that asks for a sign-in."""
    with in_a_thread(door_site()) as site:
        yield site


@pytest.fixture(scope="module")
def wide_open() -> Iterator[DoorSite]:
    """Return a wallboard on a machine of one's own."""
    with in_a_thread(door_site(SignIn())) as site:
        yield site


@asynccontextmanager
async def _health() -> AsyncIterator[int]:
    health = Health(ready=lambda: "not yet", progress=lambda: None, metrics=lambda: "x 1\n")
    yield await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    await health.stop()


@pytest.fixture(scope="module")
def health() -> Iterator[int]:
    """Return the port of the server of health that worker, sink, alerts and hooks share."""
    with in_a_thread(_health()) as port:
        yield port


def _written(case: Any, *more: str) -> bytes:  # noqa: ANN401 - untyped
    """Write a request that schemathesis has thought of; its own client does not get on with urllib3-future."""
    query = urlencode(case.query or {}, doseq=True)
    body, kind = b"", case.media_type or "application/json"
    if not isinstance(case.body, NotSet):
        form = isinstance(case.body, dict) and kind.endswith("urlencoded")
        body = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str).encode()
        body = urlencode(case.body, doseq=True).encode() if form else body
    kept = [(name, value) for name, value in case.headers.items() if name.lower() not in {"authorization", "cookie"}]
    lines = (
        f"{case.method} {case.formatted_path}{'?' * bool(query)}{query} HTTP/1.1",
        *("Host: localhost", "Connection: close", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *more),
        *(f"{name}: {str(value).encode('unicode_escape').decode()}" for name, value in kept),
        *("", ""),
    )
    return "\r\n".join(lines).encode("utf-8", "replace") + body


@described.exclude(path=STREAMS).parametrize()
@settings(anything, max_examples=examples(24))
def test_what_is_described_is_answered(case: Any, closed: DoorSite, wide_open: DoorSite) -> None:  # noqa: ANN401 - untyped
    """A stranger gets a refusal and no figures; who has the token, or the machine, gets no error of the server."""
    stranger = told(closed.port, _written(case))
    assert complaint(stranger, closed=True) is None
    if not (case.path in OPEN or case.path.startswith(PUBLIC)):
        assert int(stranger.split()[1]) in {303, 400, 401, 403, 404, 405, 408, 413}
    for site, headers in ((closed, (f"Authorization: Bearer {TOKEN}",)), (wide_open, ())):
        assert complaint(told(site.port, _written(case, *headers)), closed=False) is None


@pytest.mark.parametrize("face", ["closed", "wide_open", "health"])
def test_bytes_break_nothing(face: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever comes, each face goes on, and logs no stack trace."""
    found = request.getfixturevalue(face)
    port = found if isinstance(found, int) else found.port
    caplog.set_level(logging.ERROR)

    @settings(anything, max_examples=examples(240))
    @given(requests())
    def fire(sent: bytes) -> None:
        assert complaint(told(port, sent, SHORTLY_S), closed=face == "closed") is None

    fire()
    assert b" 200 " in told(port, ALIVE)[:20]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


@pytest.mark.long
@pytest.mark.parametrize("face", ["closed", "wide_open", "health"])
@settings(anything, max_examples=5_000)
@given(sent=requests())
def test_many_bytes_break_nothing(face: str, request: pytest.FixtureRequest, sent: bytes) -> None:
    """The same, for as long as it takes."""
    found = request.getfixturevalue(face)
    port = found if isinstance(found, int) else found.port
    assert complaint(told(port, sent, SHORTLY_S), closed=face == "closed") is None


@pytest.mark.long
@pytest.mark.parametrize("part", ["worker", "sink", "wallboard", "alerts", "hooks", "gateway"])
async def test_the_processes_themselves(part: str, tmp_path: Path) -> None:
    """Each part, waiting for a broker that is not there, is sent anything; it goes on, and ends in order."""
    port = any_free("127.0.0.1")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PULSSI_")},
        "PULSSI_KAFKA_BROKERS": f"127.0.0.1:{any_free('127.0.0.1')}",
        "PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{any_free('127.0.0.1')}",
        f"PULSSI_{part.upper()}_PORT": str(port),
        "PULSSI_WALLBOARD_REQUESTS_PER_SECOND": "10000",
        "PULSSI_WALLBOARD_REQUEST_BURST": "10000",
    }
    words = (part, "run") if part in {"alerts", "hooks"} else (part,)
    log = (tmp_path / "log").open("w+b")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "deploy.cli", *words), env=environment, stdout=log, stderr=log
    )
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(60):
            while not await loop.run_in_executor(None, _is_there, port):
                assert process.returncode is None
        await loop.run_in_executor(None, _fire, port)
        assert b" 200 " in (await loop.run_in_executor(None, told, port, ALIVE))[:20]
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)
    log.seek(0)
    assert b"a bug" not in log.read()


def _is_there(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
            return True
    except OSError:
        return False


def _fire(port: int) -> None:
    @settings(anything, max_examples=1_500)
    @given(requests())
    def fire(sent: bytes) -> None:
        assert complaint(told(port, sent, SHORTLY_S), closed=False) is None

    fire()


async def _send_nothing(_: Acknowledge) -> None: ...


def _no_snapshot() -> Snapshot:
    raise NotImplementedError


def test_every_address_is_described() -> None:
    """The description names each route of the wallboard but the page's own files, and OpenAPI has its form."""
    hosts = AllowedHosts("127.0.0.1")
    app = application(Publisher(lambda *_: b"", bytes), lambda *_: b"", hosts)
    acknowledge_routes(app, lambda: None, hosts, _send_nothing)
    public_routes(app, PublicFigures(_no_snapshot, Boards))
    add_routes(app, ready=lambda: None, progress=lambda: None, metrics=str)
    paths = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    forms = {re.sub(r"\{[^}]*\}", "{}", path): methods for path, methods in paths.items()}
    files = {path for path in ASSETS if path != "/"} | {"/login.css"}
    missing = {
        f"{route.method} {route.resource.canonical}"
        for route in app.router.routes()
        if route.resource is not None
        and route.method != "HEAD"
        and route.resource.canonical not in files
        and route.method.lower() not in forms.get(re.sub(r"\{[^}]*\}", "{}", route.resource.canonical), {})
    }
    assert missing == set()
