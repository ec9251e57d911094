"""Lets requests in or refuses them: by their rate, the host name, the sign-in, and what they may change.

Every request passes here before its route. Whatever is not listed as open needs a sign-in, also paths that do not
exist: a new route is closed until it is listed here. Decisions follow the route that aiohttp has chosen, never the text
of the path, so that no spelling of a path gets around them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Literal, NamedTuple
from urllib.parse import urlencode

from aiohttp import ClientPayloadError, web
from aiohttp.http import HttpProcessingError

from dashboards.wallboard.acknowledging import SIGNED_IN_AS
from dashboards.wallboard.addresses import leading_to, page_path
from dashboards.wallboard.login_page import CALLER, NOT_STORED, LoginPage, too_many
from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.security_headers import security_headers
from dashboards.wallboard.sessions import LONG_LIFE_S, Session, Sessions, session_keys
from dashboards.wallboard.sign_in import SignIn, load_sign_in
from schemas.settings import Settings
from streams.monitoring.allowed_hosts import AllowedHosts
from streams.monitoring.peers import Caller
from streams.monitoring.rate_limits import Places, RateLimit

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: The page to sign in on.
LOGIN: Final = "/login"
#: Routes without sign-in, besides those that begin with PUBLIC. Metrics are not among them.
OPEN: Final = frozenset({"/healthz", "/readyz", LOGIN, "/login.css", "/colours.css", "/logout", "/favicon.svg"})
PUBLIC: Final = "/public/"
STREAM: Final = "/api/stream"
#: Forms send them, without a header of ours.
FORMS: Final = frozenset({LOGIN, "/logout"})

#: Streams in all.
STREAMS_AT_MOST: Final = 256
#: The largest body of a request, in bytes.
BODY_AT_MOST: Final = 16_384
#: A body that takes longer is not waited for.
BODY_WITHIN_S: Final = 10.0
#: A stream of somebody whom the proxy has signed in: then the page connects again, and the proxy is asked again.
PROXIED_STREAM_S: Final = 900.0

BEGUN: Final = web.RequestKey("begun", web.StreamResponse)

_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_SIGN_IN: Final = "sign in first: with a password at /login, or as a program with Authorization: Bearer and the token\n"


class Admission(NamedTuple):
    """How somebody was let in."""

    by: Literal["nothing", "session", "token", "proxy"]
    session: Session | None = None


class Door:
    """The middlewares of the wallboard, its headers, and the page to sign in on."""

    def __init__(
        self,
        hosts: AllowedHosts,
        sign_in: SignIn | None = None,
        requests: RateLimit | None = None,
        streams: Places | None = None,
        sessions: Sessions | None = None,
    ) -> None:
        """`hosts`: the names that are answered. Without `sign_in` everybody on this machine is let in."""
        sign_in = SignIn() if sign_in is None else sign_in
        self.hosts = hosts
        self._sign_in = sign_in
        self._requests = RateLimit(20, 60) if requests is None else requests  # an unused limit is empty, so false
        self._streams = Places(STREAMS_AT_MOST, STREAMS_AT_MOST) if streams is None else streams
        self.sessions = Sessions(_keys(sign_in)) if sessions is None else sessions
        self.login = LoginPage(sign_in, self.sessions, admitted=lambda request: self._admit(request) is not None)
        #: In this order: the first refuses without looking at much.
        self.middlewares = (self._limit_rate, hosts.guard, self._let_in)

    def add_routes(self, app: web.Application) -> None:
        """Give an application the page to sign in on, and headers to every answer."""
        app.on_response_prepare.append(self._add_headers)
        app.router.add_get("/api/session", self._tell_session)
        self.login.add_routes(app)

    async def _tell_session(self, request: web.Request) -> web.Response:
        """Tell the page how somebody was let in, so that it offers *Sign out* if that is possible."""
        admission = self._admit(request)
        told = {"by": None if admission is None else admission.by, "user": _caller(request).user}
        return web.json_response(told, headers=NOT_STORED)

    @web.middleware
    async def _limit_rate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[CALLER] = self._sign_in.proxies.caller(request)
        # A page's stream that is refused stays away for good, and so do its files, of which it loads dozens at once: of
        # both only what is not let in counts.
        route = _route(request)
        free = route == STREAM or (route in ASSETS and self._admit(request) is not None)
        if not free and (refused := self._too_many(request)) is not None:
            return refused
        return await handler(request)

    def _too_many(self, request: web.Request) -> web.Response | None:
        wait_s = self._requests.take(_caller(request).address)
        if not wait_s:
            return None
        return (
            self.login.too_many(request, wait_s) if _route(request) == LOGIN else too_many("too many requests", wait_s)
        )

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        route = _route(request)
        request[SIGNED_IN_AS] = _caller(request).user
        admission = self._admit(request)
        if self._has_token(request):
            if admission is not None:
                return _without_token(request)
            if self._sign_in.is_token(request.query["token"]):
                return self._exchange(request)
        if admission is None and not self._is_open(route):
            return self._refuse(request)
        if request.method not in _READING:
            if (problem := self._sending_problem(request, route)) is not None:
                return web.Response(status=403, text=f"{problem}\n")
            await _read_body(request)
        if route == STREAM and admission is not None:
            return await self._stream(request, handler, admission)
        return await handler(request)

    @staticmethod
    def _is_open(route: str) -> bool:
        return route in OPEN or route.startswith(PUBLIC)

    def _admit(self, request: web.Request) -> Admission | None:
        """Return how a request is let in; None if it is refused."""
        sign_in = self._sign_in
        if not sign_in.needed:
            return Admission("nothing")
        if _caller(request).user is not None:
            return Admission("proxy")
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":  # who names a token is judged by it alone
            return Admission("token") if sign_in.is_token(given.strip()) else None
        session = self.login.session_of(request)
        return None if session is None else Admission("session", session)

    def _has_token(self, request: web.Request) -> bool:
        """Tell whether a page's address contains a token; it is looked for in addresses of pages only."""
        is_page = request.method == "GET" and page_path(request.path) is not None
        return is_page and self._sign_in.needed and "token" in request.query

    def _exchange(self, request: web.Request) -> web.Response:
        """Redirect to the page without the token in its address, with a session cookie instead."""
        response = _without_token(request)
        self.login.begin_session(request, response, "token", LONG_LIFE_S)
        return response

    def _refuse(self, request: web.Request) -> web.Response:
        """Refuse without a sign-in: a page redirects to the sign-in page, everything else is answered 401."""
        if _route(request) == STREAM and (refused := self._too_many(request)) is not None:
            return refused
        if request.method in {"GET", "HEAD"} and page_path(request.path) is not None and self._sign_in.by_page:
            return web.Response(status=303, headers={"Location": self.login.address(request), **NOT_STORED})
        headers = {"WWW-Authenticate": 'Bearer realm="pulssi"', **NOT_STORED}
        return web.Response(status=401, text=_SIGN_IN, headers=headers)

    def _sending_problem(self, request: web.Request, route: str) -> str | None:
        """Say why a request must not change anything; None if it may. Pages of other sites may not."""
        host = request.headers.get("Host", "")
        for origin in request.headers.getall("Origin", []):
            if not self.hosts.allows_origin(origin, host):
                return "a page of another site must not send this: PULSSI_ALLOWED_HOSTS names those that may"
        if request.headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
            return "a page of another site must not send this"
        if route not in FORMS and request.headers.getall("X-Pulssi", []) != ["1"]:
            return "needs the header X-Pulssi: 1, which no form of another site can send"
        return None

    async def _stream(self, request: web.Request, handler: Handler, admission: Admission) -> web.StreamResponse:
        """Run a stream within the limits of streams, and end it with its session."""
        address = _caller(request).address
        if (problem := self._streams.refusal(address)) is not None:
            return web.Response(status=503, text=f"{problem}\n", headers={"Retry-After": "5"})
        if request.method == "HEAD":  # there is no end to wait for
            return web.Response(content_type="text/event-stream", headers=NOT_STORED)
        try:
            with self._streams.taken(address):
                async with asyncio.timeout(self._stream_seconds(admission)) as limit:

                    def end() -> None:
                        if not limit.expired():
                            limit.reschedule(-math.inf)

                    with self._ending_with(admission.session, end):
                        return await handler(request)
        except TimeoutError:
            begun: web.StreamResponse | None = request.get(BEGUN)
            return web.Response(status=401, text=_SIGN_IN) if begun is None else begun  # what was sent ends here

    def _ending_with(self, session: Session | None, end: Callable[[], None]) -> AbstractContextManager[None]:
        return nullcontext() if session is None else self.sessions.calling(session, end)

    def _stream_seconds(self, admission: Admission) -> float | None:
        if admission.session is not None:
            return self.sessions.seconds_left(admission.session)
        return PROXIED_STREAM_S if admission.by == "proxy" else None

    @staticmethod
    async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
        request[BEGUN] = response
        caller: Caller | None = request.get(CALLER)
        response.headers.update(security_headers(_route(request), https=caller is not None and caller.https))


def _keys(sign_in: SignIn) -> dict[Literal["password", "token"], bytes]:
    key = sign_in.session_key
    return session_keys(
        None if key is None else key.get_secret_value().encode(),
        {"password": sign_in.password_hash.get_secret_value(), "token": sign_in.token.get_secret_value()},
    )


def _route(request: web.Request) -> str:
    """Return the chosen route's pattern; empty if none fits the path and the method."""
    resource = request.match_info.route.resource
    return "" if resource is None else resource.canonical


def _caller(request: web.Request) -> Caller:
    caller: Caller = request[CALLER]
    return caller


def _without_token(request: web.Request) -> web.Response:
    """Redirect to the same page without the token in its address, and never elsewhere."""
    rest = urlencode([(key, value) for key, value in request.query.items() if key != "token"], safe=",")
    path = page_path(request.path, f"?{rest}" if rest else "") or "/"
    return web.Response(status=303, headers={"Location": leading_to(request, path), **NOT_STORED})


async def _read_body(request: web.Request) -> None:
    """Read the whole body, so that no handler waits for a slow one. Raises an HTTPException."""
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body took too long\n", headers={"Connection": "close"}) from None
    except (web.RequestPayloadError, HttpProcessingError, ClientPayloadError):
        raise web.HTTPBadRequest(text="the body cannot be read\n", headers={"Connection": "close"}) from None


def make_door(settings: Settings, hosts: AllowedHosts) -> Door:
    """Make the door that the settings describe. Raises ConfigurationError."""
    return Door(
        hosts,
        load_sign_in(settings),
        RateLimit(settings.wallboard_requests_per_second, settings.wallboard_request_burst),
        Places(STREAMS_AT_MOST, settings.wallboard_streams_per_address),
    )
