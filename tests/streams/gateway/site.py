"""A gateway in the test's own process, behind the routes that its users have, with Kafka or a stand-in for it."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple, cast

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from schemas.settings import Settings
from streams.gateway.counts import readings
from streams.gateway.hook_accounts import HookAccount, HookAccounts
from streams.gateway.receiver import Receiver
from streams.gateway.records import NotTakenError, Record
from streams.gateway.server import application
from streams.gateway.writes import AcknowledgedWrites
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import listen
from streams.monitoring.prometheus import render
from streams.sources.accounts import AccountKey, FaultyAccount
from streams.tasks import cancel
from tests.streams.gateway import made


class Answer(NamedTuple):
    """What the gateway has answered."""

    status: int
    text: str
    headers: Mapping[str, str]


class MemoryWrites:
    """Takes records in the place of Kafka, and acknowledges them at once, unless it is told otherwise."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        #: Why nothing is taken.
        self.away: str | None = None
        #: Whether what is taken is acknowledged.
        self.answers = True
        #: What the gateway counts of it.
        self.waiting = self.bytes = 0
        self.acknowledged: Counter[str] = Counter()

    def write(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Take records."""
        if self.away is not None:
            raise NotTakenError(self.away)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.answers:
            self.records += records
            done.set_result(None)
        return done

    @property
    def taken(self) -> AcknowledgedWrites:
        """As the gateway sees it."""
        return cast("AcknowledgedWrites", self)


class Site:
    """A gateway that listens."""

    def __init__(
        self, app: web.Application, receiver: Receiver, port: int, http: aiohttp.ClientSession, accounts: "Accounts"
    ) -> None:
        self.app = app
        self.receiver = receiver
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.http = http
        self.accounts = accounts

    async def post(self, path: str, sent: bytes, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:  # noqa: ANN401 - as the client has them
        """Post to a path."""
        async with self.http.post(f"{self.url}{path}", data=sent, headers=headers, **more) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)

    async def get(self, path: str, **headers: str) -> Answer:
        """Get a path."""
        async with self.http.get(f"{self.url}{path}", headers=headers) as answer:
            return Answer(answer.status, await answer.text(), answer.headers)


class Accounts:
    """The accounts in force, which a test may change."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.now: dict[AccountKey, HookAccount] = {}
        self.faulty: tuple[FaultyAccount, ...] = ()

    def load(self, text: str = made.SOURCES) -> None:
        """Have another `sources.toml` in force."""
        made.write_sources(self._folder, text)
        found = HookAccounts(self._folder, made.adapter_of, made.VARIABLES)
        self.now, self.faulty = dict(found.accounts), found.faulty


@asynccontextmanager
async def gateway(
    folder: Path, settings: Settings, writes: AcknowledgedWrites, token: str = "", text: str = made.SOURCES
) -> AsyncIterator[Site]:
    """Run a gateway on any free port."""
    accounts = Accounts(folder)
    accounts.load(text)
    running: list[asyncio.Task[None]] = []
    async with aiohttp.ClientSession() as http, aiohttp.ClientSession() as vendors:
        receiver = Receiver(settings, lambda: accounts.now, writes, vendors, lambda: accounts.faulty)
        unready = getattr(writes, "unready", lambda: None)
        app = application(
            receiver,
            AllowedHosts(settings.bind),
            SecretStr(token),
            ready=unready,
            progress=lambda: None,
            notice=lambda: None,
            metrics=lambda: render(
                readings(receiver.counts, writes, receiver.unknown, refused=False, faulty=accounts.faulty)
            ),
        )
        runner: web.AppRunner = await listen(app, settings, "gateway")
        if isinstance(writes, AcknowledgedWrites):
            running.append(asyncio.create_task(writes.run()))
        try:
            yield Site(app, receiver, runner.addresses[0][1], http, accounts)
        finally:
            await runner.cleanup()
            await cancel(*running)
