"""Anything is sent to the gateway, signed and not: none of its answers is an error of the server, and it goes on.

By the description of the addresses (schemathesis), and byte by byte (Hypothesis). The short run looks at a few of them.
"""

import json
import logging
import re
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import pytest
import schemathesis
import yaml  # type: ignore[import-untyped]  # no stubs for it among the locked dependencies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.core import NotSet

from streams.configuration.environment import load_settings
from tests.dashboards.face_under_fire import SHORTLY_S, complaint, in_a_thread, told
from tests.depth import examples
from tests.streams.gateway.gateways import UNLIMITED
from tests.streams.gateway.made import OTHER_SECRET, SECRET, body, chatwoot, zendesk
from tests.streams.gateway.site import MemoryWrites, Site, gateway

DESCRIPTION: Final = Path(__file__).resolve().parents[3] / "docs" / "openapi-gateway.yaml"
ALIVE: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

described = schemathesis.openapi.from_path(str(DESCRIPTION))
anything = settings(suppress_health_check=list(HealthCheck), deadline=None, derandomize=True)


@asynccontextmanager
async def _gateway() -> AsyncIterator[Site]:
    with tempfile.TemporaryDirectory() as folder:
        own = load_settings({"PULSSI_GATEWAY_PORT": "0", "PULSSI_GATEWAY_BODY_BYTES": "4096", **UNLIMITED})
        async with gateway(Path(folder), own, MemoryWrites().taken) as site:
            yield site


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """Return a gateway in a thread of its own."""
    with in_a_thread(_gateway()) as running:
        yield running


def _signed(path: str, sent: bytes) -> dict[str, str]:
    """Sign as the vendor of a path does; its other signatures are no harm."""
    secret = OTHER_SECRET if path.endswith("other") else SECRET
    return {**zendesk(sent, time.time(), secret), **chatwoot(sent, secret)}


def _post(path: str, sent: bytes, *more: str) -> bytes:
    signed = [f"{name}: {value}" for name, value in _signed(path, sent).items()]
    head = (f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(sent)}")
    return "\r\n".join((*head, *signed, *more, "", "")).encode("latin-1", "replace") + sent


def _written(case: Any) -> bytes:  # noqa: ANN401 - untyped
    """Write a request that schemathesis has thought of, signed for an account that there is every other time."""
    query = urlencode(case.query or {}, doseq=True)
    sent = b""
    if not isinstance(case.body, NotSet):
        sent = case.body if isinstance(case.body, bytes) else json.dumps(case.body, default=str).encode()
    path = case.formatted_path
    if case.path.startswith("/hooks/") and len(sent) % 2:
        path = "/hooks/zendesk/acme"
    signed = _signed(path, sent) if case.method == "POST" else {"Authorization": f"Bearer {SECRET}"}
    lines = (
        f"{case.method} {quote(path, safe='/%')}{'?' * bool(query)}{query} HTTP/1.1",
        *("Host: localhost", "Connection: close", f"Content-Length: {len(sent)}"),
        *(f"{name}: {value}" for name, value in signed.items()),
        *("", ""),
    )
    return "\r\n".join(lines).encode("utf-8", "replace") + sent


@described.parametrize()
@settings(anything, max_examples=examples(60))
def test_what_is_described_is_answered(case: Any, site: Site) -> None:  # noqa: ANN401 - untyped
    """With an answer that the description has for its address."""
    answer = told(site.port, _written(case))
    assert complaint(answer, closed=False) is None
    allowed = {int(status) for status in case.operation.definition.raw["responses"]}
    assert int(answer.split()[1]) in allowed | {404, 405, 400}


_PATHS: Final = st.sampled_from(
    [
        *("/hooks/zendesk/acme", "/hooks/zendesk/other", "/hooks/chatwoot/acme", "/hooks/giosg/acme"),
        *("/hooks/asterisk/main", "/hooks/", "/hooks/%2e%2e/acme", "/captured/zendesk/acme?last=%00", "/metrics", "*"),
        *("/hooks/zendesk/acme?secret=%ff&a=&=", "//hooks/zendesk/acme", "http://x/hooks/zendesk/acme", "/healthz"),
    ]
)
_HEADERS: Final = st.sampled_from(
    [
        *("Content-Encoding: gzip", "Content-Encoding: identity", "Transfer-Encoding: chunked", "Content-Length: 5"),
        *("Content-Length: 99999999999", "Content-Type: \xff", "X-At: \xff", "X-Sig: ", "Expect: 100-continue"),
        *("X-Forwarded-For: [::1", "Host: evil.example", "Cookie: a=b", "X-At: 1", "Range: bytes=0-", "Upgrade: h2c"),
    ]
)
_VALUES: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_BODIES: Final = (
    st.binary(max_size=300)
    | _VALUES.map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda kind, native, more: body(kind, native, **more),
        st.sampled_from(["created", "message", "typing", "invalid", "look", "unheard", "", "\x00"]),
        st.text(st.characters(codec="utf-8"), max_size=200),
        st.fixed_dictionaries({}, optional={"at": st.text(max_size=30), "group": st.text(max_size=90)}),
    )
    | st.sampled_from([b"[" * 4000, b'{"a":' * 700, b"\x1f\x8b" * 20, b"x" * 5000])
)


@given(path=_PATHS, sent=_BODIES, more=st.lists(_HEADERS, max_size=3))
@settings(anything, max_examples=examples(300))
def test_signed_bytes_break_nothing(path: str, sent: bytes, more: list[str], site: Site) -> None:
    """Whatever a vendor signs, and whatever a proxy makes of it."""
    answer = told(site.port, _post(path, sent, *more), SHORTLY_S if more else 20)
    assert complaint(answer, closed=False) is None


@pytest.mark.long
@given(path=_PATHS, sent=_BODIES, more=st.lists(_HEADERS, max_size=3))
@settings(anything, max_examples=8_000)
def test_many_signed_bytes_break_nothing(path: str, sent: bytes, more: list[str], site: Site) -> None:
    """The same, for as long as it takes."""
    answer = told(site.port, _post(path, sent, *more), SHORTLY_S if more else 20)
    assert complaint(answer, closed=False) is None


def test_it_goes_on(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """After all of that it answers, has logged no stack trace, and its places are free."""
    caplog.set_level(logging.ERROR)
    assert b" 200 " in told(site.port, ALIVE)[:20]
    sent = body()
    assert b" 200 " in told(site.port, _post("/hooks/zendesk/acme", sent))[:20]
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


async def test_every_address_is_described() -> None:
    """The description names each route with its methods, and no other."""
    paths = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    wanted = {(path, method) for path, methods in paths.items() for method in methods if method != "parameters"}
    async with _gateway() as site:
        routes = site.app.router.routes()
        found = {(each.resource.canonical, each.method.lower()) for each in routes if each.resource is not None}
    automatic = {(path, "head") for path, method in wanted if method == "get"}
    assert found - automatic == wanted
    assert all(re.fullmatch(r"[/a-z{}]+", path) for path, _ in wanted)
