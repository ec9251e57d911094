"""Polls the states of Puzzel's queues: how many contacts wait now, and how many agents are available.

A log-in with user and password gives a token, which is used until it expires or is refused. The next token is requested
with the log-in's session, or else by another log-in. This makes only source gauges; calls come from Raw data.
"""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any, Final

import orjson
from pydantic import SecretStr

from streams.sources.accounts import Account
from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.pages import Page, VendorPayload, VendorRefusedError
from streams.sources.following.follower import FollowedApi, FollowError
from streams.sources.vendor_values import ms_of, time_of
from streams.times import now_ms

API: Final = "https://api.puzzel.com/ContactCentre5"
LOGIN: Final = "https://auth.puzzel.com/api/Authenticate"
EVERY_MS: Final = 15_000
#: A token is renewed so long before it expires, unless it lasts less than twice that.
RENEWED_BEFORE_S: Final = 60.0
#: Wait after a refused password: Puzzel may lock out a user after several.
AGAIN_REFUSED_S: Final = 300.0
AGAIN_S: Final = 60.0

_UNAUTHORIZED: Final = 401
#: Statuses that may mean a wrong customer key, user or password.
_WRONG: Final = frozenset({400, _UNAUTHORIZED, 403})
#: The characters that a header can carry: anything else is not a token.
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")

_LOG: Final = logging.getLogger(__name__)


async def follow_queues(account: Account, api: FollowedApi) -> AsyncIterator[Page]:
    """Yield the queues' states for ever, a payload for each queue. Raises FollowError."""
    loop, every_s = asyncio.get_running_loop(), (account.entry.every or EVERY_MS) / 1000
    has_said_none, puzzel = False, _Puzzel(account, api)
    while True:
        begun = loop.time()
        queues, polled_at = await puzzel.queues(), now_ms()
        if not queues and not has_said_none:
            _LOG.warning("%s: Puzzel shows its user no queue: give the user the right to see them", account.path)
        has_said_none = not queues
        yield Page(tuple(_payload(each) for each in queues), {}, polled_at=polled_at)
        await asyncio.sleep(max(0.0, begun + every_s - loop.time()))


def _payload(queue: Any) -> VendorPayload:  # noqa: ANN401 - JSON
    number = queue.get("id") if isinstance(queue, dict) else None
    place = f"queue {number}" if isinstance(number, int) else "queues"
    return VendorPayload("queue_state", orjson.dumps(queue), place)


class _RefusedError(Exception):
    """Puzzel refuses the token or the request; the message says why in one line."""


class _Puzzel:
    """Puzzel's API for one account, with its token."""

    def __init__(self, account: Account, api: FollowedApi) -> None:
        self._account = account
        self._base = account.entry.url or API
        self._api = api
        #: When to renew the token, by the loop's clock.
        self._renewed_at_s = -math.inf
        #: The log-in's session, with which Puzzel's API gives another token without the password.
        self._session: dict[str, Any] | None = None
        self._user = ""

    async def queues(self) -> list[Any]:
        """Return the queues of an answer. One of an unexpected form is returned as one queue, for a dead letter."""
        if asyncio.get_running_loop().time() >= self._renewed_at_s:
            await self._renew()
        path = f"/{self._account.entry.customer_key}/visualqueues/stateinformation/All"
        request = Request(path, (("userId", self._user),), base=self._base)
        try:
            answer = await self._ask(request)
        except _RefusedError:
            await self._renew()
            try:
                answer = await self._ask(request)
            except _RefusedError as error:
                raise self._fault(f"{error}, also with a new token: may the user see the queues?") from None
        found = answer.get("result") if isinstance(answer, dict) else None
        return found if isinstance(found, list) else [answer]

    async def _ask(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return an answer. Raises _RefusedError if another token may help, FollowError for any other refusal."""
        try:
            answer = await self._api.get(request)
        except VendorRefusedError as error:
            if error.status == _UNAUTHORIZED:
                raise _RefusedError("Puzzel refuses the token") from None
            raise self._fault(f"{error}; check `customer_key`, and the user's rights") from None
        code = answer.get("code", 0) if isinstance(answer, dict) else 0
        if code != 0:  # its message may contain names of people: only the code is reported
            raise _RefusedError(f"Puzzel answers with the error code {code if isinstance(code, int) else '?'}")
        return answer

    async def _renew(self) -> None:
        """Get another token: by the session of the last log-in, else by a new log-in."""
        session, self._session = self._session, None
        if session is not None:
            try:
                answer = await self._post("/GetAccessToken", session)
                await self._use(_token_of(answer))
            except (VendorRefusedError, _RefusedError):
                pass
            else:
                self._session = session
                return
        await self._log_in()

    async def _log_in(self) -> None:
        entry = self._account.entry
        who = {
            "customerKey": entry.customer_key,
            "userName": entry.user,
            "password": self._account.password.get_secret_value(),
            "clientName": "Pulssi",
            "clientVersion": "1",
        }
        wrong = f"check `customer_key`, `user` and the password in {entry.password_env or entry.password_file}"
        try:
            answer = await self._post("/LogIn", who)
        except VendorRefusedError as error:
            if error.status in _WRONG:
                raise self._fault(f"Puzzel refuses the log-in: {wrong}", AGAIN_REFUSED_S) from None
            raise self._fault(f"Puzzel's log-in answers {error.status}: check `login_url`") from None
        if isinstance(answer, dict) and answer.get("twoFactorRequired") is True:
            raise self._fault("`user` needs a second factor to log in: take a user without one", AGAIN_REFUSED_S)
        try:
            await self._use(_token_of(answer))
        except _RefusedError as error:
            raise self._fault(f"the log-in gives no usable token ({error}): {wrong}", AGAIN_REFUSED_S) from None
        session = answer.get("refreshToken") if isinstance(answer, dict) else None
        if isinstance(session, dict) and {"customerKey", "sessionId"} <= session.keys():
            self._session = {name: session[name] for name in ("customerKey", "sessionId")}

    async def _post(self, path: str, body: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
        self._api.use_token(SecretStr(""))
        return await self._api.post(Request(path, base=self._account.entry.login_url or LOGIN), body)

    async def _use(self, token: SecretStr) -> None:
        """Use a token from now on, after asking for its user and its expiry. Raises _RefusedError."""
        self._api.use_token(token)
        answer = await self._ask(Request("/accesstokeninformation", base=self._base))
        told = answer.get("result") if isinstance(answer, dict) else None
        told = told if isinstance(told, dict) else {}
        user = told.get("userId")
        if isinstance(user, bool) or not isinstance(user, int):
            raise _RefusedError("Puzzel does not say whose token it is")
        self._user = str(user)
        lasts_s = _lasts_s(told.get("accessTokenExpiry"))
        # A token that has nearly expired by our clock is used until Puzzel refuses it: the clocks may differ.
        is_for_long = lasts_s > 2 * RENEWED_BEFORE_S
        self._renewed_at_s = asyncio.get_running_loop().time() + lasts_s - RENEWED_BEFORE_S if is_for_long else math.inf

    def _fault(self, problem: str, again_after_s: float = AGAIN_S) -> FollowError:
        return FollowError(f"{self._account.path}: {problem}", again_after_s=again_after_s)


def _token_of(answer: Any) -> SecretStr:  # noqa: ANN401 - JSON
    """Return the token of an answer. A log-in gives an object; a renewal gives only the token."""
    token = answer.get("accessToken", answer.get("result")) if isinstance(answer, dict) else answer
    if not isinstance(token, str) or _TOKEN.fullmatch(token) is None:
        raise _RefusedError("the answer has no token")
    return SecretStr(token)


def _lasts_s(expiry: Any) -> float:  # noqa: ANN401 - JSON
    """Return how many seconds a token lasts; 0 if that is unknown."""
    try:
        return (ms_of(time_of(expiry, "accessTokenExpiry", UTC)) - now_ms()) / 1000
    except UnmappableError:
        return 0.0
