"""A vendor's API in a test: an aiohttp server on this machine with a rate limit, and a plain client of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
from aiohttp import web

from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError

_TOO_MANY: Final = 429
Answer = Callable[[web.Request], Awaitable[web.Response]]


class PlainApi:
    """Asks again where it is told to, as the API of an import does, and otherwise passes refusals on."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url
        self._session = session
        #: The paths that were asked, with those that were put off.
        self.asked: list[str] = []

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON."""
        while True:
            async with self._session.get(f"{self._url}{request.path}", params=list(request.query)) as answer:
                self.asked.append(request.path)
                if answer.status == _TOO_MANY:
                    assert answer.headers["Retry-After"] == "0"
                    continue
                if answer.status != web.HTTPOk.status_code:
                    raise VendorRefusedError(answer.status, "no")
                return await answer.json()

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Refuse: nothing here searches."""
        raise NotImplementedError


@asynccontextmanager
async def served(routes: dict[str, Answer], every: int = 7) -> AsyncIterator[PlainApi]:
    """Serve the routes; each `every`th request is put off by the rate limit."""
    asked = 0

    @web.middleware
    async def limited(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked % every == 0:
            return web.json_response({}, status=_TOO_MANY, headers={"Retry-After": "0"})
        answer = await handler(request)
        answer.headers.update({"X-Rate-Limit": "700", "X-Rate-Limit-Remaining": str(700 - asked % 700)})
        return answer

    app = web.Application(middlewares=[limited])
    app.add_routes([web.get(path, answer) for path, answer in routes.items()])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        async with aiohttp.ClientSession() as session:
            yield PlainApi(f"http://{host}:{port}", session)
    finally:
        await runner.cleanup()
