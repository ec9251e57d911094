"""A vendor's API on 127.0.0.1 that counts, refuses and limits as real ones do, and a client of it for tests."""

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError

TOKEN: Final = "t0ken"  # noqa: S105 - of a server in a test
_TOO_MANY: Final = 429
_OK: Final = 200

#: Answers a request with JSON, or when it is awaited; a number is a status.
Answer = Callable[[web.Request], Any]


class VendorServer:
    """Serves answers by method and path, as aiohttp writes it; each third request is one too many."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        self._answers = answers
        self._served = 0
        #: How often each path was answered, and how often it was one too many.
        self.asked: Counter[str] = Counter()
        self.limited = 0
        #: The paths that were asked for with the token.
        self.with_token: set[str] = set()
        self.url = ""

    async def __aenter__(self) -> Self:
        application = web.Application()
        for (method, path), answer in self._answers.items():
            application.router.add_route(method, path, self._handler(answer))
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def _handler(self, answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            self._served += 1
            if request.headers.get("Authorization") == f"Bearer {TOKEN}":
                self.with_token.add(request.path)
            if self._served % 3 == 0:
                self.limited += 1
                return web.json_response({"message": "slow down"}, status=_TOO_MANY, headers={"Retry-After": "0"})
            self.asked[request.path] += 1
            told = answer(request)
            if inspect.isawaitable(told):
                told = await told
            return web.json_response(None, status=told) if isinstance(told, int) else web.json_response(told)

        return handle


class TestedApi:
    """Asks a server as `VendorApi` says: again where it was too much, and an absolute address without the token."""

    __test__ = False

    def __init__(self, server: VendorServer) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Get."""
        return await self._ask("GET", request, None)

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Post."""
        return await self._ask("POST", request, body)

    async def _ask(self, method: str, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        elsewhere = request.path.startswith("http")
        address = request.path if elsewhere else f"{self._server.url}{request.path}"
        headers = {} if elsewhere else {"Authorization": f"Bearer {TOKEN}"}
        while True:
            options = {"params": list(request.query), "json": body, "headers": headers}
            async with self._session.request(method, address, **options) as answer:
                if answer.status == _TOO_MANY:
                    continue
                if answer.status != _OK:
                    raise VendorRefusedError(answer.status, "refused")
                return await answer.json()
