"""A real HTTP server on the loopback that notes what is posted to it."""

from collections.abc import Callable

from aiohttp import web


class Receiver:
    """A server on 127.0.0.1 that notes what it gets."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.got: list[tuple[str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[], web.StreamResponse] = lambda: web.Response(text="ok")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note a request and answer it."""
        self.got.append((request.path_qs, await request.read()))
        self.headers.append(dict(request.headers))
        return self.answer()
