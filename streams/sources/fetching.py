"""Asks the vendor's API for what a payload leaves out, at the account's rate; for what never changes only once.

The vendor waits for the gateway while the gateway waits for the API. So if an answer will take long, VendorAwayError is
raised at once, with the seconds to wait.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import orjson

from streams.monitoring.rate_limits import RateLimit
from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.vendor_connection import VendorAwayError, VendorConnection

#: How long an answer that never changes is kept. Any other one is asked for by each hook: one that is older than the
#: hook may lack what the hook is about.
KEPT_S: Final = 600.0
#: Of the answers that are kept: how many, and the largest in bytes.
KEPT_AT_MOST: Final = 100
KEPT_BYTES: Final = 65_536
#: A page of a hundred long e-mails.
ANSWER_BYTES: Final = 16 * 1024 * 1024
#: If the account's rate would make a request wait longer, it is given up at once.
PATIENCE_S: Final = 3.0
_AT_ONCE: Final = 4
_TIMEOUT_S: Final = 10.0
_BACK_OFF_S: Final = (1.0, 60.0)


class Fetcher:
    """The API of one account (a `VendorApi`)."""

    def __init__(
        self, account: Account, session: aiohttp.ClientSession, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connection = VendorConnection(account, largest=ANSWER_BYTES)
        self._session = session
        self._clock = clock
        per_minute = self._connection.requests_per_minute
        self._pace = RateLimit(per_minute / 60, max(1, per_minute // 6), clock=clock)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._kept: OrderedDict[Request, tuple[float, Any]] = OrderedDict()
        self._under_way: dict[Request, asyncio.Task[Any]] = {}
        self._not_before = 0.0
        self._back_off_s = _BACK_OFF_S[0]

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
        while (wait_s := max(0.0, self._not_before - self._clock()) or self._pace.take("")) > 0:
            if wait_s > PATIENCE_S:
                raise VendorAwayError("the vendor's API may be asked no more often now", wait_s)
            await asyncio.sleep(wait_s)
        try:
            async with self._places, asyncio.timeout(_TIMEOUT_S):
                answer = await self._connection.ask(self._session, method, request, body)
        except TimeoutError:
            raise self._away("the vendor's API does not answer in time", None) from None
        except VendorAwayError as error:
            raise self._away(str(error), error.after_s) from None
        self._back_off_s = _BACK_OFF_S[0]
        return answer.json

    def _away(self, problem: str, asked_s: float | None) -> VendorAwayError:
        wait_s = max(asked_s or 0.0, self._back_off_s)
        self._back_off_s = min(self._back_off_s * 2, _BACK_OFF_S[1])
        self._not_before = self._clock() + wait_s
        return VendorAwayError(problem, wait_s)
