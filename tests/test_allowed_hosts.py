"""Under which names every HTTP server of Pulssi answers: one table of cases for all of them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application
from streams.configuration.environment import load_settings
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import Health
from tests.fixtures.clickhouse import ClickHouseServer
from tests.streams.gateway.site import MemoryWrites, gateway

#: What the servers are told besides; the ClickHouse of the tests has no such name.
ALLOWED = "board.example, second.example"
FACES = ("health", "wallboard", "gateway", "clickhouse")


@pytest.fixture(params=FACES)
async def face(
    request: pytest.FixtureRequest, clickhouse_server: ClickHouseServer, tmp_path: Path
) -> AsyncIterator[tuple[str, int]]:
    """Each server with a path that answers 200."""
    if request.param == "clickhouse":
        yield "/ping", clickhouse_server.port
    elif request.param == "health":
        health = Health(ready=lambda: None, progress=lambda: None, metrics=str)
        yield (
            "/healthz",
            await health.start(load_settings({"PULSSI_WORKER_PORT": "0", "PULSSI_ALLOWED_HOSTS": ALLOWED}), "worker"),
        )
        await health.stop()
    elif request.param == "gateway":
        settings = load_settings({"PULSSI_GATEWAY_PORT": "0", "PULSSI_ALLOWED_HOSTS": ALLOWED})
        async with gateway(tmp_path, settings, MemoryWrites().taken) as site:
            yield "/", site.port
    else:
        page = application(
            Publisher(lambda *_: b"{}", lambda: b"{}"), lambda *_: b"{}", AllowedHosts("127.0.0.1", ALLOWED)
        )
        runner = web.AppRunner(page)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "/", runner.addresses[0][1]
        await runner.cleanup()


async def ask(port: int, path: str, host: str, **headers: str) -> tuple[int, str]:
    """Send a request under a name, as a browser does that was led here by it."""
    async with aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{port}{path}", headers={"Host": host, **headers})
        return answer.status, await answer.text()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:80", "localhost:8080", "LOCALHOST.", "[::1]:9", "10.1.2.3:1"])
async def test_the_machine_itself_is_answered(face: tuple[str, int], host: str) -> None:
    """By its loopback names and by any address, with any port: tunnels and containers change ports."""
    path, port = face
    assert (await ask(port, path, host))[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "2130706433"),
        *("127.1", "", "evil.example@127.0.0.1", "[::1", "board.example.evil.example", "127.0.0.1 evil.example"),
    ],
)
async def test_another_name_is_not_answered(face: tuple[str, int], host: str) -> None:
    """Whatever it resolves to; the line names the setting."""
    path, port = face
    status, text = await ask(port, path, host, Origin=f"http://{host}")
    assert status == 421
    assert "PULSSI_ALLOWED_HOSTS" in text
    assert len(text.splitlines()) == 1


async def test_a_request_without_a_host_is_no_browsers(face: tuple[str, int]) -> None:
    """Old probes send none, and no page can."""
    path, port = face
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert b" 200 " in await reader.readline()
    writer.close()


@pytest.mark.parametrize("host", ["board.example", "BOARD.example:8080", "second.example."])
async def test_a_name_of_the_setting_is_answered(host: str) -> None:
    """With any port and in any case."""
    health = Health(ready=lambda: None, progress=lambda: None, metrics=str)
    port = await health.start(load_settings({"PULSSI_WORKER_PORT": "0", "PULSSI_ALLOWED_HOSTS": ALLOWED}), "worker")
    assert (await ask(port, "/healthz", host))[0] == 200
    await health.stop()


@pytest.mark.parametrize(
    ("origin", "host", "sends"),
    [
        ("http://localhost:3000", "127.0.0.1:8123", True),
        ("http://127.0.0.1:3000", "localhost", True),
        ("http://[::1]:3000", "localhost", True),
        ("http://board.example", "10.0.0.5:8123", True),
        ("http://10.0.0.5:3000", "10.0.0.5:8123", True),
        ("http://10.0.0.6", "10.0.0.5", False),
        ("http://evil.example", "localhost", False),
        ("http://localhost.evil.example", "localhost", False),
        ("null", "localhost", False),
        ("", "localhost", False),
        ("http://[", "localhost", False),
    ],
)
def test_pages_that_may_send(origin: str, host: str, *, sends: bool) -> None:
    """Pages of this machine and of the names that are known; another machine's address is not this one's."""
    assert AllowedHosts("0.0.0.0", "board.example").allows_origin(origin, host) is sends  # noqa: S104 - as one that listens everywhere


async def test_clickhouse_takes_no_statement_from_a_rebound_name(clickhouse_server: ClickHouseServer) -> None:
    """Its Origin is its Host, as the browser sees it; and nothing of it reaches the engine."""
    async with aiohttp.ClientSession() as session:
        headers = {"Host": "evil.example:8123", "Origin": "http://evil.example:8123", "Sec-Fetch-Site": "same-origin"}
        answer = await session.post(clickhouse_server.url, data="SELECT 1", headers=headers)
        assert (answer.status, "1\n" in await answer.text()) == (421, False)


def test_every_server_is_guarded() -> None:
    """A web application that is made anywhere in the project has the guard; this finds one that is new."""
    root = Path(__file__).resolve().parent.parent
    made = {
        str(path.relative_to(root))
        for layer in ("streams", "sinks", "dashboards", "deploy")
        for path in (root / layer).rglob("*.py")
        if "web.Application(" in path.read_text(encoding="utf-8")
    }
    assert made == {
        "streams/monitoring/health.py",
        "streams/gateway/server.py",
        "dashboards/wallboard/server.py",
        "deploy/embedded/clickhouse/server.py",
    }
