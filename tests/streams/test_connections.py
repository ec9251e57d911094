"""What a slow or greedy client gets of a part's server: an end, while others are answered as ever."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import pytest
from aiohttp import web

from streams.configuration.environment import load_settings
from streams.monitoring import connections
from streams.monitoring.connections import BoundedSite, Connections
from streams.monitoring.health import Health, listen
from streams.monitoring.peers import TrustedProxies
from tests.until import until

WHOLE: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
#: For what happens by itself, on a busy machine.
WITHIN_S: Final = 20


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """Return the port of a part's server that waits for a header no longer than half a second."""
    monkeypatch.setattr(connections, "HEADER_WITHIN_S", 0.5)
    health = Health(ready=lambda: None, progress=lambda: None, metrics=str)
    yield await health.start(load_settings({"PULSSI_WORKER_PORT": "0"}), "worker")
    await health.stop()


async def _ended(reader: asyncio.StreamReader) -> bytes:
    """Read until the server ends the connection."""
    async with asyncio.timeout(WITHIN_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def _answered(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(WITHIN_S):
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
        assert await reader.readexactly(3) == b"ok\n"


@pytest.mark.parametrize("beginning", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: local"])
async def test_a_header_that_does_not_come_ends_the_connection(port: int, beginning: bytes) -> None:
    """From the first, whatever has come of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(beginning)
    assert await _ended(reader) == b""
    writer.close()


async def test_a_header_that_trickles_ends_the_connection(port: int) -> None:
    """Each byte is no new start."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ended = asyncio.create_task(_ended(reader))
    writer.write(b"GET /healthz HTTP/1.1\r\n")
    while not ended.done():
        writer.write(b"X-A: b\r\n")
        await asyncio.wait([ended], timeout=0.05)
    assert ended.result() == b""
    writer.close()


async def test_the_next_request_is_waited_for_and_its_header_is_not(port: int) -> None:
    """An idle connection stays; from the first byte of a request on the rest has to follow."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(WHOLE)
    await _answered(reader)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.5):
            await reader.read()
    writer.write(WHOLE)
    await _answered(reader)
    for byte in WHOLE:
        writer.write(bytes([byte]))
    await _answered(reader)
    writer.write(WHOLE[:-1])
    assert await _ended(reader) == b""
    writer.close()


async def test_who_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written for it is dropped."""
    monkeypatch.setattr(connections, "READ_WITHIN_S", 0.5)
    left = asyncio.Event()

    async def much(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 50_000_000)

    app = web.Application()
    app.router.add_get("/", much)
    app.on_response_prepare.append(lambda request, _: _when_done(request, left))
    runner = await listen(app, load_settings({"PULSSI_WORKER_PORT": "0"}), "worker", handler_cancellation=True)
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1], limit=1024)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    async with asyncio.timeout(WITHIN_S):
        await left.wait()
    assert len(await _ended(reader)) < 50_000_000
    writer.close()
    await runner.cleanup()


async def _when_done(request: web.Request, left: asyncio.Event) -> None:
    request.task.add_done_callback(lambda _: left.set())


async def test_connections_are_counted() -> None:
    """Beyond the limit one is closed at once, and one that ends makes room."""
    app = web.Application()
    runner = web.AppRunner(app)
    await runner.setup()
    counted = Connections(TrustedProxies(), total=2)
    await BoundedSite(runner, "127.0.0.1", 0, counted).start()
    port = runner.addresses[0][1]
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    await until(lambda: len(counted) >= 2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await _ended(reader) == b""
    writer.close()
    held[0][1].close()
    await until(lambda: len(counted) < 2)
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: len(counted) >= 2)
    writer.close()
    held[1][1].close()
    await runner.cleanup()
    await until(lambda: not len(counted))


async def test_what_is_no_http_is_not_logged(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """It would come with a stack trace, and with what it held; it may hold a token."""
    for request in (b"GET /?token=secret HTTP/9\r\n\r\n", b"GET / HTTP/1.1\r\nX Y: secret\r\n\r\n"):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        assert b" 400 " in await _ended(reader)
        writer.close()
    assert caplog.text == ""


@pytest.mark.parametrize("expected", [b"\x80", b"miracles", b"100-Continue"])
async def test_an_expectation_is_no_error(port: int, expected: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is expected, the request is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(WHOLE.replace(b"\r\n\r\n", b"\r\nExpect: " + expected + b"\r\nConnection: close\r\n\r\n"))
    assert b"HTTP/1.1 200 OK" in await _ended(reader)
    assert caplog.text == ""
    writer.close()


class _Transport(asyncio.Transport):
    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 1)})


def test_one_address_has_its_share() -> None:
    """But for this machine and trusted proxies, behind which everybody is."""
    counted = Connections(TrustedProxies("10.0.0.0/8"), total=100, each=2)
    admitted = [counted.admit(_Transport("203.0.113.1")) for _ in range(3)]
    assert admitted == ["203.0.113.1", "203.0.113.1", None]
    assert counted.admit(_Transport("203.0.113.2")) is not None
    for host in ("127.0.0.1", "::1", "10.1.2.3", "::ffff:10.1.2.3"):
        assert None not in [counted.admit(_Transport(host)) for _ in range(5)]
    counted.left("203.0.113.1")
    assert counted.admit(_Transport("203.0.113.1")) is not None
