"""The vendor's API over HTTP: signed in, at the vendor's pace, tried again where that helps.

One request at a time. How fast: `requests_per_minute` of the account or the vendor's, slower where an answer says so.
No redirect is followed, for it would take the token elsewhere. No token and no body is in any error.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import aiohttp
import orjson
from pydantic import SecretStr
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential
from yarl import URL

from schemas.configuration.hook_models import PrivateAddress
from schemas.exits import EndError, Exit
from streams.outbound_addresses import AddressGuard, AddressRefusedError
from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.pages import VendorRefusedError
from streams.sources.backfill.vendor_access import access_of

#: From the first packet to the end of an answer: exports are slow.
TIMEOUT_S: Final = 120.0
#: A vendor that does not answer for so long, or only with errors of its own, ends the command.
GIVE_UP_S: Final = 900.0
#: The longest wait that an answer may ask for, and the longest of our own.
LONGEST_WAIT_S: Final = 300.0
_BACK_OFF_S: Final = 60.0
#: The largest answer that is read.
ANSWER_BYTES: Final = 256 * 1024 * 1024
_TOO_MANY: Final = 429
_OWN_ERRORS: Final = 500
_NOT_FOUND: Final = 404
#: A path that begins so is a whole address.
_ELSEWHERE: Final = ("https://", "http://")
_REDIRECTS: Final = range(300, 400)
_OK: Final = range(200, 300)
#: A number above this is a point in time and no length (2001-09-09).
_POINT_IN_TIME: Final = 1_000_000_000
_PROBLEMS: Final = {
    400: "it does not understand {path}: does the vendor's server have another version?",
    403: "its user may not read {path}: give it the right at the vendor",
    404: "there is no {path}: check `url`",
    410: "{path} does not exist any more",
}


class _AskAgainError(Exception):
    """No answer, or one that may be better later; `after_s`: when the vendor wants to be asked again."""

    def __init__(self, problem: str, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s


class HttpApi:
    """An account's API; `async with` opens and closes its connections."""

    def __init__(
        self,
        account: Account,
        report: Callable[[str], None] = lambda _line: None,
        *,
        give_up_s: float = GIVE_UP_S,
        elsewhere: Sequence[PrivateAddress] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`report` gets a line where it waits for long; `sleep` and `now` (s since 1970) are the clock's.

        `elsewhere`: private addresses at which files may be that an answer names.
        """
        self._account = account
        self._report = report
        self._give_up_s = give_up_s
        self._sleep = sleep
        self._now = now
        access = access_of(account.source)
        self._url = account.entry.url or ""
        self._headers: Mapping[str, str] = {}
        self.use_token(account.token)
        self._between_s = 60 / (account.entry.requests_per_minute or access.requests_per_minute)
        #: When the next request may go out.
        self._next_at = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._elsewhere = elsewhere
        self._session: Any = None
        #: Requests that were answered.
        self.requests = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def use_token(self, token: SecretStr) -> None:
        """Sign in by another token from now on; by none where it is empty."""
        account = self._account
        signs_in = access_of(account.source).headers(account.entry.user or "", token)
        self._headers = {"Accept": "application/json", **signs_in}

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON. Raises VendorRefusedError; EndError where nobody answers, or nothing is set."""
        return await self._answer("GET", request, None)

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Post JSON, and return the answer's, as `get` does."""
        return await self._answer("POST", request, orjson.dumps(body))

    async def _answer(self, method: str, request: Request, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        elsewhere = request.path.startswith(_ELSEWHERE)
        if not (request.base or self._url or elsewhere):
            path = self._account.path
            raise EndError(
                f"{path} needs the vendor's API: set `url` and `token_env` of it in sources.toml", Exit.UNUSABLE
            )
        async with self._one_at_a_time:
            try:
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type(_AskAgainError),
                    stop=stop_after_delay(self._give_up_s),
                    wait=_wait,
                    sleep=self._wait_and_report,
                    reraise=True,
                ):
                    with attempt:
                        return await self._once(method, request, body)
            except _AskAgainError as error:
                raise EndError(f"{self._account.path}: {error}; it was tried long enough", Exit.UNREACHABLE) from None
        return None  # never: either an answer or an error

    async def _wait_and_report(self, seconds: float) -> None:
        if seconds >= _BACK_OFF_S:
            self._report(f"{self._account.path}: waiting {seconds:.0f} s, as the vendor asks for")
        await self._sleep(seconds)

    async def _once(self, method: str, request: Request, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        ahead_s = self._next_at - self._now()
        if ahead_s > 0:
            await self._wait_and_report(min(ahead_s, LONGEST_WAIT_S))
        self._next_at = self._now() + self._between_s
        if request.path.startswith(_ELSEWHERE):
            return await self._file(request.path)
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        try:
            async with self._opened().request(
                method,
                f"{request.base or self._url}{request.path}",
                params=list(request.query),
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as answer:
                self.requests += 1
                told_s = _told_wait_s(answer.headers, self._now())
                self._check(answer.status, request.path, told_s)
                if told_s is not None and _none_left(answer.headers):
                    self._next_at = max(self._next_at, self._now() + told_s)
                content = await _content(answer)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _AskAgainError(f"the vendor's API does not answer ({type(error).__name__})") from None
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError:
            raise VendorRefusedError(answer.status, f"no JSON at {request.path}: check `url`") from None

    def _check(self, status: int, path: str, told_s: float | None) -> None:
        if status in _OK:
            return
        if status == _TOO_MANY or status >= _OWN_ERRORS:
            raise _AskAgainError(f"the vendor's API answers {status}", told_s)
        if status == 401:  # noqa: PLR2004 - the one about the token
            raise VendorRefusedError(status, self._token_problem())
        if status in _REDIRECTS:
            raise VendorRefusedError(status, "it is elsewhere: set `url` to the address that it redirects to")
        raise VendorRefusedError(status, _PROBLEMS.get(status, "{path} is refused").format(path=path))

    def _token_problem(self) -> str:
        entry = self._account.entry
        where = entry.token_env or (f"the file {entry.token_file}" if entry.token_file else "")
        if not where:
            return f"it wants a token: set `token_env` of {self._account.path}"
        user = " and `user`" if entry.user else ""
        return f"the token is not accepted: check {where}{user} of {self._account.path}"

    async def _file(self, address: str) -> Any:  # noqa: ANN401 - JSON
        """Return the JSON of a file that an answer named: no token goes there, and it must be at a public address."""
        parts = urlsplit(address)
        allowed = parts.scheme == "https" or any(each.host == parts.hostname for each in self._elsewhere)
        if not allowed or not parts.hostname:
            raise VendorRefusedError(_NOT_FOUND, "an answer names a file at an address that is not https")
        guard = AddressGuard(parts.hostname, self._elsewhere)
        connector = aiohttp.TCPConnector(use_dns_cache=False, socket_factory=guard.socket)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=10.0)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.get(URL(address, encoded=True), allow_redirects=False) as answer,
            ):
                self.requests += 1
                self._check(answer.status, "the file that an answer names", None)
                return orjson.loads(await _content(answer))
        except orjson.JSONDecodeError:
            raise VendorRefusedError(_NOT_FOUND, "the file that an answer names is no JSON") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), AddressRefusedError):
                raise VendorRefusedError(
                    _NOT_FOUND, "an answer names a file at an address that is not public"
                ) from None
            raise _AskAgainError(f"the file that an answer names cannot be read ({type(error).__name__})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=10.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
            )
        session: aiohttp.ClientSession = self._session
        return session


async def _content(answer: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > ANSWER_BYTES:
            raise VendorRefusedError(answer.status, f"an answer of more than {ANSWER_BYTES:,} bytes")
        parts.append(part)
    return b"".join(parts)


_BACK_OFF: Final = wait_random_exponential(multiplier=1.0, max=_BACK_OFF_S)


def _wait(state: RetryCallState) -> float:
    """Wait as long as the vendor says, else longer each time."""
    error = state.outcome.exception() if state.outcome is not None else None
    told_s = getattr(error, "after_s", None)
    return float(_BACK_OFF(state)) if told_s is None else min(float(told_s), LONGEST_WAIT_S)


def _told_wait_s(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how long the vendor wants to be left alone: a number of seconds, a point in time, or a date."""
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
            except ValueError:
                continue
        if seconds == seconds:  # noqa: PLR0124 - NaN is what differs from itself
            return max(0.0, seconds)
    return None


def _none_left(headers: Mapping[str, str]) -> bool:
    names = ("ratelimit-remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining")
    return any(headers.get(name, "").strip() == "0" for name in names)
