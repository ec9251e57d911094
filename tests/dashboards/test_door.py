"""Who is let in to the wallboard, over real sockets: nothing is read, changed or followed without a sign-in."""

import json
from typing import Final

import pytest

from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.sessions import LONG_LIFE_S
from dashboards.wallboard.sign_in import SignIn
from streams.monitoring.peers import TrustedProxies
from tests.dashboards.door_site import (
    BEARER,
    FIGURES,
    PASSWORD,
    SENT,
    TOKEN,
    by_proxy,
    door_site,
    sign_in,
)

OPEN: Final = ("/healthz", "/readyz", "/login", "/login.css", "/colours.css", "/favicon.svg", "/public/test.json")
CLOSED: Final = tuple(
    {*ASSETS, "/api/live", "/api/session", "/api/stream", "/metrics", "/board/sales", "/nothing"} - set(OPEN)
)
ACK: Final = "/api/alerts/fires/ack"


async def test_what_is_open_and_what_is_not() -> None:
    """Health, the page to sign in on and public figures; pages lead to the sign-in, all else is refused."""
    async with door_site() as site:
        for path in OPEN:
            assert (await site.get(path)).status == 200, path
        for path in CLOSED:
            answer = await site.get(path)
            assert FIGURES.encode() not in answer.body
            if path in {"/", "/board/sales"}:
                assert answer.status == 303
                assert answer.headers["location"].removeprefix("." * path.count("/")).startswith("/login")
            else:
                assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="pulssi"'), path
            assert answer.headers["cache-control"] == "no-store"


async def test_without_a_sign_in_everything_is_open() -> None:
    """On a machine of one's own; the page to sign in on leads on."""
    async with door_site(SignIn()) as site:
        for path in ("/", "/api/live", "/metrics", "/board/sales"):
            assert (await site.get(path)).status == 200
        assert (await site.get("/login")).headers["location"] == "./"
        assert (await site.get(f"/?token={TOKEN}")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("//login", "//api/live", "/./api/live", "/login/../api/live", "/%2e%2e/api/live", "/login/%2e%2e/api/live"),
        *("/public/../api/live", "/public/%2e%2e/api/live", "/public%2f..%2fapi/live", "/public/..%2fapi/live"),
        *(
            "/healthz/../api/live",
            "/healthz;/api/live",
            "/healthz%00/api/live",
            "/API/LIVE",
            "/api/live/",
            "/api//live",
        ),
        *("/api%2flive", "/%61pi/live", "/api/live%20", "/api/live?token=", "/api/live#/healthz", "/login%2f..%2fapi"),
        *("\\api\\live", "/api\\live", "/login?/../api/live", "http://localhost/api/live", "http://other/api/live"),
        *("/public/%2e%2e%2fapi/live", "/public/..;/api/live", "/favicon.svg/../api/live", "/logout/../metrics", "*"),
    ],
)
async def test_no_way_of_writing_a_path_leads_around_the_door(path: str) -> None:
    """What is answered without a sign-in is never figures, and never a server's error."""
    async with door_site() as site:
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE", "CONNECT", "GeT"):
            answer = await site.get(path, method=method)
            assert FIGURES.encode() not in answer.body
            assert b"x 1" not in answer.body
            assert answer.status in {200, 303, 400, 401, 403, 404, 405, 415, 421}, (method, path, answer)
            assert not (answer.status == 200 and "login" not in path), (method, path)


async def test_a_path_that_is_written_in_another_way_is_the_same_route() -> None:
    """Behind the door, so that it is judged as what it is."""
    async with door_site() as site:
        assert (await site.get("/%61pi/live", f"Authorization: Bearer {TOKEN}")).status == 200
        assert (await site.get("/%61pi/live")).status == 401


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"])
async def test_other_methods_tell_a_stranger_nothing(method: str) -> None:
    """Not even which there are."""
    async with door_site() as site:
        for path in ("/api/live", "/api/stream", "/metrics"):
            answer = await site.get(path, "Content-Length: 0", method=method)
            assert answer.status == 401
            assert "allow" not in answer.headers
        assert (await site.get("/", method="HEAD")).status == 303


async def test_a_stream_has_no_head_that_waits() -> None:
    """HEAD is answered at once, and takes no place."""
    async with door_site() as site:
        answer = await site.get("/api/stream", f"Authorization: Bearer {TOKEN}", method="HEAD")
        assert (answer.status, site.publisher.watchers) == (200, 0)


async def test_a_program_signs_in_with_the_token() -> None:
    """In its header, whole; a wrong one is refused also where the cookie would do."""
    async with door_site() as site, site.client() as http:
        for path in ("/api/live", "/metrics", "/"):
            async with http.get(path, headers=BEARER) as answer:
                assert answer.status == 200
                assert "Set-Cookie" not in answer.headers
        async with http.get(f"/?token={TOKEN}") as answer:
            assert answer.status == 200
        for wrong in (f"Bearer {TOKEN}x", "Bearer", "Bearer ", f"bearer {TOKEN[:-1]}", "Bearer \udcff"):
            assert (await site.get("/api/live", f"Authorization: {wrong}")).status == 401
            async with http.get(
                "/api/live", headers={"Authorization": wrong.encode("utf-8", "replace").decode()}
            ) as it:
                assert it.status == 401
        basic = await site.get("/api/live", f"Authorization: Basic {TOKEN}")
        assert basic.status == 401


async def test_a_tv_signs_in_by_its_address() -> None:
    """Once: the token is exchanged for a cookie and gone from the address, which leads nowhere else."""
    async with door_site() as site, site.client() as http:
        async with http.get(f"/board/sales?token={TOKEN}&window=5m", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "../board/sales?window=5m")
            cookie = answer.headers["Set-Cookie"]
            assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
        for rule in ("HttpOnly", "SameSite=Lax", "Path=/", f"Max-Age={LONG_LIFE_S}"):
            assert rule in cookie
        assert "Secure" not in cookie
        assert "Domain" not in cookie
        assert TOKEN not in cookie
        async with http.get("/api/live") as answer:
            assert answer.status == 200
        async with http.get(f"/?token={TOKEN}", allow_redirects=False) as answer:  # a bookmark, opened again
            assert (answer.status, answer.headers["Location"], "Set-Cookie" in answer.headers) == (303, "./", False)
        site.clock.now += LONG_LIFE_S
        async with http.get("/api/live") as answer:
            assert answer.status == 401


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example", "/%2f%2fevil.example", "/board/../../evil", "/api/live", "/metrics"]
)
async def test_a_token_in_another_address_is_not_taken(path: str) -> None:
    """It opens pages only, and leads to none elsewhere."""
    async with door_site() as site:
        answer = await site.get(f"{path}?token={TOKEN}")
        assert answer.status in {400, 401}
        assert "set-cookie" not in answer.headers
        assert TOKEN not in str(answer)


async def test_what_stands_beside_a_token_leads_nowhere_else() -> None:
    """A query that no page has is dropped, and a wrong token is not kept in the address."""
    async with door_site() as site:
        for query in (
            f"token={TOKEN}&next=//evil.example",
            f"%74oken={TOKEN}&x=%0d%0aX: 1",
            f"token={TOKEN}&token={TOKEN}",
        ):
            answer = await site.get(f"/?{query}".replace(" ", "%20"))
            assert (answer.status, answer.headers["location"]) == (303, "./")
        answer = await site.get("/board/sales?token=wrong")
        assert (answer.status, answer.headers["location"]) == (303, "../login?next=/board/sales")
        assert (await site.get(f"/?token={TOKEN}", method="HEAD")).headers.get("set-cookie") is None


@pytest.mark.parametrize(
    "cookie", ["", "x", "1.token.0.9999999999999.abc.def", "a" * 5000, "\xff", "1.....", "1.token....."]
)
async def test_a_forged_cookie_is_none(cookie: str) -> None:
    """Of whatever form."""
    async with door_site() as site:
        assert (await site.get("/api/live", f"Cookie: pulssi_session={cookie}")).status in {400, 401}


async def test_a_session_that_was_planted_is_not_taken_over() -> None:
    """Who signs in gets a new one, whatever cookie came; the former one is over."""
    async with door_site() as site:
        _, planted = site.door.sessions.begin("token", LONG_LIFE_S)
        cookie = f"pulssi_session={planted}"
        assert (await site.get("/api/live", f"Cookie: {cookie}")).status == 200
        async with site.client(headers={"Cookie": cookie}) as http:
            answer = await http.post("/login", data={"password": PASSWORD}, allow_redirects=False)
            assert answer.status == 303
            assert planted not in answer.headers["Set-Cookie"]
        assert (await site.get("/api/live", f"Cookie: {cookie}")).status == 401


async def test_a_proxy_names_who_has_signed_in() -> None:
    """Its header signs in, and is handed on to who acknowledges; from anybody else it is ignored."""
    ann = "X-Forwarded-User: Ann Smith"
    async with door_site(by_proxy()) as site:
        assert (await site.get("/api/live", ann)).status == 200
        assert (await site.get("/")).status == 401, "there is no page to sign in on"
        assert (await site.get("/login")).status == 403
        async with site.client(headers={**SENT, "X-Forwarded-User": "Ann Smith"}) as http:
            answered = await http.post(ACK, json={"by": "somebody else"})
            assert (answered.status, [each.by for each in site.acknowledged]) == (202, ["Ann Smith"])
        assert (await site.get("/api/live", ann, "X-Forwarded-User: chief")).status == 401
    async with door_site(by_proxy("192.0.2.1/32")) as site:
        for header in (ann, "x-forwarded-user: Ann", "X_Forwarded_User: Ann"):
            assert (await site.get("/api/live", header, "X-Forwarded-For: 192.0.2.1")).status == 401
    async with door_site(sign_in(proxies=TrustedProxies("127.0.0.1/32"))) as site:
        assert (await site.get("/api/live", ann)).status == 401, "a proxy may be trusted with addresses alone"


async def test_a_page_is_told_how_it_was_let_in() -> None:
    """By a session, which it can end; by a proxy, under a name; by nothing. A stranger is told nothing."""
    async with door_site() as site:
        assert (await site.get("/api/session")).status == 401
        assert json.loads((await site.get("/api/session", f"Authorization: Bearer {TOKEN}")).body) == {
            "by": "token",
            "user": None,
        }
        async with site.client() as http:
            await http.get(f"/?token={TOKEN}")
            async with http.get("/api/session") as answer:
                assert await answer.json() == {"by": "session", "user": None}
    async with door_site(by_proxy()) as site:
        told = await site.get("/api/session", "X-Forwarded-User: Maija")
        assert json.loads(told.body) == {"by": "proxy", "user": "Maija"}
    async with door_site(SignIn()) as site:
        assert json.loads((await site.get("/api/session")).body) == {"by": "nothing", "user": None}


async def test_whoever_signed_in_otherwise_has_no_name() -> None:
    """What is acknowledged is then by whom the page says."""
    async with door_site() as site, site.client(headers={**BEARER, **SENT}) as http:
        async with http.post(ACK, json={"by": "Ann"}, headers={"X-Forwarded-User": "chief"}) as answer:
            assert answer.status == 202
        assert [each.by for each in site.acknowledged] == ["Ann"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"X-Pulssi": "0"}, 403),
        (SENT, 202),
        ({**SENT, "Origin": "http://localhost"}, 202),
        ({**SENT, "Origin": "http://board.example"}, 202),
        ({**SENT, "Origin": "http://evil.example"}, 403),
        ({**SENT, "Origin": "null"}, 403),
        ({**SENT, "Origin": ""}, 403),
        ({**SENT, "Origin": "http://["}, 403),
        ({**SENT, "Origin": "http://localhost.evil.example"}, 403),
        ({**SENT, "Sec-Fetch-Site": "cross-site"}, 403),
        ({**SENT, "Sec-Fetch-Site": "same-site"}, 403),
        ({**SENT, "Sec-Fetch-Site": "same-origin"}, 202),
    ],
)
async def test_no_page_of_another_site_changes_anything(headers: dict[str, str], status: int) -> None:
    """Signed in or on one's own machine: the header that no form sends, and an origin that is known."""
    for ways, signed_in in ((sign_in(), BEARER), (SignIn(), {})):
        async with door_site(ways, allowed_hosts="board.example") as site, site.client() as http:
            async with http.post(ACK, json={"by": "Ann"}, headers={**headers, **signed_in}) as answer:
                assert answer.status == status
            assert len(site.acknowledged) == (status == 202)


async def test_a_rebound_name_reads_nothing() -> None:
    """Its page is of the same origin to the browser; the cookie of another name does not come, nor an answer."""
    async with door_site(SignIn()) as site:
        request = (
            b"GET /api/live HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\nConnection: close\r\n\r\n"
        )
        answer = await site.raw(request)
        assert answer.status == 421
        assert FIGURES.encode() not in answer.body
        twice = request.replace(b"Host: evil", b"Host: localhost\r\nHost: evil")
        assert (await site.raw(twice)).status in {400, 421}


async def test_what_browsers_are_told() -> None:
    """On every answer, those that refuse too; https alone is asked for where a trusted proxy says https."""
    async with door_site() as site:
        for path in (*OPEN, *CLOSED):
            headers = (await site.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'")
            assert "unsafe" not in policy
            assert "script-src" not in policy or "script-src 'self'" in policy
            assert "frame-ancestors" in policy
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == (
                "cross-origin" if path.startswith("/public/") else "same-origin"
            )
            assert headers["referrer-policy"] == ("same-origin" if path == "/login" else "no-referrer")
            assert "camera=()" in headers["permissions-policy"]
            assert "strict-transport-security" not in headers
        assert "strict-transport-security" not in (await site.get("/", "X-Forwarded-Proto: https")).headers
    async with door_site(sign_in(proxies=TrustedProxies("127.0.0.1/32"))) as site:
        https = "X-Forwarded-Proto: https"
        answer = await site.get(f"/?token={TOKEN}", https)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        name, _, rules = answer.headers["set-cookie"].partition("=")
        assert (name, "Secure" in rules) == ("__Host-pulssi_session", True)
        value = rules.partition(";")[0]
        assert (await site.get("/api/live", https, f"Cookie: __Host-pulssi_session={value}")).status == 200
        assert (await site.get("/api/live", https, f"Cookie: pulssi_session={value}")).status == 401
