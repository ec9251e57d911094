"""The wallboard's page behind a server of the tests: it sends what a test says, at the moment that the test says it.

The page's own files, its policy of what it may load, and the shape of the stream are the real ones. Boards, figures and
acknowledgements are the test's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

import orjson
from aiohttp import web

from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.security_headers import security_headers
from streams.times import now_ms
from tests.dashboards import board_message
from tests.dashboards.board_message import Message

TICK_S: Final = 1.0
#: Makes the message for a window and a board.
Make = Callable[[str, str], Message]
#: What the real server sends with the page.
SECURITY_HEADERS: Final = security_headers("/", https=False)
_PAGE: Final = files("dashboards.wallboard").joinpath("page")


class Site:
    """What it sends, and what it was asked. `url` ends with a slash."""

    def __init__(self, make: Make) -> None:
        self.make = make
        self.url = ""
        #: Bodies of acknowledgements, each with the alert's id.
        self.acknowledged: list[tuple[str, Message]] = []
        #: What an acknowledgement is answered with.
        self.answer = 202
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.ticking = True
        self._number = 0
        self._news = asyncio.Condition()
        self._taken = asyncio.Condition()

    async def push(self, make: Make | None = None, *, taken: bool = False) -> None:
        """Send a new message to all who listen; `taken`: and wait until one of them was sent it."""
        self.make = make or self.make
        sent = self.sent
        async with self._news:
            self._number += 1
            self._news.notify_all()
        async with self._taken:
            await self._taken.wait_for(lambda: not taken or self.sent > sent)

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send the newest message, and each that is pushed; a tick each second."""
        query = dict(request.query)
        self.asked.append(query)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **SECURITY_HEADERS})
        await response.prepare(request)
        sent = -1
        while not request.transport or not request.transport.is_closing():
            made = self.make(query.get("window", "15m"), query.get("board", "default"))
            if sent == self._number:
                if self.ticking:
                    tick = {name: made[name] for name in ("at", "state", "as_of", "behind", "reason", "edition")}
                    await response.write(b"event: tick\ndata: %s\n\n" % orjson.dumps(tick))
            else:
                sent = self._number
                await response.write(b"event: live\ndata: %s\n\n" % orjson.dumps(made))
                async with self._taken:
                    self.sent += 1
                    self._taken.notify_all()
            async with self._news:
                if sent == self._number:
                    try:
                        async with asyncio.timeout(TICK_S):
                            await self._news.wait()
                    except TimeoutError:
                        pass
        return response

    async def acknowledge(self, request: web.Request) -> web.Response:
        """Note who acknowledges what, as long as the header says that it is the page."""
        if request.headers.get("X-Pulssi") != "1":
            return web.Response(status=403)
        body: Message = orjson.loads(await request.read())
        self.acknowledged.append((request.match_info["id"], body))
        return web.json_response({"id": request.match_info["id"], **body, "at": now_ms()}, status=self.answer)


def at_now(**options: Any) -> Make:  # noqa: ANN401 - of `board_message.message`
    """Make the scene of this moment, whenever it is asked for."""
    return lambda window, board: board_message.message(now_ms(), window, board, **options)


def _asset(name: str, kind: str) -> Callable[[web.Request], Any]:
    async def serve(_: web.Request) -> web.Response:
        body = _PAGE.joinpath(name).read_bytes()
        return web.Response(body=body, content_type=kind, charset="utf-8", headers=SECURITY_HEADERS)

    return serve


async def _tell_session(_: web.Request) -> web.Response:
    return web.json_response({"by": "nothing", "user": None})


@asynccontextmanager
async def on_a_free_port(app: web.Application) -> AsyncIterator[str]:
    """Run an application for the length of the block; gives its address, without a slash at its end."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(make: Make) -> AsyncIterator[Site]:
    """Serve the page on a free port for the length of the block."""
    site = Site(make)
    app = web.Application()
    for path, (name, kind) in ASSETS.items():
        app.router.add_get(path, _asset(name, kind))
    app.router.add_get("/board/{board}", _asset("index.html", "text/html"))
    app.router.add_get("/api/stream", site.stream)
    app.router.add_get("/api/session", _tell_session)
    app.router.add_post("/api/alerts/{id}/ack", site.acknowledge)
    async with on_a_free_port(app) as address:
        site.url = f"{address}/"
        yield site
