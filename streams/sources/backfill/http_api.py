"""The vendor's API as an import, a follower or a replay asks it: at the vendor's pace, again where that helps.

One request at a time. How fast: `requests_per_minute` of the account or the vendor's, slower where an answer says so.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
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
from streams.sources.vendor_connection import LONGEST_WAIT_S, VendorAwayError, VendorConnection, content_of
from streams.sources.vendor_silence import SAID_AFTER_S, VendorSilence

#: From the first packet to the end of an answer: exports are slow.
TIMEOUT_S: Final = 120.0
#: A vendor that does not answer for so long, or only with errors of its own, ends the command.
GIVE_UP_S: Final = 900.0
_BACK_OFF_S: Final = 60.0
#: The largest answer that is read.
ANSWER_BYTES: Final = 256 * 1024 * 1024
_NOT_FOUND: Final = 404
#: A path that begins so is a whole address.
_ELSEWHERE: Final = ("https://", "http://")


class HttpApi:
    """An account's API; `async with` opens and closes its connections."""

    def __init__(
        self,
        account: Account,
        report: Callable[[str], None] = lambda _line: None,
        *,
        give_up_s: float = GIVE_UP_S,
        away: Callable[[str], None] | None = None,
        away_after_s: float = SAID_AFTER_S,
        elsewhere: Sequence[PrivateAddress] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`report` gets a line where it waits for long; `sleep` and `now` (s since 1970) are the clock's.

        `away` gets a line when the API has not answered for `away_after_s`; None: `report` gets it.
        `elsewhere`: private addresses at which files may be that an answer names.
        """
        self._account = account
        self._report = report
        self._give_up_s = give_up_s
        self._sleep = sleep
        self._now = now
        self._connection = VendorConnection(account, largest=ANSWER_BYTES, now=now)
        self._silence = VendorSilence(away or (lambda line: report(f"{account.path}: {line}")), now, away_after_s)
        #: When the next request may go out.
        self._next_at = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._elsewhere = elsewhere
        self._session: Any = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._silence.end()
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def use_token(self, token: SecretStr) -> None:
        """Use another token from now on; none if it is empty."""
        self._connection.use_token(token)

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Return the answer's JSON. Raises VendorRefusedError; EndError where nobody answers, or nothing is set."""
        return await self._answer("GET", request, None)

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Post JSON, and return the answer's, as `get` does."""
        return await self._answer("POST", request, orjson.dumps(body))

    async def _answer(self, method: str, request: Request, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        elsewhere = request.path.startswith(_ELSEWHERE)
        if not (request.base or self._account.entry.url or elsewhere):
            path = self._account.path
            raise EndError(
                f"{path} needs the vendor's API: set `url` and `token_env` of it in sources.toml", Exit.UNUSABLE
            )
        async with self._one_at_a_time:
            try:
                async for attempt in AsyncRetrying(
                    retry=retry_if_exception_type(VendorAwayError),
                    stop=stop_after_delay(self._give_up_s),
                    wait=_wait,
                    sleep=self._wait_and_report,
                    reraise=True,
                ):
                    with attempt:
                        return await self._once(method, request, body)
            except VendorAwayError as error:
                self._silence.end()
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
        self._next_at = self._now() + 60 / self._connection.requests_per_minute
        self._silence.begin()
        try:
            if request.path.startswith(_ELSEWHERE):
                found = await self._file(request.path)
            else:
                found = await self._asked(method, request, body)
        except VendorAwayError as error:
            self._silence.note(str(error))
            raise
        except VendorRefusedError:
            self._silence.end()
            raise
        self._silence.end()
        return found

    async def _asked(self, method: str, request: Request, body: bytes | None) -> Any:  # noqa: ANN401 - JSON
        answer = await self._connection.ask(self._opened(), method, request, body)
        if answer.pause_s is not None:
            self._next_at = max(self._next_at, self._now() + answer.pause_s)
        return answer.json

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
                self._connection.check(answer.status, "the file that an answer names")
                return orjson.loads(await content_of(answer, ANSWER_BYTES))
        except orjson.JSONDecodeError:
            raise VendorRefusedError(_NOT_FOUND, "the file that an answer names is no JSON") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(getattr(error, "os_error", error), AddressRefusedError):
                raise VendorRefusedError(
                    _NOT_FOUND, "an answer names a file at an address that is not public"
                ) from None
            raise VendorAwayError(f"the file that an answer names cannot be read ({type(error).__name__})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=10.0),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=True,
            )
        session: aiohttp.ClientSession = self._session
        return session


_BACK_OFF: Final = wait_random_exponential(multiplier=1.0, max=_BACK_OFF_S)


def _wait(state: RetryCallState) -> float:
    """Wait as long as the vendor says, else longer each time."""
    error = state.outcome.exception() if state.outcome is not None else None
    told_s = getattr(error, "after_s", None)
    return float(_BACK_OFF(state) if told_s is None else told_s)
