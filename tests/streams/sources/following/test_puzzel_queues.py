"""Following the states of Puzzel's queues: tokens that end, limits, answers that are none, and what a person mends."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import web

from streams.sources.accounts import Account, load_accounts
from streams.sources.adapter import Payload, UnmappableError
from streams.sources.backfill.http_api import HttpApi
from streams.sources.backfill.pages import Page
from streams.sources.checked_events import map_payload
from streams.sources.following import puzzel_queues
from streams.sources.following.follower import FollowError
from streams.sources.following.puzzel import FOLLOWER
from streams.sources.registry import adapter_of
from tests.streams.sources.puzzel_server import PASSWORD, SESSION, PuzzelServer, queue

SECRETS: Final = (PASSWORD, SESSION, "eyJt0ken", "wr0ng")


@pytest.fixture
async def puzzel(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[PuzzelServer]:
    """Run the server, which is asked all the time."""
    monkeypatch.setattr(puzzel_queues, "EVERY_MS", 1)
    async with PuzzelServer() as server:
        yield server


class Slept:
    """Notes what was to be waited for, and does not wait."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def sleep(self, seconds: float) -> None:
        """Wait for the loop only."""
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def account(folder: Path, entry: Mapping[str, str], password: str = PASSWORD) -> Account:
    """Read an account as an operator writes it."""
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in entry.items())
    (folder / "sources.toml").write_text(f'[[source]]\nsource = "puzzel"\naccount = "acme"\n{lines}\n')
    (found,) = load_accounts(folder, {"PUZZEL_PASSWORD": password})
    return found


@pytest.fixture
def acme(puzzel: PuzzelServer, tmp_path: Path) -> Account:
    """Make the account of the server."""
    return account(tmp_path, puzzel.entry())


@asynccontextmanager
async def followed(of: Account, slept: Slept | None = None) -> AsyncIterator[AsyncGenerator[Page, None]]:
    """Follow an account, and close its follower at the end; requests are not slowed down."""
    async with HttpApi(of, sleep=(slept or Slept()).sleep) as api:
        pages = FOLLOWER(of, api, None)
        assert isinstance(pages, AsyncGenerator)
        async with aclosing(pages):
            yield pages


async def page_of(pages: AsyncGenerator[Page, None]) -> Page:
    """Return the next page."""
    return await asyncio.wait_for(anext(pages), 20)


def waiting(page: Page, of: Account) -> dict[str, int | None]:
    """Map a page; give how many wait in each queue, -1 for what is refused."""
    found: dict[str, int | None] = {}
    for each in page.payloads:
        try:
            (state,) = map_payload(adapter_of("puzzel"), each.form, Payload(each.body), of.rules).states
        except UnmappableError:
            found[each.where] = -1
        else:
            found[state.queue] = state.waiting
    return found


async def test_queues_are_followed(puzzel: PuzzelServer, acme: Account) -> None:
    """One log-in serves many questions; the queues of an answer have one time; one that vanishes is not told."""
    async with followed(acme) as pages:
        first = await page_of(pages)
        puzzel.queues = [queue(2, "Sales", 7)]
        second = await page_of(pages)
    assert (waiting(first, acme), waiting(second, acme)) == ({"Support": 3, "Sales": 0}, {"Sales": 7})
    assert 0 < first.polled_at <= second.polled_at
    assert puzzel.asked == ["LogIn", "information", "states", "states"]


async def test_a_token_is_renewed_before_it_ends(puzzel: PuzzelServer, acme: Account) -> None:
    """By the session of the log-in, without the password; if that gives none, by the password."""
    puzzel.lasts = timedelta(seconds=2 * puzzel_queues.RENEWED_BEFORE_S + 0.5)
    async with followed(acme) as pages:
        await page_of(pages)
        loop = asyncio.get_running_loop()
        now = loop.time
        loop.time = lambda: now() + 3_600  # type: ignore[method-assign]
        try:
            await page_of(pages)
            assert puzzel.asked[3:] == ["GetAccessToken", "information", "states"]
            puzzel.renews = False
            loop.time = lambda: now() + 7_200  # type: ignore[method-assign]
            await page_of(pages)
        finally:
            loop.time = now  # type: ignore[method-assign]
    assert puzzel.asked[6:] == ["GetAccessToken", "LogIn", "information", "states"]


@pytest.mark.parametrize("lasts", [timedelta(hours=-1), timedelta(seconds=5)])
async def test_a_clock_that_differs(puzzel: PuzzelServer, acme: Account, lasts: timedelta) -> None:
    """A token that ends at once by our clock is used until Puzzel refuses it."""
    puzzel.lasts = lasts
    async with followed(acme) as pages:
        for _ in range(3):
            await page_of(pages)
    assert puzzel.asked == ["LogIn", "information", *["states"] * 3]


@pytest.mark.parametrize("renews", [True, False])
async def test_a_token_that_is_refused_in_the_midst(puzzel: PuzzelServer, acme: Account, renews: bool) -> None:  # noqa: FBT001
    """Another one is taken, and the same question asked again."""
    puzzel.renews = renews
    async with followed(acme) as pages:
        await page_of(pages)
        puzzel.refuse_the_token()
        assert waiting(await page_of(pages), acme) == {"Support": 3, "Sales": 0}
    again = ["GetAccessToken", *([] if renews else ["LogIn"]), "information"]
    assert puzzel.asked[3:] == ["states", *again, "states"]
    assert len(puzzel.tokens) == 2


async def test_an_error_under_200(puzzel: PuzzelServer, acme: Account) -> None:
    """A code that is not 0 is an error: once it is tried with a new token, then it is told, without its message."""
    refused = partial(web.json_response, {"result": None, "code": 17, "id": "1", "message": "Ada Nilsen eyJt0ken"})
    puzzel.instead = [lambda _: refused()]
    async with followed(acme) as pages:
        assert waiting(await page_of(pages), acme) == {"Support": 3, "Sales": 0}
        puzzel.instead = [lambda _: refused()] * 2
        with pytest.raises(FollowError, match="error code 17, also with a new token") as told:
            await page_of(pages)
    assert "Nilsen" not in str(told.value)
    assert told.value.again_after_s == puzzel_queues.AGAIN_S


async def test_too_many_requests(puzzel: PuzzelServer, acme: Account) -> None:
    """Puzzel says how long it wants to be left alone, and is."""
    slept = Slept()
    puzzel.instead = [
        lambda _: web.Response(status=429, headers={"Retry-After": "77"}),
        lambda _: web.Response(status=503),
    ]
    async with followed(acme, slept) as pages:
        assert waiting(await page_of(pages), acme) == {"Support": 3, "Sales": 0}
    assert 77 in slept.seconds
    assert puzzel.asked.count("LogIn") == 1


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ({"result": {"queues": []}, "code": 0}, {"queues": -1}),
        (["Support"], {"queues": -1}),
        ({"result": [queue(1, "Support", 3), "Sales", queue(2, "Sales", -1)], "code": 0}, {"Support": 3, "queues": -1, "queue 2": -1}),  # noqa: E501
        ({"result": [], "code": 0}, {}),
    ],
)  # fmt: skip
async def test_answers_of_another_form(puzzel: PuzzelServer, acme: Account, answer: Any, found: Any) -> None:  # noqa: ANN401
    """What cannot be understood is kept as it came, to be a dead letter; the other queues are told."""
    puzzel.instead = [lambda _: web.json_response(answer)]
    async with followed(acme) as pages:
        page = await page_of(pages)
        assert waiting(page, acme) == found
        assert waiting(await page_of(pages), acme) == {"Support": 3, "Sales": 0}
    whole = answer["result"] if isinstance(answer, dict) and isinstance(answer["result"], list) else [answer]
    assert [orjson.loads(each.body) for each in page.payloads] == whole


async def test_a_body_that_is_no_json(puzzel: PuzzelServer, acme: Account) -> None:
    """It is told in words, and asked again after a minute."""
    puzzel.instead = [lambda _: web.Response(text="<html>eyJt0ken</html>")]
    async with followed(acme) as pages:
        with pytest.raises(FollowError, match="no JSON") as told:
            await page_of(pages)
    assert "eyJ" not in str(told.value)


async def test_a_user_who_sees_no_queue(puzzel: PuzzelServer, acme: Account, caplog: pytest.LogCaptureFixture) -> None:
    """That is told once, until there is one."""
    async with followed(acme) as pages:
        for queues in ([], [], [queue(1, "Support", 0)], []):
            puzzel.queues = queues
            await page_of(pages)
    assert caplog.text.count("shows its user no queue") == 2


@pytest.mark.parametrize(
    ("changed", "said", "again_after_s"),
    [
        ({"password": "wr0ng"}, "check `customer_key`, `user` and the password in PUZZEL_PASSWORD", 300),
        ({"user": "somebody"}, "check `customer_key`, `user` and the password in PUZZEL_PASSWORD", 300),
        ({"customer_key": "999"}, "check `customer_key`, `user` and the password in PUZZEL_PASSWORD", 300),
        ({"login_url": "{url}/nowhere"}, "Puzzel's log-in answers 404: check `login_url`", 60),
        ({"url": "{url}/nowhere"}, "check `url`", 60),
    ],
)
async def test_what_a_person_must_correct(
    puzzel: PuzzelServer, tmp_path: Path, changed: dict[str, str], said: str, again_after_s: float
) -> None:
    """It names the field, has no secret in it, and is not tried again at once: a user may be locked out."""
    password = changed.pop("password", PASSWORD)
    entry = {**puzzel.entry(), **{name: value.format(url=puzzel.url) for name, value in changed.items()}}
    async with followed(account(tmp_path, entry, password)) as pages:
        with pytest.raises(FollowError) as told:
            await page_of(pages)
    assert said in str(told.value)
    assert told.value.again_after_s == again_after_s
    assert not any(secret in str(told.value) for secret in SECRETS)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"accessToken": "eyJx", "twoFactorRequired": True}, "needs a second factor"),
        ({"accessToken": None, "twoFactorRequired": False}, "gives no usable token (the answer has no token)"),
        ({"accessToken": "eyJx\r\nX-Evil: 1"}, "gives no usable token (the answer has no token)"),
        ({"accessToken": "eyJunknown"}, "gives no usable token (Puzzel refuses the token)"),
        ([], "gives no usable token (the answer has no token)"),
    ],
)
async def test_log_ins_that_give_no_token(puzzel: PuzzelServer, acme: Account, answer: object, said: str) -> None:
    """Each is told in words, without what it gave."""
    puzzel.log_in_instead = lambda _: web.json_response(answer)
    async with followed(acme) as pages:
        with pytest.raises(FollowError) as told:
            await page_of(pages)
    assert said in str(told.value)
    assert "eyJ" not in str(told.value)
