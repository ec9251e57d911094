"""The page to sign in on, and the way out: a form that works without scripts, and cookies that only we can make.

Who tries passwords is slowed down, by address and in all, and a check that costs memory is never queued. The page leads
to pages of the wallboard only, whatever its address says. No answer tells whether it was the password or the token that
was wrong.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from html import escape
from importlib.resources import files
from string import Template
from typing import Final, TypedDict
from urllib.parse import parse_qs, quote

from aiohttp import web

from dashboards.wallboard.passwords import BusyError, PasswordCheck
from dashboards.wallboard.sessions import LONG_LIFE_S, SHORT_LIFE_S, Kind, Session, Sessions
from dashboards.wallboard.sign_in import SignIn
from streams.monitoring.peers import Caller
from streams.monitoring.rate_limits import RateLimit

#: Failures of one address: five at once, then one each 20 seconds.
FAILURES: Final = (1 / 20, 5)
#: Failures of all together: a crowd of addresses tries no faster.
FAILURES_IN_ALL: Final = (1.0, 30)

#: Of a request: who asks.
CALLER: Final = web.RequestKey("caller", Caller)
NOT_STORED: Final = {"Cache-Control": "no-store"}

_COOKIE: Final = "pulssi_session"
#: Browsers take a cookie of this name from this very host by https alone, so that no other name can plant one.
_HTTPS_COOKIE: Final = "__Host-pulssi_session"

_PAGE: Final = re.compile(r"/(?:board/[a-z0-9-]{1,64})?")
_QUERY: Final = re.compile(r"\?[A-Za-z0-9_=&,.-]{1,200}")
_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS_AT_MOST: Final = 10
_EVERYBODY: Final = "all"

_WRONG: Final = "That was not right. Try again."
_FOR_TV: Final = "stay signed in on this screen for 30 days"

_LOG: Final = logging.getLogger(__name__)


def page_path(path: str, query: str = "") -> str | None:
    """Give the address of a page of the wallboard, such as `/board/sales?window=5m`; None where it is none.

    A query that no page has is left out.
    """
    if _PAGE.fullmatch(path) is None:
        return None
    return path + query if _QUERY.fullmatch(query) else path


def page_or_root(address: str) -> str:
    """Give a page's address as it is, and the first page for anything else: nobody is led to another site."""
    path, mark, query = address.partition("?")
    return page_path(path, mark + query) or "/"


def too_many(problem: str, wait_s: float) -> web.Response:
    """Answer 429, with the time after which it may be tried again."""
    headers = {"Retry-After": str(max(1, math.ceil(wait_s))), **NOT_STORED}
    return web.Response(status=429, text=f"{problem}: try again in {headers['Retry-After']} s\n", headers=headers)


class LoginPage:
    """`/login` and `/logout`, and the cookies of sessions."""

    def __init__(self, sign_in: SignIn, sessions: Sessions, admitted: Callable[[web.Request], bool]) -> None:
        """`admitted` tells whether a request is let in already."""
        self._sign_in = sign_in
        self._sessions = sessions
        self._admitted = admitted
        has_password = bool(sign_in.password_hash.get_secret_value())
        self.checks = PasswordCheck(sign_in.password_hash) if has_password else None
        self._what = "Password" if has_password else "Token"
        self.failures = RateLimit(*FAILURES)
        self.failures_in_all = RateLimit(*FAILURES_IN_ALL)
        folder = files(__package__).joinpath("login")
        self._page = Template(folder.joinpath("login.html").read_text("utf-8"))
        self._style = folder.joinpath("login.css").read_bytes()

    def add_routes(self, app: web.Application) -> None:
        """Add the page, its style, and the way out."""
        app.router.add_get("/login", self._show)
        app.router.add_post("/login", self._take)
        app.router.add_get("/login.css", self._serve_style)
        app.router.add_post("/logout", self._leave)

    @staticmethod
    def address(request: web.Request) -> str:
        """Give the address of the page to sign in on, which leads back to the page that was asked for."""
        query = request.rel_url.raw_query_string
        asked = page_path(request.path, f"?{query}" if query and "token" not in request.query else "") or "/"
        return "/login" if asked == "/" else f"/login?next={quote(asked, safe='/')}"

    def session_of(self, request: web.Request) -> Session | None:
        """Give the session of a request's cookie; None where there is none that holds."""
        cookie = request.cookies.get(_cookie_name(request))
        return None if cookie is None else self._sessions.read(cookie)

    def begin_session(self, request: web.Request, response: web.Response, kind: Kind, life_s: int) -> None:
        """Begin a session, whatever cookie came; one that came and holds is ended."""
        if (former := self.session_of(request)) is not None:
            self._sessions.end(former)
        _, cookie = self._sessions.begin(kind, life_s)
        response.set_cookie(_cookie_name(request), cookie, max_age=life_s, **_cookie_rules(request))

    async def _show(self, request: web.Request) -> web.Response:
        asked = page_or_root(request.query.get("next", "/"))
        if self._admitted(request):
            return _leading_to(asked)
        return self._answer(asked, status=200)

    async def _take(self, request: web.Request) -> web.Response:
        """Judge what somebody signs in with."""
        if request.content_type != _FORM:
            return web.Response(status=415, text=f"send the form as {_FORM}\n", headers=NOT_STORED)
        try:
            fields = parse_qs((await request.read()).decode(), max_num_fields=_FIELDS_AT_MOST, errors="strict")
        except ValueError:
            return web.Response(status=400, text="the form cannot be read\n", headers=NOT_STORED)
        asked = page_or_root(fields.get("next", ["/"])[-1])
        if not self._sign_in.needed:
            return _leading_to(asked)
        address = _address(request)
        if wait_s := self.failures.take(address):
            return too_many("too many attempts", wait_s)
        if wait_s := self.failures_in_all.take(_EVERYBODY):
            self.failures.give_back(address)
            return too_many("too many attempts", wait_s)
        try:
            kind = await self._kind(fields.get("password", [""])[-1])
        except BusyError:
            self._forgive(address)
            return too_many("too many attempts at once", 1)
        if kind is None:
            _LOG.warning("somebody failed to sign in to the wallboard")
            return self._answer(asked, status=401, problem=_WRONG)
        self._forgive(address)
        response = _leading_to(asked)
        self.begin_session(request, response, kind, LONG_LIFE_S if "tv" in fields else SHORT_LIFE_S)
        return response

    def _forgive(self, address: str) -> None:
        self.failures.give_back(address)
        self.failures_in_all.give_back(_EVERYBODY)

    async def _kind(self, given: str) -> Kind | None:
        """Tell what was given: the token, the password, or neither."""
        if self._sign_in.is_token(given):
            return "token"
        return "password" if self.checks is not None and await self.checks.matches(given) else None

    async def _leave(self, request: web.Request) -> web.Response:
        """End the session, with its streams, and take the cookie away."""
        if (session := self.session_of(request)) is not None:
            self._sessions.end(session)
        response = _leading_to("/login")
        response.set_cookie(_cookie_name(request), "", max_age=0, **_cookie_rules(request))
        return response

    async def _serve_style(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._style, content_type="text/css", charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    def _answer(self, asked: str, *, status: int, problem: str = "") -> web.Response:
        if not self._sign_in.by_page:
            text = "sign in at the proxy that leads to this wallboard: there is no password here\n"
            return web.Response(status=403, text=text, headers=NOT_STORED)
        shown = self._page.substitute(
            what=self._what,
            next=escape(asked),
            problem=f'<p class="problem" id="problem" role="alert">{escape(problem)}</p>' if problem else "",
            invalid=' aria-invalid="true" aria-describedby="problem"' if problem else "",
            tv=_FOR_TV,
        )
        headers = {"WWW-Authenticate": 'Bearer realm="pulssi"'} if status == web.HTTPUnauthorized.status_code else {}
        return web.Response(status=status, text=shown, content_type="text/html", headers={**NOT_STORED, **headers})


def _leading_to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path, **NOT_STORED})


def _by_https(request: web.Request) -> bool:
    caller: Caller = request[CALLER]
    return caller.https


def _address(request: web.Request) -> str:
    caller: Caller = request[CALLER]
    return caller.address


def _cookie_name(request: web.Request) -> str:
    return _HTTPS_COOKIE if _by_https(request) else _COOKIE


class _CookieRules(TypedDict):
    path: str
    httponly: bool
    samesite: str
    secure: bool


def _cookie_rules(request: web.Request) -> _CookieRules:
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": _by_https(request)}
