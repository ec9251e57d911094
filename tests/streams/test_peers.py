"""Who asks: the word of a trusted proxy counts, that of anybody else does not."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from streams.monitoring.peers import Caller, TrustedProxies, address_of, bucket_of

PROXIES = "127.0.0.1/32,10.1.0.0/16,fd00::/64"


def _caller(remote: str, *headers: tuple[str, str], networks: str = PROXIES, user: str = "X-Forwarded-User") -> Caller:
    request = make_mocked_request("GET", "/", headers=CIMultiDict(headers))
    return TrustedProxies(networks, user).caller(request.clone(remote=remote))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        (" 203.0.113.9:5678 ", "203.0.113.9"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1%eth0", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ('"[2001:db8::1]"', "2001:db8::1"),
        ("unknown", None),
        ("", None),
        ("203.0.113.9, 1.2.3.4", None),
        ("_hidden", None),
    ],
)
def test_addresses_are_read_as_they_are_written(text: str, address: str | None) -> None:
    """With ports, brackets and zones; IPv4 within IPv6 is IPv4."""
    read = address_of(text)
    assert (None if read is None else str(read)) == address


def test_an_ipv6_network_is_one_caller() -> None:
    """Who has one address of it has 2^64."""
    assert bucket_of(address_of("2001:db8::1")) == bucket_of(address_of("2001:db8::ffff:1:2")) == "2001:db8::/64"
    assert bucket_of(address_of("2001:db8:0:1::1")) != "2001:db8::/64"
    assert bucket_of(None) == "unknown"


def test_a_stranger_is_not_believed() -> None:
    """Whatever it says of itself."""
    said = (
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-User", "chief"),
        ("X-Forwarded-Prefix", "/pulssi"),
    )
    assert _caller("203.0.113.9", *said) == Caller("203.0.113.9")
    assert _caller("127.0.0.1", *said, networks="") == Caller("127.0.0.1")


def test_a_proxy_is_believed() -> None:
    """Its client's address counts, also where it has passed several of ours."""
    said = (("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-User", "chief"))
    assert _caller("10.1.2.3", *said) == Caller("203.0.113.9", https=True, user="chief", proxied=True)
    assert _caller("fd00::7", *said).user == "chief"
    assert _caller("127.0.0.1", ("X-Forwarded-For", "203.0.113.9, 10.1.0.1, 127.0.0.1")).address == "203.0.113.9"
    assert _caller("::ffff:127.0.0.1", *said).user == "chief"


def test_what_the_client_wrote_itself_does_not_count() -> None:
    """The nearest address that is no proxy's is the client's; a name that stands twice is none."""
    forged = ("X-Forwarded-For", "127.0.0.1, 1.1.1.1")
    assert _caller("127.0.0.1", forged, ("X-Forwarded-For", "203.0.113.9")).address == "203.0.113.9"
    assert _caller("127.0.0.1", ("X-Forwarded-For", "1.2.3.4, nonsense")).address == "127.0.0.1"
    twice = (("X-Forwarded-User", "chief"), ("X-Forwarded-User", "ann"))
    assert _caller("127.0.0.1", *twice).user is None


@pytest.mark.parametrize(
    ("told", "path"),
    [
        *(("/pulssi", "/pulssi"), ("/pulssi/", "/pulssi"), (" /a/b-c/v1.2/~x ", "/a/b-c/v1.2/~x")),
        *(("", ""), ("/", ""), ("//", ""), ("pulssi", ""), ("//example.com", ""), ("/a//b", ""), ("/a/../b", "")),
        *(("/a;Path=/", ""), ("/a b", ""), ("/a%2f", ""), ("/\u00e4", ""), ("/" + "a" * 200, ""), ("/a,/b", "")),
    ],
)
def test_a_proxy_tells_its_path(told: str, path: str) -> None:
    """As a cookie can have it; what is none counts as all of the host, and one that stands twice too."""
    header = ("X-Forwarded-Prefix", told)
    assert _caller("127.0.0.1", header).path == path
    assert _caller("127.0.0.1", header, header).path == ""


@pytest.mark.parametrize("name", ["", "  ", "a" * 257, "a\tb", "a\u202eb"])
def test_a_name_that_nobody_could_read_is_none(name: str) -> None:
    """It would stand on a wall."""
    assert _caller("127.0.0.1", ("X-Forwarded-User", name)).user is None


def test_without_a_header_nobody_is_named() -> None:
    """A proxy may be trusted with addresses alone."""
    assert _caller("127.0.0.1", ("X-Forwarded-User", "chief"), user="").user is None
