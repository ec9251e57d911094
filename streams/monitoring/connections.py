"""Bounds what one connection may cost a part's HTTP server: how long it may be slow, and how many there may be.

aiohttp waits for a request's header for as long as an idle connection may last, and for ever for a client that does not
read. A few hundred such clients would hold all of a process's file descriptors, and Kafka would get none. Nothing here
looks at what is sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError
from aiohttp.web_protocol import RequestHandler

from streams.monitoring.peers import TrustedProxies, address_of, bucket_of

_CONTINUE: Final = "100-continue"

#: From the first byte of a request, or the connection, to the end of the header.
HEADER_WITHIN_S: Final = 10.0
#: How long a client may take nothing of an answer.
READ_WITHIN_S: Final = 30.0
#: How long a connection may be idle between requests: longer than proxies keep theirs, so that these close first.
IDLE_S: Final = 75.0
#: In all; each takes a file descriptor, of which a process often has 1024.
CONNECTIONS_AT_MOST: Final = 512
#: Of one address, this machine's and trusted proxies' excepted.
OF_ONE_ADDRESS: Final = 128


class _BugsOnly(logging.Filter):
    """Leaves out what is no HTTP: aiohttp would log it with a stack trace and what it held, maybe a token."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether something is logged."""
        return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


#: What aiohttp's server logs.
HTTP_LOG: Final = logging.getLogger(__name__)
HTTP_LOG.addFilter(_BugsOnly())

#: Of aiohttp's server: bytes of the request line and of each header, headers, seconds for the rest of a body, its log.
HTTP_OPTIONS: Final[dict[str, Any]] = {
    "max_line_size": 8190,
    "max_field_size": 8190,
    "max_headers": 128,
    "auto_decompress": False,  # no request needs it, and a small body could become a large one
    "keepalive_timeout": IDLE_S,
    "lingering_time": 2.0,
    "logger": HTTP_LOG,
}


class Connections:
    """The connections of one server."""

    def __init__(self, proxies: TrustedProxies, total: int = CONNECTIONS_AT_MOST, each: int = OF_ONE_ADDRESS) -> None:
        self._proxies = proxies
        self._total = total
        self._each = each
        self._open: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._open.total()

    def admit(self, transport: asyncio.BaseTransport) -> str | None:
        """Count a connection; returns the address to give back when it ends, None where there are too many."""
        peer = address_of(str((transport.get_extra_info("peername") or ("",))[0]))
        address = bucket_of(peer)
        known = peer is not None and (peer.is_loopback or self._proxies.trusts(peer))
        if self._open.total() >= self._total or (not known and self._open[address] >= self._each):
            return None
        self._open[address] += 1
        return address

    def left(self, address: str) -> None:
        """Uncount a connection."""
        self._open[address] -= 1
        if not self._open[address]:
            del self._open[address]


class BoundedSite(web.BaseSite):
    """Listens on an address, as `web.TCPSite` does, and bounds each connection."""

    def __init__(self, runner: web.AppRunner, host: str, port: int, connections: Connections) -> None:
        super().__init__(runner)
        self._host = host
        self._port = port
        self._connections = connections
        self._of_handler: dict[RequestHandler, _Connection] = {}

    @property
    def name(self) -> str:
        """Name the address."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Listen. Raises OSError."""
        await super().start()
        server = expecting_nothing(self._runner)
        make_request = server.request_factory

        def begun(message: Any, payload: Any, protocol: RequestHandler, *rest: Any) -> Any:  # noqa: ANN401 - aiohttp's own
            if (connection := self._of_handler.get(protocol)) is not None:
                connection.header_came()
            return make_request(message, payload, protocol, *rest)

        server.request_factory = begun
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(server(), self._connections, self._of_handler),
            self._host,
            self._port,
            backlog=self._backlog,
        )


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's handler, and closes a connection that is too slow."""

    def __init__(
        self, handler: RequestHandler, connections: Connections, of_handler: dict[RequestHandler, _Connection]
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._of_handler = of_handler
        self._transport: asyncio.BaseTransport | None = None
        self._address: str | None = None
        self._header: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many."""
        self._address = self._connections.admit(transport)
        if self._address is None:
            _abort(transport)
            return
        self._transport = transport
        self._of_handler[self._handler] = self
        self._header = self._later(HEADER_WITHIN_S)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what came; where it is the beginning of a header, the rest has to follow."""
        if self._address is None:
            return
        self._handler.data_received(data)
        if self._header is None and self._awaits_header():
            self._header = self._later(HEADER_WITHIN_S)

    def header_came(self) -> None:
        """Note that a whole header is there."""
        _cancel(self._header)
        self._header = None

    def eof_received(self) -> None:
        """Pass on."""
        if self._address is not None:
            self._handler.eof_received()

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        self._reading = self._reading or self._later(READ_WITHIN_S)
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """It does again."""
        _cancel(self._reading)
        self._reading = None
        self._handler.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        if self._address is None:
            return
        self._connections.left(self._address)
        _cancel(self._header)
        _cancel(self._reading)
        self._of_handler.pop(self._handler, None)
        self._handler.connection_lost(exc)

    def _awaits_header(self) -> bool:
        """Tell whether the handler waits for a request: what has come of one is not whole."""
        waiter = self._handler._waiter  # noqa: SLF001 - aiohttp tells it nowhere else; test_connections.py notices a change
        return waiter is not None and not waiter.done()

    def _later(self, after_s: float) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(after_s, self._too_slow)

    def _too_slow(self) -> None:
        if self._transport is not None:
            _abort(self._transport)


def expecting_nothing(runner: web.BaseRunner) -> web.Server:
    """Have the server of a runner that is set up pass over a header `Expect` that asks for what there is not."""
    server = runner.server
    assert isinstance(server, web.Server)  # noqa: S101 - the runner is set up
    make_request = server.request_factory

    def begun(message: Any, *rest: Any) -> Any:  # noqa: ANN401 - aiohttp's own
        return make_request(_without_strange_expectation(message), *rest)

    server.request_factory = begun
    return server


def _without_strange_expectation(message: Any) -> Any:  # noqa: ANN401 - aiohttp's own
    """Leave out a header `Expect` that asks for what there is not, as HTTP allows.

    aiohttp would repeat it in its refusal, before any of our code runs, and answer 500 where it is no text.
    """
    if message.headers.get("Expect", _CONTINUE).lower() == _CONTINUE:
        return message
    headers = message.headers.copy()
    headers.popall("Expect")
    return message._replace(headers=headers)


def _abort(transport: asyncio.BaseTransport) -> None:
    if isinstance(transport, asyncio.Transport):
        transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
