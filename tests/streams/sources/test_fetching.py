"""What is asked of a vendor's API: below the account's address, at its pace, and once for all who ask the same."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from streams.sources.accounts import Account, load_accounts
from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.fetching import ANSWER_BYTES, KEPT_S, Fetcher
from streams.sources.vendor_connection import LONGEST_WAIT_S, VendorAwayError
from tests.until import until

TOKEN = "t0ken-of-the-account"  # noqa: S105 - none in earnest
TICKET = Request("/api/tickets/7", (("include", "group"),))
PARTICIPANT = TICKET._replace(lasting=True)


class Vendor:
    """A vendor's API, which a test may have answer as it likes."""

    def __init__(self) -> None:
        self.asked: list[web.Request] = []
        self.answer: Callable[[], web.Response] = lambda: web.json_response({"id": 7})
        self.before = asyncio.Event()
        self.before.set()

    async def handle(self, request: web.Request) -> web.Response:
        """Answer anything."""
        self.asked.append(request)
        await self.before.wait()
        return self.answer()


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


def account(folder: Path, url: str, source: str = "chatwoot", **more: str) -> Account:
    """Make an account with a token."""
    lines = "".join(f"{name} = {value}\n" for name, value in more.items())
    where = f'url = "{url}"\n' if url else ""
    (folder / "sources.toml").write_text(
        f'[[source]]\nsource = "{source}"\naccount = "acme"\n{where}token_env = "TOKEN"\n{lines}'
    )
    (found,) = load_accounts(folder, {"TOKEN": TOKEN})
    return found


@asynccontextmanager
async def fetching(
    folder: Path, clock: Callable[[], float] | None = None, path: str = "", **more: str
) -> AsyncIterator[tuple[Vendor, Fetcher]]:
    """Run a vendor, and give what asks it."""
    vendor = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{any:.*}", vendor.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
    async with aiohttp.ClientSession() as session:
        of = account(folder, url, **more)
        yield vendor, Fetcher(of, session, clock) if clock else Fetcher(of, session)
    await runner.cleanup()


async def test_who_asks_the_same_is_answered_by_one_request(tmp_path: Path) -> None:
    """What never changes, at a time and later; with the token, the query, and below the account's address."""
    clock = Clock()
    async with fetching(tmp_path, clock, "/v1/") as (vendor, fetcher):
        vendor.before.clear()
        asking = [asyncio.ensure_future(fetcher.get(PARTICIPANT)) for _ in range(5)]
        await until(lambda: vendor.asked)
        asking[0].cancel()  # who gives up does not end it for the others
        vendor.before.set()
        assert await asyncio.gather(*asking[1:]) == [{"id": 7}] * 4
        assert await fetcher.get(PARTICIPANT) == {"id": 7}
        assert [request.rel_url.human_repr() for request in vendor.asked] == ["/v1/api/tickets/7?include=group"]
        assert vendor.asked[0].headers["api_access_token"] == TOKEN
        clock.now += KEPT_S + 1
        await fetcher.get(PARTICIPANT)
        assert len(vendor.asked) == 2
        assert await fetcher.post(Request("/search"), {"q": 1}) == {"id": 7}


async def test_what_may_change_is_asked_by_each(tmp_path: Path) -> None:
    """An answer that was asked for before a hook came may lack what the hook is about."""
    async with fetching(tmp_path) as (vendor, fetcher):
        await asyncio.gather(fetcher.get(TICKET), fetcher.get(TICKET))
        await fetcher.get(TICKET)
        assert len(vendor.asked) == 3


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/x",
        "/../admin",
        "/a/%2e%2e/b",
        "/a?b",
        "/a#b",
        "/a b",
        "a",
        "",
        "/a/./b",
        "/a\\b",
        "/@x/..",
        "/a%2f..%2fb",
    ],
)
async def test_a_payload_leads_to_no_other_address(tmp_path: Path, path: str) -> None:
    """Whatever it has in the place of an id."""
    async with fetching(tmp_path) as (vendor, fetcher):
        with pytest.raises(VendorRefusedError, match="no address"):
            await fetcher.get(Request(path))
        assert vendor.asked == []


async def test_an_account_without_an_api(tmp_path: Path) -> None:
    """The setting that is missing is named."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(VendorRefusedError, match="set `url`"):
            await Fetcher(account(tmp_path, ""), session).get(TICKET)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda: web.Response(status=401), "the token is not accepted: check TOKEN of chatwoot/acme"),
        (lambda: web.Response(status=404), "answers 404: there is no /api/tickets/7"),
        (lambda: web.Response(status=302, headers={"Location": "http://evil.example/"}), "answers 302"),
        (lambda: web.Response(text="<html>"), "no JSON"),
        (lambda: web.Response(body=b"0" * (ANSWER_BYTES + 1)), "more than"),
    ],
)
async def test_refusals_for_good(tmp_path: Path, answer: Callable[[], web.Response], why: str) -> None:
    """No redirect is followed, and nothing large is read; the token is in no error."""
    async with fetching(tmp_path) as (vendor, fetcher):
        vendor.answer = answer
        with pytest.raises(VendorRefusedError, match=why) as refused:
            await fetcher.get(TICKET)
        assert TOKEN not in str(refused.value)


async def test_it_backs_off(tmp_path: Path) -> None:
    """As long as the vendor asks for, else longer each time; meanwhile nothing is sent, and one answer ends it."""
    clock = Clock()
    async with fetching(tmp_path, clock) as (vendor, fetcher):
        vendor.answer = lambda: web.Response(status=429, headers={"Retry-After": "30"})
        with pytest.raises(VendorAwayError, match="429") as away:
            await fetcher.get(TICKET)
        assert away.value.after_s == 30
        with pytest.raises(VendorAwayError, match="no more often"):
            await fetcher.get(TICKET)
        assert len(vendor.asked) == 1
        vendor.answer = lambda: web.Response(status=500)
        waits = []
        for _ in range(8):
            clock.now += 100
            with pytest.raises(VendorAwayError, match="500") as away:
                await fetcher.get(TICKET)
            waits.append(away.value.after_s)
        assert waits == [2, 4, 8, 16, 32, 60, 60, 60]
        vendor.answer = lambda: web.json_response({})
        clock.now += 100
        await fetcher.get(TICKET)
        vendor.answer = lambda: web.Response(status=500)
        with pytest.raises(VendorAwayError) as away:
            await fetcher.get(Request("/other"))
        assert away.value.after_s == 1


@pytest.mark.parametrize(
    ("headers", "waited"),
    [
        ({"Retry-After": "inf"}, LONGEST_WAIT_S),
        ({"Retry-After": "1e400"}, LONGEST_WAIT_S),
        ({"X-RateLimit-Reset": "1796000000000"}, LONGEST_WAIT_S),  # milliseconds
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_WAIT_S),
        ({"Retry-After": "Fri, 31 Dec 2027 23:59:59 +99999999999999"}, 1.0),
        ({"Retry-After": "nan"}, 1.0),
    ],
)
async def test_a_vendor_that_asks_for_ever_is_asked_again(
    tmp_path: Path, headers: dict[str, str], waited: float
) -> None:
    """One wrong header costs minutes, and not all hooks until the gateway is restarted."""
    clock = Clock()
    async with fetching(tmp_path, clock) as (vendor, fetcher):
        vendor.answer = lambda: web.Response(status=429, headers=headers)
        with pytest.raises(VendorAwayError, match="429") as away:
            await fetcher.get(TICKET)
        assert away.value.after_s == waited
        vendor.answer = lambda: web.json_response({})
        clock.now += waited
        assert await fetcher.get(TICKET) == {}


async def test_an_api_that_is_not_there(tmp_path: Path) -> None:
    """Is told so, without its address."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(VendorAwayError, match="does not answer") as away:
            await Fetcher(account(tmp_path, "http://127.0.0.1:9"), session).get(TICKET)
    assert "127.0.0.1" not in str(away.value)


async def test_its_pace(tmp_path: Path) -> None:
    """No more than the account says, in a minute."""
    clock = Clock()
    async with fetching(tmp_path, clock, requests_per_minute="6") as (vendor, fetcher):
        await fetcher.get(Request("/1"))
        with pytest.raises(VendorAwayError, match="no more often") as away:
            await fetcher.get(Request("/2"))
        assert away.value.after_s == pytest.approx(10)
        clock.now += 10
        await fetcher.get(Request("/2"))
        assert [request.path for request in vendor.asked] == ["/1", "/2"]
