"""A real HTTP server on the loopback that notes what is posted to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web

_WITHIN_S: Final = 30.0


class Receiver:
    """A server on 127.0.0.1 that notes what it gets."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.Response(text="ok")
        #: Awaited before each answer.
        self.before: Callable[[], Awaitable[object]] | None = None
        self._news = asyncio.Condition()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        self.got.append((request.path_qs, await request.read()))
        self.headers.append(dict(request.headers))
        async with self._news:
            self._news.notify_all()
        if self.before is not None:
            await self.before()
        return self.answer()

    async def until(self, number: int) -> None:
        """Wait until so many requests came."""
        async with asyncio.timeout(_WITHIN_S), self._news:
            await self._news.wait_for(lambda: len(self.got) >= number)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Start a server; it ends with the context."""
    listening = socket.create_server(("127.0.0.1", 0))
    made = Receiver(listening.getsockname()[1])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, listening).start()
    yield made
    await runner.cleanup()
