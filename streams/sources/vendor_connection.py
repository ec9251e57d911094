"""Makes one request to a vendor's API, with the account's token; returns its JSON or raises the vendor's refusal.

The caller decides how often and how long it tries: an import can wait, the gateway cannot, because the vendor waits for
its answer. Redirects are not followed, because they could send the token to another server. Errors contain no token and
no body.
"""

import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import aiohttp
import orjson
from pydantic import SecretStr
from yarl import URL

from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.backfill.vendor_access import access_of

_PATH: Final = re.compile(r"(/[A-Za-z0-9._~:@!$&'()*+,;=%-]+)+/?")
#: Refusals that pass by themselves, like all statuses from 500 on.
_PASSING: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_REDIRECTS: Final = range(300, 400)
_FINE: Final = range(200, 300)
#: The longest wait that an answer may ask for.
LONGEST_WAIT_S: Final = 300.0
#: A number above this is a point in time and no length (2001-09-09).
_POINT_IN_TIME: Final = 1_000_000_000
_PROBLEMS: Final[Mapping[int, str]] = {
    HTTPStatus.BAD_REQUEST: "it does not understand {path}: does the vendor's server have another version?",
    HTTPStatus.FORBIDDEN: "its user may not read {path}: give it the right at the vendor",
    HTTPStatus.NOT_FOUND: "there is no {path}: if it was not deleted, check `url`",
    HTTPStatus.GONE: "{path} does not exist any more",
}


class VendorAwayError(RuntimeError):
    """The vendor's API does not answer now; `after_s` is when to try again, in seconds, None: unknown."""

    def __init__(self, problem: str, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s


class VendorAnswer(NamedTuple):
    """An answer's JSON; and for how many seconds the vendor allows no further request, None: no such limit."""

    json: Any
    pause_s: float | None


class VendorConnection:
    """The API of one account."""

    def __init__(self, account: Account, *, largest: int, now: Callable[[], float] = time.time) -> None:
        """`largest` is the most bytes of an answer; `now` returns the time in seconds since 1970."""
        self._account = account
        self._largest = largest
        self._now = now
        self._base = account.entry.url
        access = access_of(account.source)
        self._headers: Mapping[str, str] = {}
        self.use_token(account.token)
        self.requests_per_minute = account.entry.requests_per_minute or access.requests_per_minute

    def use_token(self, token: SecretStr) -> None:
        """Use another token from now on; none if it is empty."""
        signs_in = access_of(self._account.source).headers(self._account.entry.user or "", token)
        self._headers = {"Accept": "application/json", **signs_in}

    async def ask(
        self, session: aiohttp.ClientSession, method: str, request: Request, body: bytes | None
    ) -> VendorAnswer:
        """Make one request. Raises VendorAwayError, and VendorRefusedError for a refusal that will not pass."""
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        url = self._url(request)
        try:
            async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                wait_s = _told_wait_s(answer.headers, self._now())
                self.check(answer.status, request.path, wait_s)
                content = await content_of(answer, self._largest)
                pause_s = wait_s if _none_left(answer.headers) else None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VendorAwayError(f"the vendor's API does not answer ({type(error).__name__})") from None
        try:
            return VendorAnswer(orjson.loads(content), pause_s)
        except orjson.JSONDecodeError:
            raise VendorRefusedError(answer.status, f"no JSON at {request.path}: check `url`") from None

    def _url(self, request: Request) -> URL:
        """Return the request's URL, which is always below the account's. Raises VendorRefusedError."""
        base = request.base or self._base
        if not base:
            raise VendorRefusedError(HTTPStatus.NOT_FOUND, "its API is needed: set `url` and a token of the account")
        steps = unquote(request.path).split("/")
        if _PATH.fullmatch(request.path) is None or not {".", ".."}.isdisjoint(steps):
            raise VendorRefusedError(HTTPStatus.NOT_FOUND, "the payload gives no address of the API")
        return URL(f"{base}{request.path}", encoded=True).with_query(request.query)

    def check(self, status: int, path: str, wait_s: float | None = None) -> None:
        """Check a status; `path` is what was requested. Raises VendorAwayError or VendorRefusedError."""
        if status in _FINE:
            return
        if status in _PASSING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise VendorAwayError(f"the vendor's API answers {status}", wait_s)
        if status == HTTPStatus.UNAUTHORIZED:
            raise VendorRefusedError(status, self._token_problem())
        if status in _REDIRECTS:
            raise VendorRefusedError(status, "it redirects to another address: set `url` to that")
        raise VendorRefusedError(status, _PROBLEMS.get(status, "{path} is refused").format(path=path))

    def _token_problem(self) -> str:
        entry = self._account.entry
        where = entry.token_env or (f"the file {entry.token_file}" if entry.token_file else "")
        if not where:
            return f"it needs a token: set `token_env` of {self._account.path}"
        user = " and `user`" if entry.user else ""
        return f"the token is not accepted: check {where}{user} of {self._account.path}"


async def content_of(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    """Read an answer of up to `largest` bytes. Raises VendorRefusedError if it is longer."""
    read = bytearray()
    async for piece in answer.content.iter_any():
        read += piece
        if len(read) > largest:
            raise VendorRefusedError(answer.status, f"an answer of more than {largest:,} bytes")
    return bytes(read)


def _told_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how long the vendor wants to be left alone: a number of seconds, a point in time, or a date.

    One wrong header must not end all asking: it is at most LONGEST_WAIT_S.
    """
    for name in ("Retry-After", "ratelimit-reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset"):
        value = headers.get(name)
        if value is None:
            continue
        try:
            number = float(value)
            seconds = number - now_s if number > _POINT_IN_TIME else number
        except ValueError:
            try:
                seconds = parsedate_to_datetime(value).timestamp() - now_s
            except (ValueError, OverflowError):  # a zone of years
                continue
        if seconds == seconds:  # noqa: PLR0124 - NaN is what differs from itself
            return min(max(0.0, seconds), LONGEST_WAIT_S)
    return None


def _none_left(headers: Mapping[str, str]) -> bool:
    names = ("ratelimit-remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining")
    return any(headers.get(name, "").strip() == "0" for name in names)
