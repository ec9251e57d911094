"""What streams, quick askers and large bodies may cost the wallboard, over real sockets."""

import asyncio
from typing import Final

import pytest

from dashboards.wallboard import door as door_module
from dashboards.wallboard.page_files import ASSETS
from dashboards.wallboard.sessions import LONG_LIFE_S
from streams.monitoring.peers import TrustedProxies
from streams.monitoring.rate_limits import Places, RateLimit
from tests.dashboards.door_site import (
    FIGURES,
    TOKEN,
    DoorSite,
    by_proxy,
    door_site,
    sign_in,
)

ACK: Final = "/api/alerts/fires/ack"


async def _stream(site: DoorSite, *headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    lines = ("GET /api/stream HTTP/1.1", "Host: localhost", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(20):
        await reader.readuntil(FIGURES.encode())
    return reader, writer


async def test_a_stream_ends_with_its_session() -> None:
    """At the sign-out, whole; that of another session and of a program goes on."""
    async with door_site() as site:
        one, other = (site.door.sessions.begin("token", LONG_LIFE_S)[1] for _ in range(2))
        ending, writer = await _stream(site, f"Cookie: pulssi_session={one}")
        _, writer_of_other = await _stream(site, f"Cookie: pulssi_session={other}")
        _, writer_of_program = await _stream(site, f"Authorization: Bearer {TOKEN}")
        assert site.publisher.watchers == 3
        answer = await site.get("/logout", f"Cookie: pulssi_session={one}", "Content-Length: 0", method="POST")
        assert (answer.status, answer.headers["location"]) == (303, "./login")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        async with asyncio.timeout(20):
            assert (await ending.readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")
        assert site.publisher.watchers == 2
        assert (await site.get("/api/live", f"Cookie: pulssi_session={one}")).status == 401
        for each in (writer, writer_of_other, writer_of_program):
            each.close()


async def test_a_stream_ends_when_its_session_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a session by its end, of a proxy's user after a while, so that the proxy is asked again."""
    async with door_site() as site:
        cookie = f"Cookie: pulssi_session={site.door.sessions.begin('token', LONG_LIFE_S)[1]}"
        site.clock.now += LONG_LIFE_S - 0.5
        reader, writer = await _stream(site, cookie)
        async with asyncio.timeout(20):
            await reader.readuntil(b"0\r\n\r\n")
        writer.close()
    monkeypatch.setattr(door_module, "PROXIED_STREAM_S", 0.5)
    async with door_site(by_proxy()) as site:
        reader, writer = await _stream(site, "X-Forwarded-User: Ann")
        async with asyncio.timeout(20):
            await reader.readuntil(b"0\r\n\r\n")
        assert site.publisher.watchers == 0
        writer.close()


async def test_streams_are_counted_by_address() -> None:
    """By that of the client, where a trusted proxy tells it; a place is free again when its holder leaves."""
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    async with door_site(ways, streams=Places(3, 2)) as site:
        one = ("X-Forwarded-For: 203.0.113.1", f"Authorization: Bearer {TOKEN}")
        other = ("X-Forwarded-For: 203.0.113.2", f"Authorization: Bearer {TOKEN}")
        held = [await _stream(site, *one) for _ in range(2)]
        refused = await site.get("/api/stream", *one)
        assert (refused.status, refused.headers["retry-after"]) == (503, "5")
        assert b"at this address" in refused.body
        held.append(await _stream(site, *other))
        assert b"too many pages" in (await site.get("/api/stream", *other)).body
        for _, writer in held:
            writer.close()
        async with asyncio.timeout(20):
            while site.publisher.watchers:
                site.publisher.tick()
                await asyncio.sleep(0.01)
        _, writer = await _stream(site, *one)
        writer.close()


async def test_an_address_that_asks_too_often_waits() -> None:
    """And no other; streams that are let in are not counted, as a page would not ask for one again."""
    ways = sign_in(proxies=TrustedProxies("127.0.0.1/32"))
    async with door_site(ways, requests=RateLimit(0.001, 5)) as site:
        one = ("X-Forwarded-For: 203.0.113.1", f"Authorization: Bearer {TOKEN}")
        assert [(await site.get("/api/live", *one)).status for _ in range(6)] == [200] * 5 + [429]
        refused = await site.get("/healthz", *one)
        assert (refused.status, int(refused.headers["retry-after"]) > 1) == (429, True)
        assert "content-security-policy" in refused.headers
        _, writer = await _stream(site, *one)
        writer.close()
        assert (await site.get("/api/live", "X-Forwarded-For: 203.0.113.2", one[1])).status == 200
        stranger = "X-Forwarded-For: 203.0.113.3"
        assert [(await site.get("/api/stream", stranger)).status for _ in range(6)] == [401] * 5 + [429]


async def test_a_page_has_its_files_however_many_there_are() -> None:
    """A page that lacks one of dozens stays broken; who is not let in has the same few requests for them."""
    async with door_site(sign_in(proxies=TrustedProxies("127.0.0.1/32")), requests=RateLimit(0.001, 5)) as site:
        one = ("X-Forwarded-For: 203.0.113.1", f"Authorization: Bearer {TOKEN}")
        assert {(await site.get(path, *one)).status for path in ASSETS for _ in range(2)} == {200}
        assert (await site.get("/api/live", *one)).status == 200
        stranger = "X-Forwarded-For: 203.0.113.3"
        assert [(await site.get("/wallboard.js", stranger)).status for _ in range(6)][-1] == 429


async def test_a_body_is_bounded_in_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a large one nor one that never comes keeps anything busy; one that cannot be read is refused."""
    head = (f"Authorization: Bearer {TOKEN}", "X-Pulssi: 1")
    monkeypatch.setattr(door_module, "BODY_WITHIN_S", 0.3)
    async with door_site() as site:
        assert (await site.get(ACK, *head, "Content-Length: 10", method="POST")).status == 408
        answer = await site.raw(
            f"POST {ACK} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head[0]}\r\n{head[1]}\r\n"
            f"Content-Length: {door_module.BODY_AT_MOST + 1}\r\n\r\n".encode()
            + b"x" * (door_module.BODY_AT_MOST + 1)
        )
        assert answer.status == 413
        for broken in (
            b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
            b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcd\r\n",
        ):
            lines = (
                f"POST {ACK} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head[0]}\r\n{head[1]}\r\n".encode()
            )
            assert (await site.raw(lines + broken)).status in {400, 415}
        assert (await site.get("/api/live?" + "x" * 9000)).status == 400
        assert (await site.get("/api/live", f"X-Long: {'x' * 9000}")).status == 400
        assert (await site.get("/api/live", *(f"X-{number}: 1" for number in range(200)))).status == 400
