"""The wallboard's routes over real sockets: headers, compression, parameters, watchers that come, go and sleep."""

import asyncio
import gzip
import re
import socket
import time
import zlib
from collections.abc import AsyncIterator
from importlib.resources import files

import aiohttp
import orjson
import pytest

from dashboards.wallboard import server
from dashboards.wallboard.door import Door
from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.publisher import Publisher
from dashboards.wallboard.server import application
from schemas.boards import Board, Boards
from streams.configuration.environment import load_settings
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.health import listen
from streams.monitoring.rate_limits import RateLimit


class Site:
    """An application on a port, and what it says."""

    def __init__(self) -> None:
        self.word = "first"
        self.boards = Boards((Board(), Board("sales", "Sales", window="30m")))
        self.publisher = Publisher(self.live, self.heading)
        self.port = 0

    def payload(self, board: Board, windows: tuple[str, ...]) -> bytes:
        """Say something of a board for these windows."""
        return orjson.dumps({"word": self.word, "board": board.name, "windows": windows})

    def live(self, board: Board, window: str) -> bytes:
        """Say something of a board for one window."""
        return orjson.dumps({"word": self.word, "board": board.name, "window": window})

    def heading(self) -> bytes:
        """Say something of none."""
        return orjson.dumps({"word": self.word, "window": None})


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Return a running site."""
    site = Site()
    hosts = AllowedHosts("127.0.0.1")
    door = Door(hosts, requests=RateLimit(1_000, 1_000))  # a test asks for every file twice, and more
    page = application(site.publisher, site.payload, hosts, lambda: site.boards, door)
    runner = await listen(
        page,
        load_settings({"PULSSI_WALLBOARD_PORT": "0"}),
        "wallboard",
        handler_cancellation=True,
        shutdown_timeout=0.2,
    )
    site.port = runner.addresses[0][1]
    yield site
    await runner.cleanup()


@pytest.fixture
async def http(site: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """Return the site's client, which leaves compressed bodies as they are."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{site.port}", auto_decompress=False) as session:
        yield session


async def test_page_and_assets_are_guarded(http: aiohttp.ClientSession) -> None:
    """Every answer forbids whatever is not from here, also one that refuses; an unchanged asset is not sent again."""
    for path in (*ASSETS, "/api/live", "/nothing", "/api/live?window=2h"):
        async with http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
    async with http.get("/") as answer:
        assert answer.content_type == "text/html"
        tag = answer.headers["ETag"]
    async with http.get("/", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


def test_the_page_asks_nobody_else() -> None:
    """No address of another host stands in the page, and no script or style within it that its policy would refuse."""
    folder = files("dashboards.wallboard").joinpath("page")
    for name, _ in ASSETS.values():
        text = folder.joinpath(name).read_text("utf-8").replace("http://www.w3.org/", "")
        assert not re.search(r"https?://|//[a-z]+\.", text), name
    page = folder.joinpath("index.html").read_text("utf-8")
    assert not re.search(r"\sstyle=|\son[a-z]+=|<style|<script>", page)


def test_what_the_page_asks_for_is_there() -> None:
    """Style sheets, modules and their imports are assets, at `/` and below a board's address; nothing else is."""
    folder = files("dashboards.wallboard").joinpath("page")
    page = folder.joinpath("index.html").read_text("utf-8")
    assert re.findall(r"<script ([^>]+)>", page) == ['src="wallboard.js" type="module"']
    asked = set(re.findall(r'(?:href|src)="(\w+\.\w+)"', page))
    for name in [name for name in asked | {path.name for path in folder.iterdir()} if name.endswith(".js")]:
        asked |= set(re.findall(r'from "\./(\w+\.js)"', folder.joinpath(name).read_text("utf-8")))
    assert {name for name, _ in ASSETS.values() if "/" not in name} == asked | {"index.html"}
    assert all(f"{folder}{name}" in ASSETS for name in asked for folder in ("/", "/board/"))


async def test_windows_are_chosen_by_name(http: aiohttp.ClientSession) -> None:
    """All without a choice, the named ones with it; an unknown one is refused with the names there are."""
    for query, windows in (
        ("", ["5m", "15m", "30m", "60m", "today"]),
        ("?window=today", ["today"]),
        ("?window=5m,60m", ["5m", "60m"]),
    ):
        async with http.get(f"/api/live{query}", headers={"Accept-Encoding": "identity"}) as answer:
            assert orjson.loads(await answer.read())["windows"] == windows
            assert answer.headers["Cache-Control"] == "no-store"
    for path in ("/api/live", "/api/stream"):
        async with http.get(f"{path}?window=2h") as answer:
            assert (answer.status, await answer.text()) == (
                400,
                "window: there is no '2h'; there are 5m, 15m, 30m, 60m, today\n",
            )


async def test_an_answer_is_compressed_where_that_is_understood(http: aiohttp.ClientSession) -> None:
    """The same for all who ask for the same."""
    answers = []
    for encoding in ("gzip, deflate", "gzip", "identity"):
        async with http.get("/api/live?window=5m", headers={"Accept-Encoding": encoding}) as answer:
            answers.append((answer.headers.get("Content-Encoding"), await answer.read()))
    (one, packed), other, (none, plain) = answers
    assert (one, packed) == other
    assert (one, none) == ("gzip", None)
    assert gzip.decompress(packed) == plain


async def test_boards_are_chosen_by_name(site: Site, http: aiohttp.ClientSession) -> None:
    """Each has its page and its figures, and a window that it begins with; an unknown one is refused by a word."""
    async with http.get("/") as page, http.get("/board/sales") as same:
        assert (same.status, same.content_type, same.headers["ETag"]) == (200, "text/html", page.headers["ETag"])
    for query, board in (("", "default"), ("?board=sales", "sales")):
        async with http.get(f"/api/live{query}", headers={"Accept-Encoding": "identity"}) as answer:
            assert orjson.loads(await answer.read())["board"] == board
    for path in ("/board/nobody", "/api/live?board=nobody", "/api/stream?board=nobody"):
        async with http.get(path) as answer:
            text = "board: there is no 'nobody'; there are default, sales\n"
            assert (answer.status, await answer.text()) == (404, text)
    async with http.get("/api/stream?board=sales", headers={"Accept-Encoding": "identity"}) as answer:
        async with asyncio.timeout(10):
            while not (line := await answer.content.readline()).startswith(b"data"):
                pass
            assert orjson.loads(line[6:]) == {"word": "first", "board": "sales", "window": "30m"}
            site.boards = Boards()
            site.publisher.push(time.monotonic())
            assert b"data" not in await answer.content.read(), "the board is gone, and with it its stream"


def _measured(site: Site) -> tuple[float, float]:
    (family,) = site.publisher.latency.collect()
    values = {sample.name.rpartition("_")[2]: sample.value for sample in family.samples}
    return values["count"], values["sum"]


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_the_stream(site: Site, http: aiohttp.ClientSession, encoding: str) -> None:
    """At once all there is, then news whole and seconds as ticks, numbered; compressed where that is understood."""
    seen = b""
    unpack = zlib.decompressobj(wbits=31)
    async with http.get("/api/stream?window=5m", headers={"Accept-Encoding": encoding}) as answer:
        assert answer.content_type == "text/event-stream"
        assert answer.headers.get("Content-Encoding", "identity") == encoding

        async def until(word: bytes) -> None:
            nonlocal seen
            async with asyncio.timeout(10):
                while word not in seen:
                    chunk = await answer.content.readany()
                    seen += unpack.decompress(chunk) if encoding == "gzip" else chunk

        await until(b"first")
        site.word = "a second has passed"
        site.publisher.tick()
        await until(b"a second has passed")
        site.word = "news"
        site.publisher.push(time.monotonic() - 2)
        await until(b"news")
        assert site.publisher.watchers == 1
        site.word = "another second"
        site.publisher.tick()
        await until(b"another second")
    messages, seconds = _measured(site)
    assert messages == 1, "neither what a page finds nor a tick is news"
    assert seconds >= 2
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in seen.decode().strip().split("\n\n")]
    assert blocks[0] == {"retry": "1000"}
    assert [block["event"] for block in blocks[1:]] == ["live", "tick", "live", "tick"]
    assert [orjson.loads(block["data"])["window"] for block in blocks[1:]] == ["5m", None, "5m", None]
    numbers = [int(block["id"]) for block in blocks[1:]]
    assert numbers == sorted(set(numbers))


async def test_a_heartbeat_comes_with_time(http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A comment every so often keeps proxies from closing the line."""
    monkeypatch.setattr(server, "HEARTBEAT_S", 0.0)
    async with http.get("/api/stream", headers={"Accept-Encoding": "identity"}) as answer:
        async with asyncio.timeout(10):
            while await answer.content.readline() != b": heartbeat\n":
                pass


async def test_a_watcher_that_sleeps_is_dropped(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs one message at most, and its place is free again after the time it is given; it is never queued for."""
    monkeypatch.setattr(server, "SEND_TIMEOUT_S", 0.3)
    site.word = "x" * 3_000_000
    with socket.socket() as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sleeper.connect(("127.0.0.1", site.port))
        sleeper.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(10):
            came = False
            while not came or site.publisher.watchers:
                came = came or site.publisher.watchers > 0
                site.publisher.push(time.monotonic())
                await asyncio.sleep(0.01)
    assert len(site.publisher._messages) <= 2  # noqa: SLF001 - what is measured here


async def test_a_watcher_that_leaves_frees_its_place(site: Site, http: aiohttp.ClientSession) -> None:
    """Closed pages are not written to for ever; and there are only so many places."""
    async with http.get("/api/stream"):
        assert site.publisher.watchers == 1
        site.publisher.watchers = server.MAX_WATCHERS
        async with http.get("/api/stream") as refused:
            assert (refused.status, refused.headers["Retry-After"]) == (503, "5")
        site.publisher.watchers = 1
    async with asyncio.timeout(10):
        while site.publisher.watchers:
            site.publisher.tick()
            await asyncio.sleep(0.01)
