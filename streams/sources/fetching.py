"""Asks the vendor's API for what a payload leaves out, at the account's rate; for what never changes only once.

The vendor waits for the gateway while the gateway waits for the API. So if an answer will take long, VendorAwayError is
raised at once, with the seconds to wait. A token goes to the account's own address only, and is in no error and no log.
"""

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

import aiohttp
import orjson
from yarl import URL

from streams.monitoring.rate_limits import RateLimit
from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.backfill.vendor_access import access_of

#: How long an answer that never changes is kept. Any other one is asked for by each hook: one that is older than the
#: hook may lack what the hook is about.
KEPT_S: Final = 600.0
#: Of the answers that are kept: how many, and the largest in bytes.
KEPT_AT_MOST: Final = 100
KEPT_BYTES: Final = 65_536
ANSWER_BYTES: Final = 1_048_576
#: If the account's rate would make a request wait longer, it is given up at once.
PATIENCE_S: Final = 3.0
_AT_ONCE: Final = 4
_TIMEOUT_S: Final = 10.0
_BACK_OFF_S: Final = (1.0, 60.0)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~:@!$&'()*+,;=%-]+)+/?")
#: Refusals that pass by themselves.
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class VendorAwayError(RuntimeError):
    """The vendor gives no answer now; `after_s` is when it may, in seconds."""

    def __init__(self, problem: str, after_s: float) -> None:
        super().__init__(problem)
        self.after_s = after_s


class Fetcher:
    """The API of one account (a `VendorApi`)."""

    def __init__(
        self, account: Account, session: aiohttp.ClientSession, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._base = account.entry.url
        access = access_of(account.source)
        self._headers = {"Accept": "application/json", **access.headers(account.entry.user or "", account.token)}
        self._session = session
        self._clock = clock
        per_minute = account.entry.requests_per_minute or access.requests_per_minute
        self._pace = RateLimit(per_minute / 60, max(1, per_minute // 6), clock=clock)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[Request, tuple[float, Any]] = OrderedDict()
        self._under_way: dict[Request, asyncio.Task[Any]] = {}
        self._not_before = 0.0
        self._back_off_s = _BACK_OFF_S[0]

    async def answers(self, requests: Iterable[Request]) -> dict[Request, Any]:
        """Return the answers of all requests. Raises VendorRefusedError or VendorAwayError."""
        return {request: await self.get(request) for request in requests}

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON. Raises VendorRefusedError or VendorAwayError."""
        if not request.lasting:
            return await self._ask("GET", request, None)
        good_until, answer = self._kept.get(request, (-math.inf, None))
        if good_until > self._clock():
            return answer
        task = self._under_way.get(request)
        if task is None:
            task = self._under_way[request] = asyncio.create_task(self._ask("GET", request, None))
            task.add_done_callback(lambda done: self._note(request, done))
        return await asyncio.shield(task)  # who gives up does not end it for the others

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Post JSON, and return the answer's, as `get` does; nothing of it is kept."""
        return await self._ask("POST", request, orjson.dumps(body))

    def _note(self, request: Request, done: asyncio.Task[Any]) -> None:
        self._under_way.pop(request, None)
        if done.cancelled() or done.exception() is not None:
            return
        answer, size = done.result(), len(orjson.dumps(done.result()))
        self._kept.pop(request, None)
        if size <= KEPT_BYTES:
            self._kept[request] = (self._clock() + KEPT_S, answer)
        while len(self._kept) > KEPT_AT_MOST:
            self._kept.popitem(last=False)

    async def _ask(self, method: str, request: Request, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        url = self._url(request)
        while (wait_s := max(0.0, self._not_before - self._clock()) or self._pace.take("")) > 0:
            if wait_s > PATIENCE_S:
                raise VendorAwayError("the vendor's API may be asked no more often now", wait_s)
            await asyncio.sleep(wait_s)
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            async with (
                self._places,
                self._session.request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,  # the token is for this address
                    timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S),
                ) as response,
            ):
                return await self._answer(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._away(f"the vendor's API does not answer ({type(error).__name__})", None) from None

    def _url(self, request: Request) -> URL:
        """Write the address: below the account's, wherever the path came from. Raises VendorRefusedError."""
        base = request.base or self._base
        if not base:
            raise VendorRefusedError(HTTPStatus.NOT_FOUND, "set `url` and a token of the account: its API is needed")
        steps = unquote(request.path).split("/")
        if _PATH.fullmatch(request.path) is None or not {".", ".."}.isdisjoint(steps):
            raise VendorRefusedError(HTTPStatus.NOT_FOUND, "the payload gives no address of the API")
        return URL(f"{base}{request.path}", encoded=True).with_query(request.query)

    async def _answer(self, response: aiohttp.ClientResponse) -> Any:  # noqa: ANN401 - JSON
        status = response.status
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._away(f"the vendor's API answers {status}", response.headers.get("Retry-After"))
        if status != HTTPStatus.OK:
            mend: dict[int, str] = {
                HTTPStatus.UNAUTHORIZED: "is the token the right one?",
                HTTPStatus.FORBIDDEN: "may the token read this?",
            }
            raise VendorRefusedError(status, mend.get(status, "it does not give what the payload names"))
        read = bytearray()
        async for piece in response.content.iter_any():
            read += piece
            if len(read) > ANSWER_BYTES:
                raise VendorRefusedError(status, f"with more than {ANSWER_BYTES:,} bytes")
        self._back_off_s = _BACK_OFF_S[0]
        try:
            return orjson.loads(bytes(read))
        except orjson.JSONDecodeError:
            raise VendorRefusedError(status, "with something that is no JSON: is `url` the API's?") from None

    def _away(self, problem: str, retry_after: str | None) -> VendorAwayError:
        asked_s = float(retry_after) if retry_after and re.fullmatch(r"\d{1,6}", retry_after) else 0.0
        wait_s = max(asked_s, self._back_off_s)
        self._back_off_s = min(self._back_off_s * 2, _BACK_OFF_S[1])
        self._not_before = self._clock() + wait_s
        return VendorAwayError(problem, wait_s)
