"""ClickHouse's HTTP interface: routes, answers, errors.

What a request means stands in `asking`, what is done about it in `work`.

A browser page of another site must never get in: it could send statements to a port on this machine without a password.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from deploy.embedded.clickhouse.asking import Asking, understand
from deploy.embedded.clickhouse.body import Body
from deploy.embedded.clickhouse.codings import Coder, Plain, packer, unpacker
from deploy.embedded.clickhouse.desk import Desk
from deploy.embedded.clickhouse.engine import Counts
from deploy.embedded.clickhouse.faults import ACCESS_DENIED, UNKNOWN_EXCEPTION, Fault
from deploy.embedded.clickhouse.frames import LZ4, ZSTD, FrameReader, FrameWriter
from deploy.embedded.clickhouse.work import Result, Work
from streams.hosts import Hosts

#: URL and headers, as ClickHouse's http_max_uri_size: statements and parameters may stand in the URL.
MOST_LINE_BYTES: Final = 1 << 20
#: A client may pause for so long between two pieces of an answer.
SEND_S: Final = 300.0
#: Answers below this are packed without asking a thread.
PACK_AT_ONCE_BYTES: Final = 1 << 16

CONTENT_TYPES: Final = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "RowBinaryWithNamesAndTypes": "application/octet-stream",
    "Parquet": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
}

DESK: Final = web.AppKey("desk", Desk)
HOSTS: Final = web.AppKey("hosts", Hosts)


def _summary(counts: Counts) -> str:
    return json.dumps(
        {
            "read_rows": str(counts.read_rows),
            "read_bytes": str(counts.read_bytes),
            "written_rows": str(counts.written_rows),
            "written_bytes": str(counts.written_bytes),
            "total_rows_to_read": "0",
            "result_rows": str(counts.result_rows),
            "result_bytes": str(counts.result_bytes),
            "elapsed_ns": str(int(counts.elapsed_s * 1e9)),
        },
        separators=(",", ":"),
    )


def _headers(desk: Desk, query_id: str = "") -> dict[str, str]:
    headers = {"X-ClickHouse-Server-Display-Name": desk.engine.display_name, "X-ClickHouse-Timezone": "UTC"}
    if query_id.isprintable() and query_id:
        headers["X-ClickHouse-Query-Id"] = query_id
    return headers


def _answer_coder(asking: Asking | None) -> tuple[Coder, str]:
    if asking is None:
        return Plain(), ""
    if asking.compress:
        return FrameWriter(ZSTD if asking.zstd_frames else LZ4), ""
    return packer(asking.answer_coding), asking.answer_coding


def _faulty(desk: Desk, fault: Fault, asking: Asking | None, query_id: str) -> web.Response:
    coder, coding = _answer_coder(asking)
    headers = _headers(desk, query_id) | {
        "X-ClickHouse-Exception-Code": str(fault.code),
        "Content-Type": "text/plain; charset=UTF-8",
    }
    if coding:
        headers["Content-Encoding"] = coding
    body = fault.line(desk.engine.version).encode()
    return web.Response(status=fault.status, headers=headers, body=coder.feed(body) + coder.finish())


def _result_headers(desk: Desk, asking: Asking, result: Result, coding: str) -> dict[str, str]:
    headers = _headers(desk, asking.query_id) | {"X-ClickHouse-Summary": _summary(result.counts)}
    if result.format:
        headers["X-ClickHouse-Format"] = result.format
    headers["Content-Type"] = CONTENT_TYPES.get(result.format or "", "text/plain; charset=UTF-8")
    if coding:
        headers["Content-Encoding"] = coding
    return headers


def _pack_all(coder: Coder, blocks: list[bytes]) -> bytes:
    return b"".join([*(coder.feed(block) for block in blocks), coder.finish()])


async def _whole(desk: Desk, asking: Asking, result: Result, work: Work) -> web.Response:
    coder, coding = _answer_coder(asking)
    blocks = list(result.blocks)
    if not blocks:
        # Nothing at all: clients tell "no rows" by the length, so no coding's head may stand there.
        return web.Response(headers=_result_headers(desk, asking, result, ""), body=b"")
    if sum(map(len, blocks)) < PACK_AT_ONCE_BYTES or isinstance(coder, Plain):
        body = _pack_all(coder, blocks)
    else:
        body = await work.in_thread(_pack_all, coder, blocks)
    return web.Response(headers=_result_headers(desk, asking, result, coding), body=body)


async def _blocks(result: Result, work: Work) -> AsyncIterator[bytes]:
    for block in result.blocks:
        yield block
    while (following := await work.next_block()) is not None:
        yield following


async def _write(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece; a client that takes none for so long is gone, and its place is another's."""
    try:
        async with asyncio.timeout(SEND_S):
            await response.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the client reads no further") from None


async def _streamed(request: web.Request, desk: Desk, asking: Asking, result: Result, work: Work) -> web.StreamResponse:
    coder, coding = _answer_coder(asking)
    tag = secrets.token_hex(8)
    headers = _result_headers(desk, asking, result, coding) | {"X-ClickHouse-Exception-Tag": tag}
    response = web.StreamResponse(headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(request)
    try:
        async for block in _blocks(result, work):
            piece = block if isinstance(coder, Plain) else await work.in_thread(coder.feed, block)
            if piece:
                await _write(request, response, piece)
        if end := coder.finish():
            await _write(request, response, end)
    except Fault as fault:
        desk.failed += 1
        line = fault.line(desk.engine.version)
        told = f"\r\n__exception__\r\n{tag}\r\n{line}{len(line.encode())} {tag}\r\n__exception__\r\n"
        await response.write(coder.feed(told.encode()) + coder.finish())
        # The answer must not look whole: without its last chunk, a client knows that it is not.
        if request.transport is not None:
            request.transport.close()
        return response
    await response.write_eof()
    return response


def _from_elsewhere(request: web.Request) -> bool:
    """Tell whether a browser sends this for a page of another host."""
    origin = request.headers.get("Origin")
    if origin is None:
        return request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}
    return not request.app[HOSTS].sends(origin, request.headers.get("Host", ""))


async def _query(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    asking: Asking | None = None
    query_id = request.query.get("query_id", "")
    if _from_elsewhere(request):
        return _faulty(desk, Fault(ACCESS_DENIED, "Pages from elsewhere are not answered"), None, query_id)
    try:
        asking = understand(request.method, list(request.query.items()), request.headers)
        has_body = request.can_read_body and request.method == "POST"
        if not has_body and not asking.query.strip():
            return web.Response(text="Ok.\n", headers=_headers(desk))
        coders: tuple[Coder, ...] = (unpacker(asking.content_coding),)
        if asking.decompress:
            coders += (FrameReader(),)
        body = Body(request.content if has_body else None, coders)
        async with await desk.take(asking) as work:
            result = await work.run(body)
            if result.more:
                return await _streamed(request, desk, asking, result, work)
            return await _whole(desk, asking, result, work)
    except Fault as fault:
        desk.failed += 1
        answer = _faulty(desk, fault, asking, asking.query_id if asking else query_id)
        if request.can_read_body and not request.content.at_eof():
            # What is left of the body would be read as the next request.
            answer.force_close()
        return answer


async def _ping(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    fault = "the server is ending" if desk.ending else await desk.fault()
    if fault is not None:
        reason = fault.partition("\n")[0]
        return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE, text=f"The engine does not answer: {reason}\n")
    return web.Response(text="Ok.\n", headers=_headers(desk))


async def _metrics(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    lines = (
        "# TYPE pulssi_clickhouse_requests_running gauge",
        f"pulssi_clickhouse_requests_running {desk.running}",
        "# TYPE pulssi_clickhouse_requests_total counter",
        f"pulssi_clickhouse_requests_total {desk.done}",
        "# TYPE pulssi_clickhouse_requests_failed_total counter",
        f"pulssi_clickhouse_requests_failed_total {desk.failed}",
    )
    return web.Response(text="\n".join(lines) + "\n")


async def _elsewhere(request: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.NOT_FOUND, text=f"There is no handle {request.path}\n\nUse / or /ping.\n")


@web.middleware
async def _no_traces(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer in ClickHouse's form also what nobody expected; the log has the rest."""
    try:
        return await handler(request)
    except (web.HTTPException, ConnectionError):
        raise
    except Exception as error:
        request.app.logger.exception("a request failed")
        return _faulty(request.app[DESK], Fault(UNKNOWN_EXCEPTION, type(error).__name__), None, "")


def application(desk: Desk, hosts: Hosts) -> web.Application:
    """Make the web application around the desk."""
    app = web.Application(middlewares=[hosts.guard, _no_traces])
    app[DESK] = desk
    app[HOSTS] = hosts
    app.router.add_route("GET", "/", _query)
    app.router.add_route("POST", "/", _query)
    for path in ("/ping", "/replicas_status", "/healthz", "/readyz"):
        app.router.add_get(path, _ping)
    app.router.add_get("/metrics", _metrics)
    app.router.add_route("*", "/{path:.*}", _elsewhere)
    return app
