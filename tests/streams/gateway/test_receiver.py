"""What is answered when: of signatures, bodies, limits and mappings, without a broker."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import orjson
import pytest

from schemas.topics import CONTACTS, DEAD_LETTERS
from streams.configuration.environment import load_settings
from streams.gateway.bodies import Bodies
from streams.gateway.receiver import UNSIGNED
from tests.streams.gateway import made
from tests.streams.gateway.made import OLD_SECRET, OTHER_SECRET, SECRET, SOURCES, body, chatwoot, zendesk
from tests.streams.gateway.site import MemoryWrites, Site, gateway
from tests.until import until

ACME = "/hooks/zendesk/acme"


@pytest.fixture
async def site(tmp_path: Path, writes: MemoryWrites) -> AsyncIterator[Site]:
    """Return a gateway with small limits."""
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0", "PULSSI_GATEWAY_BODY_BYTES": "2000"})
    async with gateway(tmp_path, settings, writes.taken) as running:
        yield running


@pytest.mark.parametrize("secret", [SECRET, OLD_SECRET])
async def test_a_hook_is_stored_and_answered(site: Site, writes: MemoryWrites, secret: str) -> None:
    """By either secret; each event by its contact, in the topic of its channel, with the account's queue."""
    sent = body(native=7, group="7")
    answer = await site.post(ACME, sent, zendesk(sent, time.time(), secret))
    assert (answer.status, answer.text) == (200, "")
    assert [(each.topic, each.key) for each in writes.records] == [(CONTACTS["chat"], b"zendesk:acme:7")] * 2
    assert [orjson.loads(each.value)["queue"] for each in writes.records] == ["billing"] * 2
    assert site.receiver.counts["zendesk", "acme"].hooks == {"stored": 1}


async def test_each_vendor_gets_its_own_answer(site: Site, writes: MemoryWrites) -> None:
    """Another status, and a secret in the address."""
    sent = body()
    assert (await site.post("/hooks/chatwoot/acme", sent, chatwoot(sent))).status == 204
    assert (await site.post(f"/hooks/giosg/acme?secret={SECRET}", sent)).status == 200
    assert len(writes.records) == 4


@pytest.mark.parametrize(
    "path", ["/hooks/zendesk/nobody", "/hooks/nobody/acme", "/hooks/asterisk/main", "/hooks/zendesk", "/hooks", "/x"]
)
async def test_unknown_accounts_and_sources_without_a_hook(site: Site, path: str) -> None:
    """All the same."""
    assert (await site.post(path, b"{}")).status == 404


async def test_signatures_that_are_refused(site: Site, writes: MemoryWrites, caplog: pytest.LogCaptureFixture) -> None:
    """Missing, wrong, of other bytes, old, early, and of another account: the same answer, and no hint."""
    sent, now = body(), time.time()
    refused = [
        {},
        zendesk(sent, now, "guess"),
        zendesk(sent + b" ", now),
        zendesk(sent, now - 301),
        zendesk(sent, now + 310),
        zendesk(sent, now, OTHER_SECRET),
        {**zendesk(sent, now), "X-At": str(int(now) + 1)},
        {"X-Sig": "\xff", "X-At": "x"},
    ]
    answers = [await site.post(ACME, sent, headers) for headers in refused]
    assert {(answer.status, answer.text) for answer in answers} == {(401, UNSIGNED)}
    assert writes.records == []
    assert site.receiver.counts["zendesk", "acme"].hooks == {"unsigned": len(refused)}
    assert caplog.text.count("a hook is refused") == 1
    assert not any(word in caplog.text for word in (SECRET, OTHER_SECRET, "guess"))


async def test_a_replay_gives_the_same_events(site: Site, writes: MemoryWrites) -> None:
    """Within the window what is sent again is stored again under the same ids, to the byte."""
    sent, now = body(), time.time()
    headers = zendesk(sent, now)
    assert [(await site.post(ACME, sent, headers)).status for _ in range(2)] == [200, 200]
    assert writes.records[:2] == writes.records[2:]


async def test_bodies_that_are_refused(site: Site, writes: MemoryWrites) -> None:
    """Too large, with or without a length, and packed: none is unpacked, not even to look."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 100

    packed = gzip.compress(b"0" * 10_000_000)[:1900]
    assert (await site.post(ACME, b"x" * 2001)).status == 413
    async with site.http.post(f"{site.url}{ACME}", data=pieces()) as answer:
        assert answer.status == 413
    for encoding in ("gzip", "br", "deflate, gzip"):
        assert (await site.post(ACME, packed, {"Content-Encoding": encoding})).status == 415
    assert site.receiver.counts["zendesk", "acme"].hooks == {"body_refused": 5}
    assert writes.records == []
    sent = body()
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200  # the places are free again


def head_of(size: int) -> bytes:
    """Write the beginning of a hook whose body does not come."""
    return f"POST {ACME} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()


async def test_bodies_have_bounds_together(site: Site) -> None:
    """In bytes of all that are under way: who comes then is told when to come again."""
    site.receiver.bodies = Bodies(2_000, total=2_050)
    sent = body()
    _, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head_of(2_000))
    await until(lambda: site.receiver.bodies.in_hand == 2_000)
    answer = await site.post(ACME, sent, zendesk(sent, time.time()))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    writer.close()
    await until(lambda: site.receiver.bodies.in_hand == 0)
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200


async def test_bodies_that_do_not_come_take_no_room(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says great lengths and sends nothing keeps nobody out: a body has what has come of it."""
    monkeypatch.setattr("streams.gateway.bodies.FIRST_BYTES", 10)
    site.receiver.bodies = Bodies(2_000, total=4_000)
    sent = body()
    writers = [(await asyncio.open_connection("127.0.0.1", site.port))[1] for _ in range(20)]
    for writer in writers:
        writer.write(head_of(2_000) + b"x" * 11)
    await until(lambda: site.receiver.bodies.in_hand == 220)
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200
    for writer in writers:
        writer.close()
    await until(lambda: site.receiver.bodies.in_hand == 0)


async def test_one_address_leaves_room_for_others(tmp_path: Path, writes: MemoryWrites) -> None:
    """Half of all: bodies of one address that come slowly do not keep a vendor's out."""
    given = {"PULSSI_GATEWAY_PORT": "0", "PULSSI_WALLBOARD_PROXY_FROM": "127.0.0.1"}
    sent = body()
    async with gateway(tmp_path, load_settings(given), writes.taken) as site:
        site.receiver.bodies = Bodies(1_000, total=3_700)
        writers = [(await asyncio.open_connection("127.0.0.1", site.port))[1] for _ in range(3)]
        for writer in writers:
            head = head_of(900).removesuffix(b"\r\n") + b"X-Forwarded-For: 192.0.2.1\r\n\r\n"
            writer.write(head + b"x" * 899)
        await until(lambda: site.receiver.counts["zendesk", "acme"].hooks["unavailable"] == 1)
        assert site.receiver.bodies.in_hand == 1_800
        signed = zendesk(sent, time.time())
        assert (await site.post(ACME, sent, {**signed, "X-Forwarded-For": "192.0.2.1"})).status == 503
        assert (await site.post(ACME, sent, {**signed, "X-Forwarded-For": "192.0.2.2"})).status == 200
        for writer in writers:
            writer.close()
        await until(lambda: site.receiver.bodies.in_hand == 0)


async def test_a_slow_body_is_not_waited_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """For ever."""
    monkeypatch.setattr("streams.gateway.bodies.WITHIN_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    writer.write(head_of(100))
    assert b" 408 " in await asyncio.wait_for(reader.readline(), 20)
    writer.close()


async def test_what_means_nothing_is_counted(site: Site, writes: MemoryWrites) -> None:
    """Understood, and no event."""
    sent = body("typing")
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200
    assert writes.records == []
    assert site.receiver.counts["zendesk", "acme"].hooks == {"nothing": 1}


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (body("unheard"), "kind: is none that is known"),
        (b"{", "the body is not JSON"),
        (b"\xff\x00", "the body is not JSON"),
        (b"[" * 1500, "the body is not JSON"),
        (body("invalid"), "score"),
        (body("bug", text="Anna wrote this"), "a bug: its adapter fails with KeyError"),
        (body("look"), "set `url` and a token of the account"),
    ],
)
async def test_what_cannot_be_mapped_is_kept(
    site: Site, writes: MemoryWrites, caplog: pytest.LogCaptureFixture, sent: bytes, reason: str
) -> None:
    """As a dead letter with its bytes, and answered as stored, or the vendor would send it for ever."""
    headers = {**zendesk(sent, time.time()), "Authorization": "Basic x", "X-Delivery": "d-1"}
    assert (await site.post(ACME, sent, headers)).status == 200
    (letter,) = writes.records
    assert (letter.topic, letter.value) == (DEAD_LETTERS, sent)
    told = dict(letter.headers)
    assert (told["pulssi-source"], told["pulssi-account"], told["pulssi-form"]) == (b"zendesk", b"acme", b"hook")
    assert reason in told["pulssi-reason"].decode()
    assert told["pulssi-received-at"].endswith(b"Z")
    assert told["pulssi-header-x-delivery"] == b"d-1"
    assert "pulssi-header-authorization" not in told
    assert "Anna" not in caplog.text
    assert site.receiver.counts["zendesk", "acme"].hooks == {"dead_letter": 1}


async def test_a_dead_letter_has_no_token(site: Site, writes: MemoryWrites) -> None:
    """What the adapter calls secret is taken out, at any depth."""
    sent = body("unheard", auth={"access_token": "live-token"})
    await site.post(ACME, sent, zendesk(sent, time.time()))
    assert b"live-token" not in writes.records[0].value
    assert orjson.loads(writes.records[0].value)["kind"] == "unheard"


async def test_a_dead_letter_has_no_secret_of_the_account(site: Site, writes: MemoryWrites) -> None:
    """Wherever a vendor has put it that signs nothing, whatever the header is called."""
    sent = body("unheard", repeated=SECRET)
    headers = {"X-Whatever": f"Basic {SECRET}", "X-Delivery": "d-1"}
    assert (await site.post(f"/hooks/giosg/acme?secret={SECRET}", sent, headers)).status == 200
    (letter,) = writes.records
    assert SECRET not in str(letter)
    assert dict(letter.headers)["pulssi-header-x-delivery"] == b"d-1"


@pytest.mark.parametrize("secret", ["a+b/c=d 0123", 'a"b\\\\c/0123', "ä%?&é0123", "plain-0123"])
async def test_a_secret_is_known_however_it_is_written(
    site: Site, writes: MemoryWrites, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    """As in an address, in a form or in JSON: a dead letter has none of it, and no address that the hook came to."""
    monkeypatch.setitem(made.VARIABLES, "ACME", secret)
    site.accounts.load()
    site.receiver.take_over()
    quoted = quote(secret, safe="")
    sent = body("unheard", own=secret, address=f"https://x.example/?secret={quote_plus(secret)}")
    sent = sent.replace(b"unheard", b"unheard" + json.dumps(secret).encode()[1:-1])
    headers = {"X-Whatever": f"k={quoted}", "X-Original-URL": f"/?secret={quoted}"}
    headers |= {"CF-Connecting-IP": "192.0.2.1", "X-Delivery": "d-1"}
    assert (await site.post(f"/hooks/giosg/acme?secret={quoted}", sent, headers)).status == 200
    (letter,) = writes.records
    kept = f"{letter.value.decode()}{letter.headers}"
    told = (secret, quoted, quote_plus(secret), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])
    assert not any(each in kept for each in told)
    assert "192.0.2.1" not in kept
    assert dict(letter.headers)["pulssi-header-x-delivery"] == b"d-1"


async def test_nothing_is_acknowledged_that_is_not_stored(site: Site, writes: MemoryWrites) -> None:
    """While nothing can be stored: 503, and when to try again; afterwards the same hook is taken."""
    writes.away = "Kafka does not answer"
    sent = body("unheard")
    answer = await site.post(ACME, sent, zendesk(sent, time.time()))
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    writes.away = None
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 200


async def test_an_answer_comes_before_the_vendor_gives_up(site: Site, writes: MemoryWrites) -> None:
    """A write that is not acknowledged in time is answered with 503."""
    writes.answers = False
    hook = site.accounts.now["chatwoot", "acme"]
    site.accounts.now["chatwoot", "acme"] = hook._replace(hook=hook.hook._replace(timeout_s=0.3))
    site.receiver.take_over()
    sent = body()
    async with asyncio.timeout(20):
        assert (await site.post("/hooks/chatwoot/acme", sent, chatwoot(sent))).status == 503


async def test_limits_of_accounts_and_addresses(tmp_path: Path, writes: MemoryWrites) -> None:
    """Too many hooks of an account, or of an address: 429 with a time; strangers take nothing of an account's."""
    own = {"PULSSI_GATEWAY_REQUEST_BURST": "2", "PULSSI_GATEWAY_REQUESTS_PER_SECOND": "1"}
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0", **own})
    sent = body()
    async with gateway(tmp_path, settings, writes.taken) as site:
        strangers = [await site.post(ACME, sent, {"X-Sig": "x", "X-At": "1"}) for _ in range(5)]
        assert [answer.status for answer in strangers] == [401] * 5
        answers = [await site.post(ACME, sent, zendesk(sent, time.time())) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "1"
        assert (await site.post("/hooks/zendesk/other", sent, zendesk(sent, time.time(), OTHER_SECRET))).status == 200
    address = {"PULSSI_GATEWAY_ADDRESS_REQUEST_BURST": "2", "PULSSI_GATEWAY_ADDRESS_REQUESTS_PER_SECOND": "1"}
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0", **address})
    async with gateway(tmp_path, settings, writes.taken) as site:
        # Accounts of a vendor come from one address: what is signed counts for its account only.
        for account, secret in (("acme", SECRET), ("other", OTHER_SECRET)) * 3:
            answer = await site.post(f"/hooks/zendesk/{account}", sent, zendesk(sent, time.time(), secret))
            assert answer.status == 200
        answers = [await site.post(ACME, sent) for _ in range(3)]
        assert [answer.status for answer in answers] == [401, 401, 429]


async def test_behind_a_proxy_each_client_has_its_own_allowance(tmp_path: Path, writes: MemoryWrites) -> None:
    """The proxy's word is taken where it is trusted; anybody's else is not."""
    limits = {"PULSSI_GATEWAY_ADDRESS_REQUEST_BURST": "1", "PULSSI_GATEWAY_ADDRESS_REQUESTS_PER_SECOND": "1"}
    for trusted, wanted in (("127.0.0.1", [401, 401]), ("10.9.9.9", [401, 429])):
        settings = load_settings({"PULSSI_GATEWAY_PORT": "0", "PULSSI_WALLBOARD_PROXY_FROM": trusted, **limits})
        async with gateway(tmp_path, settings, writes.taken) as site:
            answers = [await site.post(ACME, b"", {"X-Forwarded-For": f"192.0.2.{number}"}) for number in (1, 2)]
            assert [answer.status for answer in answers] == wanted


async def test_who_may_read_what(tmp_path: Path, writes: MemoryWrites) -> None:
    """Metrics without a proxy between, or with the token; health always; no other name of the host."""
    settings = load_settings({"PULSSI_GATEWAY_PORT": "0"})
    async with gateway(tmp_path, settings, writes.taken) as site:
        assert (await site.get("/metrics")).status == 200
        for header in ("X-Forwarded-For", "x-forwarded-proto", "Forwarded", "Via", "CF-Connecting-IP", "X-Real-IP"):
            assert (await site.get("/metrics", **{header: "127.0.0.1"})).status == 401
        assert [(await site.get(path)).status for path in ("/healthz", "/readyz", "/", ACME)] == [200, 200, 200, 405]
        assert (await site.get("/", Host="evil.example")).status == 421
        async with site.http.head(f"{site.url}{ACME}") as known, site.http.head(f"{site.url}/hooks/x/y") as unknown:
            assert (known.status, unknown.status) == (200, 404)
    async with gateway(tmp_path, settings, writes.taken, token="t" * 24) as site:
        assert (await site.get("/metrics")).status == 401
        assert (await site.get("/metrics", Authorization=f"Bearer {'t' * 24}")).status == 200


async def test_a_changed_account_is_taken_over(site: Site) -> None:
    """With its counts; one that is gone is not answered any more, one that is new is."""
    sent = body()
    await site.post(ACME, sent, zendesk(sent, time.time()))
    site.accounts.load(SOURCES.replace('["ACME"]\nsecret_file = ["old"]', '["OTHER"]').replace("giosg", "chatwoot", 0))
    site.receiver.take_over()
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 401
    assert (await site.post(ACME, sent, zendesk(sent, time.time(), OTHER_SECRET))).status == 200
    assert site.receiver.counts["zendesk", "acme"].hooks == {"stored": 2, "unsigned": 1}
    site.accounts.load("")
    site.receiver.take_over()
    assert (await site.post(ACME, sent, zendesk(sent, time.time()))).status == 404
