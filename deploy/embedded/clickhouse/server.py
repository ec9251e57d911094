"""ClickHouse's HTTP interface: routes, answers, errors. What a request means stands in `request` and `statement`.

A browser page of another site must never get in: it could send statements to a port on this machine without a password.
"""

import asyncio
import json
import secrets
from collections.abc import Coroutine, Iterator
from http import HTTPStatus
from itertools import chain, islice
from typing import Any, Final, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.embedded.clickhouse.compression import CHUNK_BYTES, FRAMES, compressed, decompressed, joined, unframed
from deploy.embedded.clickhouse.engine import Result
from deploy.embedded.clickhouse.errors import ClickHouseError, Code
from deploy.embedded.clickhouse.form import is_form, read_form
from deploy.embedded.clickhouse.query import Query
from deploy.embedded.clickhouse.request import parse_request
from deploy.embedded.clickhouse.scheduler import Scheduler
from schemas import metric_definitions as declared
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.prometheus import CONTENT_TYPE, MetricValue, render

Done = TypeVar("Done")

#: URL and headers, as ClickHouse's http_max_uri_size: statements and parameters may stand in the URL.
MAX_LINE_BYTES: Final = 1 << 20
#: A client may pause for so long between two pieces of an answer; and of a body, as a server's http_receive_timeout.
SEND_S: Final = 300.0
RECEIVE_S: Final = 30.0

#: What X-ClickHouse-Summary tells.
_SUMMARY: Final = (
    *("read_rows", "read_bytes", "written_rows", "written_bytes", "total_rows_to_read", "result_rows", "result_bytes"),
    "elapsed_ns",
)

SCHEDULER: Final = web.AppKey("scheduler", Scheduler)
HOSTS: Final = web.AppKey("hosts", AllowedHosts)


class _QueryHandler:
    """A query's request and answer, worked on in a thread, while aiohttp's streams belong to the event loop."""

    def __init__(self, request: web.Request, query: Query) -> None:
        self._request = request
        self._query = query
        self._scheduler = request.app[SCHEDULER]
        self._loop = asyncio.get_running_loop()

    def _await(self, coroutine: Coroutine[Any, Any, Done]) -> Done:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def run(self) -> web.StreamResponse:
        """Run the query and answer it. An answer of one block has its length in a header, a longer one is streamed."""
        engine, coding = self._scheduler.engine, self._query.request.coding
        try:
            with engine.connection() as connection:
                result = self._query.run(engine, connection, self._body())
                first = list(islice(result.blocks, None if self._query.request.buffered else 2))
                # Clients tell "no rows" by the length, so no coding's head may stand there.
                headers = self._headers(result, coding if first else "")
                if len(first) > 1 and not self._query.request.buffered:
                    return self._stream(headers, chain(first, result.blocks))
                return web.Response(headers=headers, body=b"".join(compressed(first, coding)) if first else b"")
        except ClickHouseError as error:
            return _error(self._request, self._query.error_for_client(error), self._query.request.query_id, coding)

    def _body(self) -> Iterator[bytes] | None:
        if not _has_body(self._request):
            return None
        pieces = decompressed(
            iter(lambda: self._await(_receive(self._request)), b""), self._query.request.content_encoding
        )
        return joined(unframed(pieces) if self._query.request.body_is_framed else pieces)

    def _headers(self, result: Result, coding: str) -> dict[str, str]:
        summary = {name: str(result.counts[name]) for name in _SUMMARY}
        headers = _headers(self._scheduler, self._query.request.query_id, coding)
        headers["X-ClickHouse-Summary"] = json.dumps(summary, separators=(",", ":"))
        kind = "text/plain; charset=UTF-8"
        if self._query.format is not None:
            headers["X-ClickHouse-Format"] = self._query.format
            kind = self._scheduler.engine.content_types.get(self._query.format, kind)
        return headers | {"Content-Type": kind}

    def _stream(self, headers: dict[str, str], blocks: Iterator[bytes]) -> web.StreamResponse:
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers=headers | {"X-ClickHouse-Exception-Tag": tag})
        response.enable_chunked_encoding()
        self._await(response.prepare(self._request))
        failed = False

        def with_error() -> Iterator[bytes]:
            nonlocal failed
            try:
                yield from blocks
            except ClickHouseError as error:
                failed = True
                line = self._query.error_for_client(error).line(self._scheduler.engine.version)
                trailer = f"\r\n__exception__\r\n{tag}\r\n{line}{len(line.encode())} {tag}\r\n__exception__\r\n"
                yield trailer.encode()

        for piece in filter(None, compressed(with_error(), self._query.request.coding)):
            self._await(_send(self._request, response, piece))
        self._await(_end(self._request, response, failed=failed))
        return response


async def _receive(request: web.Request) -> bytes:
    """Return the body's next piece; an empty one is the end."""
    try:
        async with asyncio.timeout(RECEIVE_S):
            return await request.content.read(CHUNK_BYTES)
    except TimeoutError:
        message = f"Timeout exceeded while reading the body: nothing came for {RECEIVE_S:g} s"
        raise ClickHouseError(Code.SOCKET_TIMEOUT, message) from None


async def _send(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece; a client that takes none for so long is gone, and its slot is another's."""
    try:
        async with asyncio.timeout(SEND_S):
            await response.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client reads no further") from None


async def _end(request: web.Request, response: web.StreamResponse, *, failed: bool) -> None:
    """End a streamed answer; one that failed must not look whole: without its last chunk, a client knows."""
    if not failed:
        await response.write_eof()
        return
    request.app[SCHEDULER].failed += 1
    if request.transport is not None:
        request.transport.close()


def _has_body(request: web.Request) -> bool:
    return request.can_read_body and request.method == "POST" and not is_form(request)


def _headers(scheduler: Scheduler, query_id: str = "", coding: str = "") -> dict[str, str]:
    headers = {"X-ClickHouse-Server-Display-Name": scheduler.engine.display_name, "X-ClickHouse-Timezone": "UTC"}
    if query_id.isprintable() and query_id:
        headers["X-ClickHouse-Query-Id"] = query_id
    if coding not in {"", FRAMES}:
        headers["Content-Encoding"] = coding
    return headers


def _error(request: web.Request, error: ClickHouseError, query_id: str, coding: str = "") -> web.Response:
    scheduler = request.app[SCHEDULER]
    scheduler.failed += 1
    headers = _headers(scheduler, query_id, coding) | {
        "X-ClickHouse-Exception-Code": str(error.code),
        "Content-Type": "text/plain; charset=UTF-8",
    }
    body = b"".join(compressed([error.line(scheduler.engine.version).encode()], coding))
    response = web.Response(status=error.status, headers=headers, body=body)
    if request.can_read_body and not request.content.at_eof():
        # Else the unread rest of the body would be read as the next request.
        response.force_close()
    return response


def _is_cross_site(request: web.Request) -> bool:
    """Tell whether a browser sends this for a page of another host."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    return not request.app[HOSTS].allows_origin(origin, request.headers.get("Host", ""))


async def _query(request: web.Request) -> web.StreamResponse:
    scheduler = request.app[SCHEDULER]
    query_id = request.query.get("query_id", "")
    coding = ""
    if _is_cross_site(request):
        error = ClickHouseError(Code.ACCESS_DENIED, "Pages from elsewhere are not answered")
        return _error(request, error, query_id)
    try:
        form = await read_form(request) if is_form(request) else []
        parsed = parse_request(request.method, [*request.query.items(), *form], request.headers)
        query_id, coding = parsed.query_id, parsed.coding
        if not _has_body(request) and not parsed.query.strip():
            return web.Response(text="Ok.\n", headers=_headers(scheduler))
        query = Query(parsed)
        return await scheduler.run(query, _QueryHandler(request, query).run)
    except ClickHouseError as error:
        return _error(request, error, query_id, coding)


async def _ping(request: web.Request) -> web.Response:
    scheduler = request.app[SCHEDULER]
    fault = await scheduler.fault()
    if fault is not None:
        reason = fault.partition("\n")[0]
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"The engine does not answer: {reason}\n")
    return web.Response(text="Ok.\n", headers=_headers(scheduler))


async def _metrics(request: web.Request) -> web.Response:
    scheduler = request.app[SCHEDULER]
    readings = (
        MetricValue(declared.CLICKHOUSE_RUNNING, scheduler.running),
        MetricValue(declared.CLICKHOUSE_REQUESTS, scheduler.done),
        MetricValue(declared.CLICKHOUSE_FAILED, scheduler.failed),
    )
    return web.Response(text=render(readings), headers={"Content-Type": CONTENT_TYPE})


@web.middleware
async def _errors_as_clickhouse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in ClickHouse's form also what nobody expected; the log has the rest."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        request.app.logger.exception("a request failed")
        return _error(request, ClickHouseError(Code.UNKNOWN_EXCEPTION, type(error).__name__), "")


def make_application(scheduler: Scheduler, hosts: AllowedHosts) -> web.Application:
    """Make the web application around the engine's slots."""
    app = web.Application(middlewares=[hosts.guard, _errors_as_clickhouse])
    app[SCHEDULER] = scheduler
    app[HOSTS] = hosts
    app.router.add_route("GET", "/", _query)
    app.router.add_route("POST", "/", _query)
    for path in ("/ping", "/healthz", "/readyz"):
        app.router.add_get(path, _ping)
    app.router.add_get("/metrics", _metrics)
    return app
