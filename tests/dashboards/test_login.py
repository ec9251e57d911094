"""The page to sign in on: it leads in with the password alone, slowly where it is wrong, and never to another site."""

import asyncio
import logging
import re
import threading
from functools import partial
from typing import Final

import argon2
import pytest
from pydantic import SecretStr

from dashboards.wallboard.addresses import page_or_root
from dashboards.wallboard.login_page import FAILURES, FAILURES_IN_ALL
from dashboards.wallboard.passwords import CHECKS_AT_ONCE, PASSWORD_AT_MOST, PasswordCheck, hash_password
from dashboards.wallboard.sessions import LONG_LIFE_S, SHORT_LIFE_S
from dashboards.wallboard.sign_in import NONE
from dashboards.wallboard.words import LANGUAGES
from streams.monitoring.peers import TrustedProxies
from streams.monitoring.rate_limits import RateLimit
from tests.dashboards.door_site import (
    PASSWORD,
    PASSWORD_HASH,
    TOKEN,
    Answer,
    DoorSite,
    by_proxy,
    door_site,
    sign_in,
)
from tests.until import until

WRONG: Final = "not the password"


async def _sign_in(site: DoorSite, fields: str, *headers: str) -> Answer:
    body = fields.encode()
    lines = (
        *("POST /login HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"),
        *("Content-Type: application/x-www-form-urlencoded", *headers, "", ""),
    )
    return await site.raw("\r\n".join(lines).encode() + body)


async def test_the_page_is_a_form_that_needs_no_script() -> None:
    """With a label, one field to begin in, and nothing of elsewhere."""
    async with door_site() as site:
        answer = await site.get("/login?next=/board/sales")
        page = answer.body.decode()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert re.search(r'<form method="post" action="login">', page)
        assert '<label for="password">Password</label>' in page
        assert '<input type="hidden" name="next" value="/board/sales">' in page
        assert "<script" not in page
        assert "style=" not in page
        assert 'lang="en"' in page
        assert "form-action 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


async def test_the_right_password_leads_to_the_page_that_was_asked_for() -> None:
    """For a shift, or 30 days on a screen that asks for it; the cookie is for this server alone."""
    async with door_site() as site, site.client() as http:
        async with http.get("/board/sales?window=5m") as answer:
            assert str(answer.url.relative()) == "/login?next=/board/sales?window%3D5m"
            page = await answer.text()
        asked = re.search(r'name="next" value="([^"]*)"', page)
        assert asked is not None
        fields = {"password": PASSWORD, "next": asked[1]}
        async with http.post("/login", data=fields, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./board/sales?window=5m")
            for rule in ("HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={SHORT_LIFE_S}"):
                assert rule in answer.headers["Set-Cookie"]
        async with http.get("/board/sales") as answer:
            assert (answer.status, str(answer.url.relative())) == (200, "/board/sales")
        async with http.get("/login?next=/board/sales", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "./board/sales")
        async with http.post("/login", data={**fields, "tv": "1"}, allow_redirects=False) as answer:
            assert f"Max-Age={LONG_LIFE_S}" in answer.headers["Set-Cookie"]
        site.clock.now += LONG_LIFE_S
        async with http.get("/api/live") as answer:
            assert answer.status == 401


async def test_the_token_opens_the_page_too() -> None:
    """Where there is no password, the page asks for it."""
    async with door_site(sign_in(password_hash=NONE)) as site:
        assert '<label for="password">Token</label>' in (await site.get("/login")).body.decode()
        assert (await _sign_in(site, f"password={TOKEN}")).status == 303
        assert (await _sign_in(site, "password=")).status == 401
    async with door_site(sign_in(token=NONE)) as site:
        assert (await _sign_in(site, f"password={TOKEN}")).status == 401
        assert (await _sign_in(site, "password=")).status == 401


@pytest.mark.parametrize(
    "address",
    [
        *("//evil.example", "https://evil.example", "/\\evil.example", "/board/x//evil.example", "javascript:alert(1)"),
        *("/board/../..//evil.example", "\t//evil.example", "/%2fevil.example", "/login", "/api/live", "", "/board/X"),
        *("/board/sales\r\nSet-Cookie: a=b", "///", "/?token=x\r\n", '"><script>', "/board/" + "a" * 99),
    ],
)
async def test_it_leads_to_no_other_place(address: str) -> None:
    """Whatever the address asks for, after the sign-in one is on the wallboard."""
    led = page_or_root(address)
    assert re.fullmatch(r"/(board/[a-z0-9-]+)?(\?[A-Za-z0-9_=&,.-]+)?", led)
    async with door_site() as site, site.client() as http:
        async with http.get("/login", params={"next": address}) as answer:
            page = await answer.text()
            assert f'name="next" value="{led}"' in page
            assert "<script" not in page
        async with http.post("/login", data={"password": PASSWORD, "next": address}, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, f".{led}")
            assert answer.headers.getall("Set-Cookie")[0].startswith("pulssi_session=1.password.")
            assert len(answer.headers.getall("Set-Cookie")) == 1


async def test_who_tries_passwords_is_slowed_down(caplog: pytest.LogCaptureFixture) -> None:
    """By address, and nobody else with them; the right one costs nothing, and neither is ever repeated."""
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    caplog.set_level(logging.DEBUG)
    async with door_site(ways) as site:
        one, other = (f"X-Forwarded-For: 203.0.113.{number}" for number in (1, 2))
        for _ in range(3 * FAILURES[1]):
            assert (await _sign_in(site, f"password={PASSWORD}", one)).status == 303
        for _ in range(FAILURES[1]):
            answer = await _sign_in(site, f"password={WRONG}", one)
            assert (answer.status, WRONG.encode() in answer.body) == (401, False)
            assert b'role="alert"' in answer.body
        for password in (WRONG, PASSWORD):
            answer = await _sign_in(site, f"password={password}", one)
            assert answer.status == 429
            assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert (await _sign_in(site, f"password={PASSWORD}", other)).status == 303
    assert "failed to sign in" in caplog.text
    assert WRONG not in caplog.text
    assert PASSWORD not in caplog.text
    assert "203.0.113" not in caplog.text


async def test_a_crowd_tries_no_faster() -> None:
    """Each from an address of its own."""
    async with door_site(sign_in(proxies=TrustedProxies("127.0.0.1/32"))) as site:
        told = [
            (await _sign_in(site, f"password={WRONG}", f"X-Forwarded-For: 198.51.100.{number}")).status
            for number in range(2 * FAILURES_IN_ALL[1])
        ]
        assert told[:5] == [401] * 5
        assert 429 in told
        assert len(site.door.login.failures) <= len(told)


def _more_run_than(checks: PasswordCheck, number: int) -> bool:
    return checks.running > number


async def test_checks_of_passwords_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never more at once than may be, also where those who asked hang up; the rest are told to come again."""
    running, most = 0, 0
    lock, go_on = threading.Lock(), threading.Event()
    verify = argon2.PasswordHasher.verify

    def slow(self: argon2.PasswordHasher, *given: bytes | str) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        go_on.wait(20)
        with lock:
            running -= 1
        return verify(self, *given)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", slow)
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    async with door_site(ways) as site:
        checks = site.door.login.checks
        assert checks is not None
        for number in range(CHECKS_AT_ONCE):
            body = f"password={PASSWORD}".encode()
            _, writer = await asyncio.open_connection("127.0.0.1", site.port)
            writer.write(
                f"POST /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 203.0.113.{number}\r\n"
                f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body
            )
            await until(partial(_more_run_than, checks, number))
            writer.transport.abort()
        for number in range(10, 20):
            answer = await _sign_in(site, f"password={PASSWORD}", f"X-Forwarded-For: 203.0.113.{number}")
            assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        go_on.set()
        await until(lambda: not checks.running)
        assert (await _sign_in(site, f"password={PASSWORD}", "X-Forwarded-For: 203.0.113.10")).status == 303
    assert most == CHECKS_AT_ONCE


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 303),
        (("Origin: http://localhost",), 303),
        (("Origin: http://localhost", "Sec-Fetch-Site: same-origin"), 303),
        (("Origin: http://evil.example",), 403),
        (("Origin: null",), 403),
        (("Origin: http://localhost:9999", "Sec-Fetch-Site: same-site"), 403),
        (("Sec-Fetch-Site: cross-site",), 403),
    ],
)
async def test_no_page_of_another_site_signs_anybody_in_or_out(headers: tuple[str, ...], status: int) -> None:
    """Else it could have people look at a wallboard of its choice."""
    async with door_site() as site:
        answer = await _sign_in(site, f"password={PASSWORD}", *headers)
        assert (answer.status, "set-cookie" in answer.headers) == (status, status == 303)
        answer = await site.get("/logout", "Content-Length: 0", *headers, method="POST")
        assert answer.status == status
        assert (await site.get("/logout", *headers)).status in {401, 405}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("password=%ff", "application/x-www-form-urlencoded", 400),
        ("&".join(f"a{number}=1" for number in range(50)), "application/x-www-form-urlencoded", 400),
        (f'{{"password": "{PASSWORD}"}}', "application/json", 415),
        ("--x\r\n\r\n", "multipart/form-data; boundary=x", 415),
        ("password=" + "x" * (PASSWORD_AT_MOST + 1), "application/x-www-form-urlencoded", 401),
        ("", "application/x-www-form-urlencoded", 401),
        ("password=%00", "application/x-www-form-urlencoded", 401),
    ],
)
async def test_a_form_that_is_none_is_refused(body: str, kind: str, status: int) -> None:
    """With what is wrong, and no check where it cannot be right."""
    async with door_site() as site, site.client() as http:
        answer = await http.post("/login", data=body.encode(), headers={"Content-Type": kind})
        assert answer.status == status


async def test_a_password_is_the_same_however_it_is_typed() -> None:
    """Composed letters and those with a mark of their own are one."""
    hashed = SecretStr(hash_password("hyvää päivää"))
    assert hashed.get_secret_value().startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    check = PasswordCheck(hashed)
    assert await check.matches("hyva\u0308a\u0308 pa\u0308iva\u0308a\u0308")
    assert not await check.matches("hyvaa paivaa")
    assert not await check.matches("\ud800")
    assert not await PasswordCheck(SecretStr(PASSWORD_HASH[:-4])).matches(PASSWORD)


@pytest.mark.parametrize(
    ("path", "accepts", "language", "title"),
    [
        ("/login", "", "en", "Sign in"),
        ("/login", "de, fr;q=0.9", "en", "Sign in"),
        ("/login", "fi", "fi", "Kirjaudu sisään"),
        ("/login", "de, sv-FI;q=0.8, fi;q=0.7", "sv", "Logga in"),
        ("/login", "sv;q=0.2, no", "nb", "Logg inn"),
        ("/login", "sv;q=0, fi;q=x, en;q=0.1", "en", "Sign in"),
        ("/login?lang=sv", "fi", "sv", "Logga in"),
        ("/login?lang=xx", "fi", "fi", "Kirjaudu sisään"),
        ("/login?next=/board/sales%3Flang%3Dnn", "fi", "nb", "Logg inn"),
    ],
)
async def test_it_speaks_the_readers_language(path: str, accepts: str, language: str, title: str) -> None:
    """The address's, else the one that the browser likes best, else English; and it leads to the page in that one."""
    async with door_site() as site:
        answer = await site.get(path, f"Accept-Language: {accepts}")
        page = answer.body.decode()
        assert f'<html lang="{language}">' in page
        assert f"<title>{title} · Pulssi</title>" in page
        assert f'<button type="submit">{title}</button>' in page
        assert answer.headers["content-language"] == language
        for other, name in LANGUAGES.items():
            here = ' aria-current="true"' if other == language else ""
            assert f' lang="{other}" hreflang="{other}"{here}>{name}</a>' in page


@pytest.mark.parametrize(
    ("fields", "kind", "status", "said"),
    [
        (f"password={WRONG}", "application/x-www-form-urlencoded", 401, "Se ei täsmännyt. Yritä uudelleen."),
        ("password=%ff", "application/x-www-form-urlencoded", 400, "Lomaketta ei voitu lukea. Lähetä se uudelleen."),
        ("{}", "application/json", 415, "Lomaketta ei voitu lukea. Lähetä se uudelleen."),
    ],
)
async def test_what_is_wrong_is_said_in_that_language(fields: str, kind: str, status: int, said: str) -> None:
    """With the form below it, to try again."""
    async with door_site() as site:
        body = fields.encode()
        lines = (
            *("POST /login HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {len(body)}"),
            *(f"Content-Type: {kind}", "Accept-Language: fi", "", ""),
        )
        answer = await site.raw("\r\n".join(lines).encode() + body)
        page = answer.body.decode()
        assert (answer.status, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
        assert f'role="alert">{said}</p>' in page
        assert ("aria-invalid" in page) is (status == 401)
        assert '<label for="password">Salasana</label>' in page


async def test_who_is_slowed_down_is_told_in_that_language() -> None:
    """How long to wait, by passwords tried and by requests; the page that was asked for is kept."""
    async with door_site() as site:
        for _ in range(FAILURES[1]):
            assert (await _sign_in(site, f"password={WRONG}")).status == 401
        answer = await _sign_in(site, f"password={WRONG}&next=/board/sales%3Flang%3Dnb")
        wait_s = answer.headers["retry-after"]
        assert (answer.status, f"For mange forsøk. Prøv igjen om {wait_s} sekunder." in answer.body.decode()) == (
            429,
            True,
        )
        assert b'name="next" value="/board/sales?lang=nb"' in answer.body
    async with door_site(requests=RateLimit(1, 1)) as site:
        assert (await site.get("/login")).status == 200
        answer = await site.get("/login", "Accept-Language: sv")
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert "För många försök. Försök igen om 1 sekund." in answer.body.decode()


async def test_a_proxy_that_signs_in_is_named_in_that_language() -> None:
    """There is no form then, but the page all the same."""
    async with door_site(by_proxy("203.0.113.1/32")) as site:
        answer = await site.get("/login", "Accept-Language: sv")
        assert (answer.status, b"<form" in answer.body) == (403, False)
        assert "Logga in hos proxyn" in answer.body.decode()


@pytest.mark.parametrize(
    ("told", "https", "name", "path"),
    [
        ("/pulssi", False, "pulssi_session", "/pulssi/"),
        ("/a/pulssi/", True, "__Secure-pulssi_session", "/a/pulssi/"),
        ("/", True, "__Host-pulssi_session", "/"),
        ("/pulssi; Domain=example.com", False, "pulssi_session", "/"),
        ("//evil.example", False, "pulssi_session", "/"),
        ("/../x", False, "pulssi_session", "/"),
        ("/pulssi%0d", False, "pulssi_session", "/"),
    ],
)
async def test_the_cookie_is_for_the_path_of_the_wallboard(told: str, https: bool, name: str, path: str) -> None:  # noqa: FBT001 - a case
    """As a trusted proxy tells it: no other program of the same host is sent it. It holds, and is taken away again."""
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    headers = (f"X-Forwarded-Prefix: {told}", f"X-Forwarded-Proto: {'https' if https else 'http'}")
    async with door_site(ways) as site:
        given = (await _sign_in(site, f"password={PASSWORD}", *headers)).headers["set-cookie"]
        assert given.startswith(f"{name}=1.password.")
        assert f"; Path={path};" in f"{given};"
        cookie = f"Cookie: {given.partition(';')[0]}"
        assert (await site.get("/api/live", cookie, *headers)).status == 200
        left = await site.get("/logout", cookie, "Content-Length: 0", *headers, method="POST")
        assert left.headers["set-cookie"].startswith(f"{name}=")
        assert f"; Path={path};" in f"{left.headers['set-cookie']};"
        assert (await site.get("/api/live", cookie, *headers)).status == 401
    async with door_site() as site:  # from anybody else it is the word of a stranger
        assert "; Path=/;" in f"{(await _sign_in(site, f'password={PASSWORD}', *headers)).headers['set-cookie']};"
