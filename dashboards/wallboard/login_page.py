"""The pages to sign in and to sign out: a form that works without scripts, and signed session cookies.

Failed sign-ins are limited for each address and in all, and a password check, which costs memory, is never queued. The
page redirects to pages of the wallboard only, whatever its address says. No answer tells whether it was the password or
the token that was wrong.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final, TypedDict
from urllib.parse import parse_qs

from aiohttp import web

from dashboards.wallboard.addresses import (
    in_language,
    language_asked,
    leading_to,
    page_or_root,
    page_path,
    sign_in_path,
)
from dashboards.wallboard.passwords import BusyError, PasswordCheck
from dashboards.wallboard.sessions import LONG_LIFE_S, SHORT_LIFE_S, Kind, Session, Sessions
from dashboards.wallboard.sign_in import SignIn
from dashboards.wallboard.sign_in_form import SignInForm
from dashboards.wallboard.words import Words, accepted, known
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
#: Such a cookie has to be for all paths of a host. Below a path it is kept from what else the host serves.
_HTTPS_COOKIE_BELOW: Final = "__Secure-pulssi_session"

_FORM: Final = "application/x-www-form-urlencoded"
_FIELDS_AT_MOST: Final = 10
_EVERYBODY: Final = "all"

_LOG: Final = logging.getLogger(__name__)


def too_many(problem: str, wait_s: float) -> web.Response:
    """Return an answer 429 that says when to try again."""
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
        self.failures = RateLimit(*FAILURES)
        self.failures_in_all = RateLimit(*FAILURES_IN_ALL)
        self._form = SignInForm()

    def add_routes(self, app: web.Application) -> None:
        """Add the routes of the page, its style, and `/logout`."""
        app.router.add_get("/login", self._show)
        app.router.add_post("/login", self._take)
        app.router.add_get("/login.css", self._serve_style)
        app.router.add_post("/logout", self._leave)

    @staticmethod
    def address(request: web.Request) -> str:
        """Return the address of the sign-in page, which redirects back to the requested page."""
        query = request.rel_url.raw_query_string
        asked = page_path(request.path, f"?{query}" if query and "token" not in request.query else "") or "/"
        return leading_to(request, sign_in_path(asked))

    def session_of(self, request: web.Request) -> Session | None:
        """Return the session of a request's cookie; None without a valid one."""
        cookie = request.cookies.get(_cookie_name(request))
        return None if cookie is None else self._sessions.read(cookie)

    def begin_session(self, request: web.Request, response: web.Response, kind: Kind, life_s: int) -> None:
        """Begin a session; if the request has a valid one already, that is ended."""
        if (former := self.session_of(request)) is not None:
            self._sessions.end(former)
        _, cookie = self._sessions.begin(kind, life_s)
        response.set_cookie(_cookie_name(request), cookie, max_age=life_s, **_cookie_rules(request))

    def too_many(self, request: web.Request, wait_s: float, asked: str | None = None) -> web.Response:
        """Return the page with status 429, which says when to try again."""
        asked = _asked(request, request.query.get("next", "")) if asked is None else asked
        seconds = max(1, math.ceil(wait_s))
        problem = _words(request, asked).tn(
            "Too many attempts. Try again in {n} second.", "Too many attempts. Try again in {n} seconds.", seconds
        )
        response = self._answer(request, asked, 429, problem)
        response.headers["Retry-After"] = str(seconds)
        return response

    async def _show(self, request: web.Request) -> web.Response:
        asked = _asked(request, request.query.get("next", ""))
        if self._admitted(request):
            return _redirect(request, asked)
        return self._answer(request, asked, 200)

    async def _take(self, request: web.Request) -> web.Response:
        """Check what somebody signs in with."""
        if request.content_type != _FORM:
            return self._unreadable(request, 415)
        try:
            fields = parse_qs((await request.read()).decode(), max_num_fields=_FIELDS_AT_MOST, errors="strict")
        except ValueError:
            return self._unreadable(request, 400)
        asked = _asked(request, fields.get("next", [""])[-1])
        if not self._sign_in.needed:
            return _redirect(request, asked)
        address = _address(request)
        if wait_s := self.failures.take(address):
            return self.too_many(request, wait_s, asked)
        if wait_s := self.failures_in_all.take(_EVERYBODY):
            self.failures.give_back(address)
            return self.too_many(request, wait_s, asked)
        try:
            kind = await self._kind(fields.get("password", [""])[-1])
        except BusyError:
            self._forgive(address)
            return self.too_many(request, 1, asked)
        if kind is None:
            _LOG.warning("somebody failed to sign in to the wallboard")
            return self._answer(request, asked, 401, _words(request, asked).t("That was not right. Try again."))
        self._forgive(address)
        response = _redirect(request, asked)
        self.begin_session(request, response, kind, LONG_LIFE_S if "tv" in fields else SHORT_LIFE_S)
        return response

    def _unreadable(self, request: web.Request, status: int) -> web.Response:
        words = _words(request, "/")
        return self._answer(request, "/", status, words.t("The form could not be read. Send it again."))

    def _forgive(self, address: str) -> None:
        self.failures.give_back(address)
        self.failures_in_all.give_back(_EVERYBODY)

    async def _kind(self, given: str) -> Kind | None:
        """Return which of them was given and is right: the token, the password, or neither."""
        if self._sign_in.is_token(given):
            return "token"
        return "password" if self.checks is not None and await self.checks.matches(given) else None

    async def _leave(self, request: web.Request) -> web.Response:
        """End the session and its streams, and delete the cookie."""
        if (session := self.session_of(request)) is not None:
            self._sessions.end(session)
        response = _redirect(request, "/login")
        response.set_cookie(_cookie_name(request), "", max_age=0, **_cookie_rules(request))
        return response

    async def _serve_style(self, _: web.Request) -> web.Response:
        return web.Response(
            body=self._form.style, content_type="text/css", charset="utf-8", headers={"Cache-Control": "no-cache"}
        )

    def _answer(self, request: web.Request, asked: str, status: int, problem: str = "") -> web.Response:
        """Return the page; if neither a password nor a token is set, it says so."""
        words = _words(request, asked)
        if not self._sign_in.by_page:
            what, status = "", 403
            problem = words.t("Sign in at the proxy that leads to this wallboard: there is no password here.")
        else:
            what = words.t("Password") if self.checks is not None else words.t("Token")
        wrong = status == web.HTTPUnauthorized.status_code
        shown = self._form.page(words, asked, problem, what=what, wrong=wrong)
        headers = {"Content-Language": words.language, "Vary": "Accept-Language", **NOT_STORED}
        if wrong:
            headers["WWW-Authenticate"] = 'Bearer realm="pulssi"'
        return web.Response(status=status, text=shown, content_type="text/html", headers=headers)


def _asked(request: web.Request, page: str) -> str:
    """Return the page to redirect to after the sign-in, in the language that this page's address names."""
    page, language = page_or_root(page), known(request.query.get("lang", ""))
    return page if language is None else in_language(page, language)


def _words(request: web.Request, asked: str) -> Words:
    """Return the words in the language that an address names, else in the browser's."""
    return Words(known(language_asked(asked)) or accepted(request.headers.get("Accept-Language", "")))


def _redirect(request: web.Request, path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": leading_to(request, path), **NOT_STORED})


def _address(request: web.Request) -> str:
    caller: Caller = request[CALLER]
    return caller.address


def _cookie_name(request: web.Request) -> str:
    caller: Caller = request[CALLER]
    if not caller.https:
        return _COOKIE
    return _HTTPS_COOKIE_BELOW if caller.path else _HTTPS_COOKIE


class _CookieRules(TypedDict):
    path: str
    httponly: bool
    samesite: str
    secure: bool


def _cookie_rules(request: web.Request) -> _CookieRules:
    caller: Caller = request[CALLER]
    return {"path": f"{caller.path}/", "httponly": True, "samesite": "Lax", "secure": caller.https}
