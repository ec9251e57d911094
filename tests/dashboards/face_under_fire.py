"""A server that is sent anything, in a thread of its own, for tests that wait; and what it must never say."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any, Final

from hypothesis import strategies as st

from tests.dashboards.door_site import FIGURES, TOKEN

WITHIN_S: Final = 20
#: For an answer to what may be no request: on a busy machine one may be missed, and none is made up.
SHORTLY_S: Final = 0.05
#: Of a part that says that it is not ready, or that there is no place.
DOCUMENTED: Final = frozenset({503})

_METHODS: Final = st.sampled_from(
    ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "TRACE", "CONNECT", "get", "", "G\x00T"]
)
_PATHS: Final = st.sampled_from(
    [
        *(
            "/",
            "/api/live",
            "/api/stream",
            "/metrics",
            "/healthz",
            "/readyz",
            "/login",
            "/logout",
            "/login.css",
            "/public/x.json",
        ),
        *(
            "/board/sales",
            "/api/alerts/7/ack",
            "/messages/en.json",
            "//",
            "/..",
            "/%2e%2e/",
            "*",
            "",
            "http://x/",
            "/%",
            "/%ff",
        ),
    ]
)
_TEXT: Final = st.text(st.characters(codec="latin-1", exclude_characters="\r\n"), max_size=40)
_QUERIES: Final = st.just("") | st.builds(
    "?{}={}".format,
    st.sampled_from(["window", "board", "token", "next", "%74oken", ""]),
    _TEXT.map(lambda text: text.replace(" ", "+")),
)
_NAMES: Final = st.sampled_from(
    [
        *(
            "Host",
            "Origin",
            "Cookie",
            "Authorization",
            "Content-Length",
            "Content-Type",
            "Content-Encoding",
            "X-Pulssi",
            "Range",
        ),
        *(
            "Transfer-Encoding",
            "X-Forwarded-For",
            "X-Forwarded-User",
            "X-Forwarded-Proto",
            "If-None-Match",
            "Accept-Encoding",
        ),
        *("Expect", "Upgrade", "Connection", "Sec-Fetch-Site", "Sec-WebSocket-Key", "X Y", ""),
    ]
)
_VALUES: Final = _TEXT | st.sampled_from(
    [
        *(
            "localhost",
            "1",
            "0",
            "-1",
            "99999999999999999999",
            "chunked",
            "gzip",
            "gzip, deflate, br",
            "100-continue",
            "websocket",
        ),
        *(
            "pulssi_session=1.token.1.2.3.4",
            'pulssi_session="\\',
            "Bearer x",
            "Bearer",
            "Basic eA==",
            "bytes=0-",
            "null",
            "[::1",
        ),
        *(
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "text/html; charset=utf-99",
            "close",
        ),
    ]
)
_BODIES: Final = st.binary(max_size=60) | st.sampled_from(
    [b"", b"{}", b"password=x", b"5\r\nhello\r\n0\r\n\r\n", b"\x1f\x8b\x08"]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request that is nearly one, or not at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    version = draw(st.sampled_from(["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/9", ""]))
    lines = [f"{draw(_METHODS)} {draw(_PATHS)}{draw(_QUERIES)} {version}"]
    if draw(st.booleans()):
        lines.append("Host: localhost")
    lines += [f"{draw(_NAMES)}: {draw(_VALUES)}" for _ in range(draw(st.integers(0, 5)))]
    body = draw(_BODIES)
    if draw(st.booleans()):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("latin-1", "replace") + body


def told(port: int, request: bytes, patience_s: float = WITHIN_S) -> bytes:
    """Send bytes, and hang up after the answer; where none comes in time, or it has no end, with what has come."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S) as client:
            client.sendall(request)
            client.settimeout(patience_s)
            while not _is_whole(answer) and (part := client.recv(65_536)):
                answer += part
    except (ConnectionError, TimeoutError):
        pass
    return answer


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    whole = len(body) >= int(length[1]) if length else b"text/event-stream" in head or body.endswith(b"0\r\n\r\n")
    return bool(end) and whole


def complaint(answer: bytes, *, closed: bool) -> str | None:
    """Say what is wrong with an answer to a stranger; None where nothing is."""
    first = answer.partition(b"\r\n")[0].split()
    if first and not first[0].startswith(b"HTTP/"):
        return f"no HTTP: {answer[:100]!r}"
    if first and int(first[1]) >= 500 and int(first[1]) not in DOCUMENTED:
        return f"an error of the server: {answer[:300]!r}"
    if closed and FIGURES.encode() in answer:
        return "figures without a sign-in"
    return "a secret" if TOKEN.encode() in answer else None


@contextmanager
def in_a_thread(running: AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """Run a server in a thread for the length of the block."""
    ready, end = threading.Event(), asyncio.Event()
    held: list[Any] = []

    async def serve() -> None:
        async with running as site:
            held.extend((site, asyncio.get_running_loop()))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(WITHIN_S)
    try:
        yield held[0]
    finally:
        held[1].call_soon_threadsafe(end.set)
        thread.join(WITHIN_S)
