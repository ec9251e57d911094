"""A vendor's API over real HTTP: signed in, paced, tried again; and what is said where the vendor says no."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from schemas.configuration.hook_models import PrivateAddress
from schemas.configuration.source_models import SourceEntry, SourceName
from schemas.exits import EndError, Exit
from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules, Request
from streams.sources.backfill.http_api import HttpApi
from streams.sources.backfill.pages import VendorRefusedError

FAST = {"requests_per_minute": 100_000}


def account(source: SourceName, url: str | None, **more: Any) -> Account:  # noqa: ANN401 - keys of an entry
    """Make an account with a token."""
    entry = SourceEntry.model_validate(
        {"source": source, "account": "acme", "url": url, "token_env": "DESK_TOKEN", **more}
    )
    nobody = SecretStr("")
    rules = AccountRules(source, "acme")
    return Account(source, "acme", rules, (), SecretStr("s3cret"), nobody, nobody, entry, Path())


@asynccontextmanager
async def serving(
    *answers: web.Response | Exception | Callable[[web.Request], web.Response],
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """Serve these answers, one after the other, the last one for ever; with the requests that came."""
    came: list[web.Request] = []
    left = list(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        came.append(request)
        each = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(each, Exception):
            assert request.transport is not None
            request.transport.close()
        if callable(each):
            return each(request)
        assert isinstance(each, web.Response)
        return web.Response(status=each.status, headers=each.headers, body=each.body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server: Any = site._server  # noqa: SLF001 - aiohttp tells the port nowhere else
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came
    finally:
        await runner.cleanup()


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.at = 1_772_352_000.0
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        self.waits.append(round(seconds, 3))
        self.at += seconds

    def now(self) -> float:
        """Give the time."""
        return self.at


def api_of(clock: Clock, asked: Account, give_up_s: float = 900.0) -> HttpApi:
    """Make an API with that clock."""
    return HttpApi(asked, sleep=clock.sleep, now=clock.now, give_up_s=give_up_s)


def ok(**headers: str) -> web.Response:
    """Answer with an object."""
    return web.json_response({"a": 1}, headers={name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("source", "more", "header", "value"),
    [
        ("intercom", {}, "Authorization", "Bearer s3cret"),
        ("chatwoot", {}, "api_access_token", "s3cret"),
        ("zammad", {}, "Authorization", "Token token=s3cret"),
        ("freshdesk", {}, "Authorization", "Basic " + base64.b64encode(b"s3cret:X").decode()),
        (
            "zendesk",
            {"user": "api@example.com"},
            "Authorization",
            "Basic " + base64.b64encode(b"api@example.com/token:s3cret").decode(),
        ),
    ],
)
async def test_each_vendor_is_signed_in_to_in_its_own_way(
    source: SourceName, more: dict[str, str], header: str, value: str
) -> None:
    """The header has the token as the vendor wants it, and the parameters go with the path."""
    async with serving(ok()) as (url, came), api_of(Clock(), account(source, url, **more)) as api:
        assert await api.get(Request("/tickets", (("page", "2"), ("a", "ä")))) == {"a": 1}
        assert await api.post(Request("/search"), {"query": 1}) == {"a": 1}
    assert came[0].headers[header] == value
    assert came[0].query == {"page": "2", "a": "ä"}
    assert came[1].method == "POST"


async def test_it_keeps_to_the_rate() -> None:
    """Thirty a minute: two seconds from one to the next; where none are left, until the vendor's next minute."""
    clock = Clock()
    answers = ok(), ok(X_RateLimit_Remaining="0", X_RateLimit_Reset=str(clock.at + 33)), ok()
    async with serving(*answers) as (url, _), api_of(clock, account("intercom", url, requests_per_minute=30)) as api:
        for _ in range(3):
            await api.get(Request("/a"))
    assert clock.waits == [2.0, 31.0]


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"ratelimit-reset": "9"}, 9.0),
        ({"X-RateLimit-Reset": "1772352012"}, 12.0),
        ({"Retry-After": "Sun, 01 Mar 2026 08:00:21 GMT"}, 21.0),
        ({"Retry-After": "999999"}, 300.0),
    ],
)
async def test_too_many_requests_wait_as_long_as_the_vendor_says(headers: dict[str, str], waited: float) -> None:
    """After a 429 it asks again once that is over, and gives the answer."""
    clock = Clock()
    answers = web.Response(status=429, headers=headers), ok()
    async with serving(*answers) as (url, came), api_of(clock, account("intercom", url, **FAST)) as api:
        assert await api.get(Request("/a")) == {"a": 1}
    assert max(clock.waits) == waited
    assert len(came) == 2


async def test_a_vendor_with_trouble_is_asked_again_and_then_given_up() -> None:
    """Errors of its own and broken connections are tried again; for ever is too long."""
    clock = Clock()
    answers = web.Response(status=502), ConnectionError(), ok()
    async with serving(*answers) as (url, came), api_of(clock, account("intercom", url)) as api:
        assert await api.get(Request("/a")) == {"a": 1}
    assert len(came) == 3
    async with serving(web.Response(status=503)) as (url, _), api_of(clock, account("intercom", url), 0.0) as api:
        with pytest.raises(EndError, match="intercom/acme: the vendor's API answers 503") as ended:
            await api.get(Request("/a"))
    assert ended.value.code == Exit.UNREACHABLE


async def test_a_vendor_that_does_not_answer_is_named() -> None:
    """Also in the midst of its first request; an answer, also one that says no, ends its silence."""
    said: list[str] = []
    told = asyncio.Event()

    def note(line: str) -> None:
        said.append(line)
        told.set()

    silent = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    host, port = silent.sockets[0].getsockname()[:2]
    async with silent, HttpApi(account("intercom", f"http://{host}:{port}"), note, away_after_s=0.1) as api:
        asking = asyncio.create_task(api.get(Request("/a")))
        await asyncio.wait_for(told.wait(), 20)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    (line,) = said
    assert line.startswith("intercom/acme: the vendor's API does not answer; no request has succeeded since 20")
    clock = Clock()
    told.clear()
    answers = ok(), web.Response(status=404), web.Response(status=503)
    async with serving(*answers) as (url, _):
        intercom = account("intercom", url, **FAST)
        async with HttpApi(intercom, away=note, away_after_s=0.1, sleep=clock.sleep, now=clock.now) as api:
            for _answer in range(2):
                await asyncio.gather(api.get(Request("/a")), return_exceptions=True)
                clock.at += 3_600
            asking = asyncio.create_task(api.get(Request("/a")))
            await asyncio.wait_for(told.wait(), 20)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert said[1:] == [
        "the vendor's API answers 503; no request has succeeded since 2026-03-01 10:00:00 UTC, it is asked again"
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (web.Response(status=401), "check DESK_TOKEN of intercom/acme"),
        (web.Response(status=403), "may not read /a"),
        (web.Response(status=404), "no /a: if it was not deleted, check `url`"),
        (web.Response(status=302, headers={"Location": "https://example.com"}), "set `url`"),
        (web.Response(text="<html>"), "no JSON at /a"),
    ],
)
async def test_a_no_is_told_with_what_to_do(answer: web.Response, said: str) -> None:
    """Each refusal names its mend, at the first time, and never the token."""
    async with serving(answer) as (url, came), api_of(Clock(), account("intercom", url)) as api:
        with pytest.raises(VendorRefusedError, match=said) as refused:
            await api.get(Request("/a"))
    assert len(came) == 1
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("path", ["/../admin", "/a/%2e%2e/b", "//evil.example/x", "/a?b=c"])
async def test_a_payload_leads_to_no_other_address(path: str) -> None:
    """A request's path may contain an id from a payload; as in the gateway, it must stay below the account's URL."""
    async with serving(ok()) as (url, came), api_of(Clock(), account("intercom", url)) as api:
        with pytest.raises(VendorRefusedError, match="no address"):
            await api.get(Request(path))
    assert came == []


async def test_without_an_address_nothing_is_asked() -> None:
    """An account without `url` says what it lacks."""
    async with HttpApi(account("intercom", None)) as api:
        with pytest.raises(EndError, match="set `url`"):
            await api.get(Request("/a"))


async def test_a_file_elsewhere_gets_no_token() -> None:
    """A file that an answer names is read without the token, and only at a public address or an allowed one."""
    async with serving(web.json_response({"rows": 3})) as (url, came):
        port = int(url.rpartition(":")[2])
        here = PrivateAddress("127.0.0.1", port, ip_network("127.0.0.0/8"))
        desk = account("freshdesk", "http://127.0.0.1:9", **FAST)
        async with HttpApi(desk, elsewhere=[here]) as api:
            assert await api.get(Request(f"{url}/export.json")) == {"rows": 3}
        assert "Authorization" not in came[0].headers
        async with HttpApi(desk) as api:
            for address in (
                f"{url}/export.json",
                f"https://127.0.0.1:{port}/x",
                "https://localhost/x",
                "https://[::1]/x",
            ):
                with pytest.raises(VendorRefusedError):
                    await api.get(Request(address))
        assert len(came) == 1
