"""Requests reach public addresses, and others only where they are allowed by name, port and network.

The servers are real and on the loopback, which is as private as any other: unless a test allows it, none is reached.
"""

import asyncio
import json
import socket
import ssl
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from schemas.configuration.hook_models import DestinationType
from sinks.hooks.answers import Answer, Failure, NoAnswerError
from sinks.hooks.outbound import ANSWER_BYTES_AT_MOST, HttpOutbound
from streams.outbound_addresses import AddressGuard, AddressRefusedError, is_public, untranslated
from tests.fixtures.tls import Certificate, Gate
from tests.sinks.hooks.made import destination
from tests.sinks.hooks.receiver import Receiver

LOOPBACK: Final = "127.0.0.0/8"


class Names(AbstractResolver):
    """Names of the tests' own, resolved to the addresses that they are given."""

    def __init__(self, **addresses: str) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of a name."""
        del family
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses[host.replace(".", "_")].split()
        ]

    async def close(self) -> None:
        """Hold nothing."""


@asynccontextmanager
async def outbound(
    url: str,
    *allowed: tuple[str, int, str],
    names: Names | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> AsyncIterator[HttpOutbound]:
    """Open a destination's connections."""
    made = HttpOutbound(destination(url, *allowed), resolver=names, tls=tls, timeout_s=timeout_s)
    yield made
    await made.close()


async def _failure(
    url: str, *allowed: tuple[str, int, str], names: Names | None = None, tls: ssl.SSLContext | None = None
) -> Failure:
    async with outbound(url, *allowed, names=names, tls=tls) as out:
        with pytest.raises(NoAnswerError) as raised:
            await out.post(b"{}", {})
    told = "".join(traceback.format_exception(raised.value))
    assert [secret for secret in ("127.0.0.1", "10.0.0.1", url) if secret in told] == []
    return raised.value.failure


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::127.0.0.1]"),
        *("0x7f.1", "0x7f000001", "017700000001", "127.1", "0", "[::]", "127.0.0.1.", "LOCALHOST"),
        "0.0.0.0",  # noqa: S104 - not bound but refused
    ],
)
async def test_no_form_of_the_loopback_is_reached(receiver: Receiver, host: str) -> None:
    """Literals in each form, and the name: refused, or no address at all; nothing arrives."""
    assert await _failure(f"http://{host}:{receiver.port}/") in {"address_refused", "no_connection"}
    assert receiver.got == []


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "0x7f.1"]
)
async def test_a_refusal_is_told_as_one(receiver: Receiver, host: str) -> None:
    """Not as an outage, which would be retried for days; names with several addresses too."""
    assert await _failure(f"http://{host}:{receiver.port}/") == "address_refused"


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1 ::1", "10.0.0.1", "169.254.169.254"])
async def test_a_name_that_resolves_to_a_private_address_is_refused(receiver: Receiver, address: str) -> None:
    """However harmless the name."""
    names = Names(hooks_example_com=address)
    assert await _failure(f"http://hooks.example.com:{receiver.port}/", names=names) == "address_refused"
    assert receiver.got == []


async def test_a_name_that_is_allowed_is_reached(receiver: Receiver) -> None:
    """By name, port and network; `Host` is the name's."""
    names = Names(duty_lan="127.0.0.1")
    url = f"http://duty.lan:{receiver.port}/in?key=1"
    async with outbound(url, ("duty.lan", receiver.port, LOOPBACK), names=names) as out:
        assert await out.post(b'{"a":1}', {"webhook-id": "x"}) == Answer(200, "ok")
    assert receiver.got == [("/in?key=1", b'{"a":1}')]
    assert receiver.headers[0]["Host"] == f"duty.lan:{receiver.port}"
    assert (receiver.headers[0]["webhook-id"], receiver.headers[0]["Content-Type"]) == ("x", "application/json")


@pytest.mark.parametrize(
    ("host", "away", "network"),
    [("other.lan", 0, LOOPBACK), ("duty.lan", 1, LOOPBACK), ("duty.lan", 0, "10.0.0.0/8"), ("127.0.0.1", 0, LOOPBACK)],
)
async def test_an_allowance_of_something_else_allows_nothing(
    receiver: Receiver, host: str, away: int, network: str
) -> None:
    """Another name, another port, another network, the address instead of the name."""
    names = Names(duty_lan="127.0.0.1")
    url, allowed = f"http://duty.lan:{receiver.port}/", (host, receiver.port + away, network)
    assert await _failure(url, allowed, names=names) == "address_refused"
    assert receiver.got == []


async def test_the_same_server_in_mapped_form_is_allowed_too(receiver: Receiver) -> None:
    """What is judged is the IPv4 address that is meant."""
    names = Names(duty_lan="::ffff:127.0.0.1")
    async with outbound(f"http://duty.lan:{receiver.port}/", ("duty.lan", receiver.port, LOOPBACK), names=names) as out:
        assert (await out.post(b"{}", {})).status == 200


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    """It is an answer as any other."""
    receiver.answer = lambda: web.Response(status=status, headers={"Location": f"http://127.0.0.1:{receiver.port}/x"})
    async with _to(receiver) as out:
        assert (await out.post(b"{}", {})).status == status
    assert [path for path, _ in receiver.got] == ["/"]


def _to(receiver: Receiver, timeout_s: float = 10.0) -> AbstractAsyncContextManager[HttpOutbound]:
    allowed = ("localhost", receiver.port, LOOPBACK)
    return outbound(
        f"http://localhost:{receiver.port}/", allowed, names=Names(localhost="127.0.0.1"), timeout_s=timeout_s
    )


async def test_proxies_of_the_environment_are_not_used(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy resolves names by itself: the check would be void."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    url, allowed = f"http://duty.lan:{receiver.port}/", ("duty.lan", receiver.port, LOOPBACK)
    async with outbound(url, allowed, names=Names(duty_lan="127.0.0.1")) as out:
        assert (await out.post(b"{}", {})).status == 200
    assert [path for path, _ in receiver.got] == ["/"]


async def test_the_answer_is_read_up_to_its_limit(receiver: Receiver) -> None:
    """A longer one is cut, and no cookie is kept for the next request."""
    receiver.answer = lambda: web.Response(body=b"x" * 10_000_000, headers={"Set-Cookie": "a=b", "Retry-After": "7"})
    async with _to(receiver) as out:
        answers = [await out.post(b"{}", {}) for _ in range(2)]
    assert [(len(answer.text), answer.retry_after) for answer in answers] == [(ANSWER_BYTES_AT_MOST, "7")] * 2
    assert [headers.get("Cookie") for headers in receiver.headers] == [None, None]


async def test_a_compressed_answer_is_not_unpacked(receiver: Receiver) -> None:
    """A small one could unpack to any size."""

    def compressed() -> web.Response:
        response = web.Response(body=b"x" * 10_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    receiver.answer = compressed
    async with _to(receiver) as out:
        assert len((await out.post(b"{}", {})).text) < ANSWER_BYTES_AT_MOST
    assert receiver.headers[0]["Accept-Encoding"] == "identity"


async def test_who_hangs_is_left() -> None:
    """After the time that a destination has, from the first packet to the last."""
    silent = socket.create_server(("127.0.0.1", 0))
    port = silent.getsockname()[1]
    async with outbound(
        f"http://localhost:{port}/", ("localhost", port, LOOPBACK), names=Names(localhost="127.0.0.1"), timeout_s=0.2
    ) as out:
        with pytest.raises(NoAnswerError) as raised:
            await out.post(b"{}", {})
    silent.close()
    assert raised.value.failure == "timeout"


async def test_nobody_listens() -> None:
    """Refused by the host, and a name that does not exist."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    allowed = ("localhost", port, LOOPBACK)
    assert await _failure(f"http://localhost:{port}/", allowed, names=Names(localhost="127.0.0.1")) == "no_connection"
    assert await _failure(f"http://nobody.invalid:{port}/") == "no_connection"


async def test_tls_is_checked_for_the_name(
    receiver: Receiver, certificate: Certificate, tls_gate: Callable[[str, int], Gate]
) -> None:
    """The certificate is the name's, though the address was resolved and judged before; an untrusted one ends it."""
    gate = await asyncio.to_thread(tls_gate, "127.0.0.1", receiver.port)
    trusting = ssl.create_default_context(cafile=certificate.chain)
    allowed = [(name, gate.port, LOOPBACK) for name in ("localhost", "duty.lan")]
    names = Names(localhost="127.0.0.1", duty_lan="127.0.0.1")
    async with outbound(f"https://localhost:{gate.port}/", *allowed, names=names, tls=trusting) as out:
        assert (await out.post(b"{}", {})).status == 200
    url = f"https://duty.lan:{gate.port}/"
    assert await _failure(url, *allowed, names=names, tls=trusting) == "certificate"
    assert await _failure(f"https://localhost:{gate.port}/", *allowed, names=names) == "certificate"


async def test_one_destination_does_not_use_what_another_may(receiver: Receiver) -> None:
    """Connections are a destination's own: an open one of somebody else's is not taken."""
    names = Names(localhost="127.0.0.1")
    async with _to(receiver) as allowed:
        await allowed.post(b"{}", {})
        assert await _failure(f"http://localhost:{receiver.port}/", names=names) == "address_refused"


#: One of each range that Python calls global, or that stands for another address.
@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",  # noqa: S104 - not bound but refused
        *("10.1.2.3", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.16.0.1", "192.0.0.192"),
        *("192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:10.0.0.1", "::ffff:0:7f00:1"),
        *("64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::7f00:1", "100::1", "2001::1", "2001:db8::1"),
        *("2001:0:7f00:1::", "2002:7f00:1::", "2002:808:808::1", "fc00::1", "fd00:ec2::254", "fe80::1%eth0"),
        *("fec0::1", "ff02::1", "ff0e::1", "5f00::1"),
    ],
)
def test_what_is_not_public(address: str) -> None:
    """Is refused, in whatever form."""
    assert not is_public(untranslated(address))


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111", "2a00:1450:4001::1"]
)
def test_what_is_public(address: str) -> None:
    """Is connected, behind a translator too."""
    assert is_public(untranslated(address))


@given(st.ip_addresses(v=4))
def test_forms_of_an_address_are_judged_alike(ip: IPv4Address) -> None:
    """As it is, mapped, and behind NAT64."""
    for form in (f"::ffff:{ip}", f"64:ff9b::{ip}"):
        assert untranslated(form) == ip
        assert is_public(untranslated(form)) == is_public(ip)


@given(st.ip_addresses(), st.integers(1, 65_535))
def test_the_guard_makes_no_socket_for_what_is_not_public(ip: IPv4Address | IPv6Address, port: int) -> None:
    """Whatever the resolver says."""
    family = socket.AF_INET if ip_address(ip).version == 4 else socket.AF_INET6
    info = (family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(ip), port, 0, 0))
    guard = AddressGuard("hooks.example.com", ())
    if is_public(untranslated(str(ip))):
        guard.socket(info).close()
    else:
        with pytest.raises(AddressRefusedError):
            guard.socket(info)


def test_the_refusal_names_no_address() -> None:
    """Who reads it may have no access to the network."""
    assert json.dumps(str(AddressRefusedError())).count("127") == 0


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_status_stands_though_its_text_does_not_come(*, hangs: bool) -> None:
    """Who has said 2xx has the message, and would get it twice; of Slack the text is the answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 10\r\n\r\nabc")
        if hangs:
            await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    allowed = ("127.0.0.1", port, "127.0.0.0/8")
    kinds: tuple[DestinationType, ...] = ("teams", "slack")
    teams, slack = (
        HttpOutbound(destination(f"http://127.0.0.1:{port}/", allowed, kind=kind, secrets=()), timeout_s=0.5)
        for kind in kinds
    )
    assert (await teams.post(b"{}", {})).status == 202
    with pytest.raises(NoAnswerError) as raised:
        await slack.post(b"{}", {})
    assert raised.value.failure == ("timeout" if hangs else "broken_off")
    for each in (teams, slack):
        await each.close()
    server.close()
