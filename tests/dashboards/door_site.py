"""A wallboard's routes behind a door, on a real socket; and requests as they are, byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher
from pydantic import SecretStr

from dashboards.wallboard.acknowledging import acknowledge_routes
from dashboards.wallboard.alert_list import FiringAlerts
from dashboards.wallboard.door import Door
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application
from dashboards.wallboard.sessions import Sessions, session_keys
from dashboards.wallboard.sign_in import NONE, SignIn
from schemas.alerts import Acknowledge
from schemas.boards import Board, Boards
from streams.configuration.environment import load_settings
from streams.kafka.topic_reader import TopicRecord
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import add_routes, listen
from streams.monitoring.peers import TrustedProxies
from streams.monitoring.rate_limits import Places, RateLimit
from tests.sinks.hooks.alerts import alert

TOKEN: Final = "a-token-of-tests-0123456789"  # noqa: S105 - of tests
PASSWORD: Final = "correct horse battery"  # noqa: S105 - of tests
#: As cheap as argon2 gets: what it costs is tested elsewhere.
PASSWORD_HASH: Final = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
BEARER: Final = {"Authorization": f"Bearer {TOKEN}"}
SENT: Final = {"X-Pulssi": "1"}
BOARDS: Final = Boards((Board(), Board("sales", "Sales")))
FIGURES: Final = "figures that are nobody else's"


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


class Answer(NamedTuple):
    """What a server said to a request of bytes."""

    status: int
    headers: dict[str, str]
    body: bytes


#: Gives the figures of a board for a window.
Live = Callable[[Board, str], bytes]


def _figures(_: Board, __: str) -> bytes:
    return FIGURES.encode()


class DoorSite:
    """A running wallboard without Kafka."""

    def __init__(self, door: Door, clock: Clock, figures: Live) -> None:
        self.door = door
        self.clock = clock
        self.publisher = Publisher(figures, FIGURES.encode)
        self.port = 0
        self.acknowledged: list[Acknowledge] = []

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, **options: Any) -> aiohttp.ClientSession:  # noqa: ANN401 - aiohttp's own
        """Make a client that keeps cookies, also of an address."""
        jar = aiohttp.CookieJar(unsafe=True)
        return aiohttp.ClientSession(self.url, cookie_jar=options.pop("cookie_jar", jar), **options)

    async def raw(self, request: bytes) -> Answer:
        """Send bytes as they are, and read the answer up to the end of the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        async with asyncio.timeout(20):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(int(first.split()[1]), headers, body)

    async def get(self, path: str, *headers: str, method: str = "GET") -> Answer:
        """Ask for a path exactly as it is written."""
        lines = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers, "", "")
        return await self.raw("\r\n".join(lines).encode("utf-8", "surrogateescape"))


def sign_in(**given: Any) -> SignIn:  # noqa: ANN401 - fields of SignIn
    """Make a sign-in by password and token, but for what is given."""
    return SignIn(**{"token": SecretStr(TOKEN), "password_hash": SecretStr(PASSWORD_HASH), **given})


def by_proxy(networks: str = "127.0.0.1/32") -> SignIn:
    """Make a sign-in by a proxy alone."""
    proxies = TrustedProxies(networks, "X-Forwarded-User")
    return SignIn(token=NONE, password_hash=NONE, proxies=proxies, by_proxy=True)


@asynccontextmanager
async def door_site(
    ways: SignIn | None = None,
    requests: RateLimit | None = None,
    streams: Places | None = None,
    allowed_hosts: str = "",
    figures: Live = _figures,
) -> AsyncIterator[DoorSite]:
    """Run the wallboard's routes for the length of the block, behind a password and a token unless told otherwise."""
    ways = ways if ways is not None else sign_in()
    clock = Clock()
    keys = session_keys(
        b"k" * 32, {"password": ways.password_hash.get_secret_value(), "token": ways.token.get_secret_value()}
    )
    hosts = AllowedHosts("127.0.0.1", allowed_hosts)
    requests = RateLimit(10_000, 10_000) if requests is None else requests
    door = Door(hosts, ways, requests, streams, Sessions(keys, now=clock))
    site = DoorSite(door, clock, figures)
    app = application(site.publisher, lambda *_: FIGURES.encode(), hosts, lambda: BOARDS, door)
    add_routes(app, ready=lambda: None, progress=lambda: None, metrics=lambda: "x 1\n")
    _add_other_routes(app, site, hosts)
    runner = await listen(
        app, load_settings({"PULSSI_WALLBOARD_PORT": "0"}), "wallboard", handler_cancellation=True, shutdown_timeout=0.2
    )
    site.port = runner.addresses[0][1]
    try:
        yield site
    finally:
        await runner.cleanup()


def _add_other_routes(app: web.Application, site: DoorSite, hosts: AllowedHosts) -> None:
    alerts = FiringAlerts()
    fires = alert(key="a", id="fires")
    alerts.apply([TopicRecord(0, 0, fires.key.encode(), fires.model_dump_json().encode())])

    async def send(command: Acknowledge) -> None:
        site.acknowledged.append(command)

    async def public(_: web.Request) -> web.Response:
        return web.json_response({"value": 1})

    acknowledge_routes(app, lambda: alerts, hosts, send)
    app.router.add_get("/public/{name}.json", public)
    app.router.add_get("/public/{name}.svg", public)
