"""The wallboard's routes: the page, the figures as JSON, and as server-sent events.

It only answers requests; its caller gives the figures. The page loads nothing from elsewhere, and nothing is written.
"""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from aiohttp import web

from dashboards.wallboard.door import BODY_AT_MOST, Door
from dashboards.wallboard.page_files import ASSETS, file_handler
from dashboards.wallboard.publisher import GZIP_HEADER, Publisher, message
from schemas.boards import DEFAULT_BOARD, Board, Boards
from streams.live.windows import WINDOW_NAMES
from streams.monitoring.allowed_hosts import AllowedHosts

#: Tells a page to reconnect after so many milliseconds.
_RETRY: Final = message(b"retry: 1000\n\n")
_HEARTBEAT: Final = message(b": heartbeat\n\n")
HEARTBEAT_S: Final = 15.0
#: A watcher that does not take a message for so long is disconnected.
SEND_TIMEOUT_S: Final = 10.0
#: Watchers at once; further ones are told to try again.
MAX_WATCHERS: Final = 256
_GZIP_LEVEL: Final = 6

#: Gives the figures of a board for these windows, as JSON.
Payload = Callable[[Board, tuple[str, ...]], bytes]


@lru_cache(maxsize=8)
def _gzipped(body: bytes) -> bytes:
    """Compress an answer once for all who get the same one: it takes longer than all else of a request."""
    return gzip.compress(body, _GZIP_LEVEL)


def _chosen_windows(request: web.Request, default: tuple[str, ...]) -> tuple[str, ...]:
    """Read `?window=15m` (several with commas), in their own order. Raises HTTPBadRequest."""
    asked = request.query.get("window")
    if asked is None:
        return default
    windows = asked.split(",")
    unknown = [window for window in windows if window not in WINDOW_NAMES]
    if unknown:
        raise web.HTTPBadRequest(text=f"window: there is no {unknown[0][:20]!r}; there are {', '.join(WINDOW_NAMES)}\n")
    return tuple(name for name in WINDOW_NAMES if name in windows)


def _chosen_board(boards: Boards, name: str) -> Board:
    """Find a board. Raises HTTPNotFound."""
    board = boards.named(name)
    if board is None:
        there = ", ".join(each.name for each in boards.boards)
        raise web.HTTPNotFound(text=f"board: there is no {name[:64]!r}; there are {there}\n")
    return board


def application(
    publisher: Publisher,
    payload: Payload,
    hosts: AllowedHosts,
    boards: Callable[[], Boards] = Boards,
    door: Door | None = None,
) -> web.Application:
    """Make the routes of the page and its figures, behind a door: without one everybody is let in.

    `boards` gives those in force.
    """
    door = door or Door(hosts)
    app = web.Application(middlewares=door.middlewares, client_max_size=BODY_AT_MOST)
    door.add_routes(app)
    for path, (name, kind) in ASSETS.items():
        app.router.add_get(path, file_handler(name, kind))

    async def stream(request: web.Request) -> web.StreamResponse:
        """Send the newest messages, for as long as the watcher takes them."""
        board = _chosen_board(boards(), request.query.get("board", DEFAULT_BOARD))
        window = _chosen_windows(request, (board.window,))[0]
        if publisher.watchers >= MAX_WATCHERS:
            raise web.HTTPServiceUnavailable(text="too many watchers\n", headers={"Retry-After": "5"})
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",  # nginx would keep events back
            }
        )
        compressed = "gzip" in request.headers.get("Accept-Encoding", "")
        if compressed:
            response.headers["Content-Encoding"] = "gzip"
        await response.prepare(request)
        publisher.watchers += 1
        try:
            await _send(response, publisher, boards, board.name, window, compressed=compressed)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()  # too slow: it may connect again and get newer figures
        except ConnectionError:
            pass
        finally:
            publisher.watchers -= 1
        return response

    app.router.add_get("/api/stream", stream)
    _add_boards(app, payload, boards)
    return app


def _add_boards(app: web.Application, payload: Payload, boards: Callable[[], Boards]) -> None:
    show_page = file_handler(*ASSETS["/"])

    async def board_page(request: web.Request) -> web.StreamResponse:
        _chosen_board(boards(), request.match_info["name"])
        return await show_page(request)

    async def live(request: web.Request) -> web.Response:
        board = _chosen_board(boards(), request.query.get("board", DEFAULT_BOARD))
        body, headers = payload(board, _chosen_windows(request, WINDOW_NAMES)), {"Cache-Control": "no-store"}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            body, headers["Content-Encoding"] = _gzipped(body), "gzip"
        return web.Response(body=body, content_type="application/json", charset="utf-8", headers=headers)

    app.router.add_get("/board/{name}", board_page)
    app.router.add_get("/api/live", live)


async def _send(
    response: web.StreamResponse,
    publisher: Publisher,
    boards: Callable[[], Boards],
    name: str,
    window: str,
    *,
    compressed: bool,
) -> None:
    """Send news of a board and a window for as long as there is this board."""
    loop = asyncio.get_running_loop()
    text = GZIP_HEADER + _RETRY.deflated if compressed else _RETRY.plain
    pushed = -1
    heartbeat_at = loop.time() + HEARTBEAT_S
    while (board := boards().named(name)) is not None:
        news = pushed not in {-1, publisher.pushes}  # what a page gets first may have been there for long
        since = publisher.news_since
        newest = publisher.newest(board, window) if pushed != publisher.pushes else publisher.newest_tick()
        text += newest[compressed]
        pushed, ticked = publisher.pushes, publisher.ticks
        if loop.time() >= heartbeat_at:
            text += _HEARTBEAT[compressed]
            heartbeat_at = loop.time() + HEARTBEAT_S
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.write(text)
        if news:
            publisher.latency.observe(time.monotonic() - since)
        text = b""
        while (pushed, ticked) == (publisher.pushes, publisher.ticks):
            await publisher.wait_for_news()
