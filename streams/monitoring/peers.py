"""Who a request comes from: the connected address, or the one that a trusted proxy tells.

What a proxy may tell (the client's address, whether it came by https, below which path, who has signed in) is believed
of the configured proxies alone. From anybody else the same headers are text that a stranger wrote, and never looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, NamedTuple

from aiohttp import web

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

#: Of a name, what is shown and kept.
NAME_AT_MOST: Final = 64
#: A name that a proxy tells is longer only by mistake.
_TOLD_AT_MOST: Final = 256
#: Who has an IPv6 address has this whole network.
_IPV6_PREFIX: Final = 64
_UNKNOWN: Final = "unknown"
#: No segment begins with a dot, so that none leads upwards.
_PATH: Final = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_PATH_AT_MOST: Final = 200


class Caller(NamedTuple):
    """Who asks: an address (of IPv6 a /64 network), whether by https, and the user that the proxy names."""

    address: str
    https: bool = False
    user: str | None = None
    #: Whether a trusted proxy passed the request on.
    proxied: bool = False
    #: The path below which the proxy serves this part, such as `/pulssi`; empty: all of a host.
    path: str = ""


def _path(told: list[str]) -> str:
    """Read the path that a proxy tells; empty where it tells none that can be one."""
    path = told[0].strip().rstrip("/") if len(told) == 1 else ""
    return path if len(path) <= _PATH_AT_MOST and _PATH.fullmatch(path) else ""


def networks_of(setting: str) -> tuple[Network, ...]:
    """Read networks separated by commas, as the settings have checked them."""
    return tuple(ip_network(part) for part in setting.split(",") if part)


def address_of(text: str) -> Address | None:
    """Read an address as sockets and proxies write it, maybe with a port or a zone; None where it is none."""
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def bucket_of(address: Address | None) -> str:
    """Name whom limits count: an IPv4 address, or a /64 network of IPv6."""
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return _UNKNOWN if address is None else str(address)


class TrustedProxies:
    """The proxies whose word is taken."""

    def __init__(self, networks: str = "", user_header: str = "") -> None:
        """`networks`: separated by commas; `user_header`: in which they tell who has signed in, empty for none."""
        self._networks = networks_of(networks)
        self._user_header = user_header

    def trusts(self, address: Address | None) -> bool:
        """Tell whether an address is a proxy's."""
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )

    def caller(self, request: web.BaseRequest) -> Caller:
        """Tell who asks."""
        peer = address_of(request.remote or "")
        if not self.trusts(peer):
            return Caller(bucket_of(peer))
        headers = request.headers
        told = ",".join(headers.getall("X-Forwarded-For", [])).split(",")
        return Caller(
            bucket_of(self._client(peer, reversed(told))),
            https=headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower() == "https",
            user=self._user(headers.getall(self._user_header, [])) if self._user_header else None,
            proxied=True,
            path=_path(headers.getall("X-Forwarded-Prefix", [])),
        )

    def _client(self, peer: Address | None, told: Iterable[str]) -> Address | None:
        """Find the nearest address that is no proxy's: what stands further away, the client itself may have written."""
        for text in told:
            address = address_of(text)
            if address is None:
                return peer
            peer = address
            if not self.trusts(address):
                return address
        return peer

    @staticmethod
    def _user(told: list[str]) -> str | None:
        """Return the name in the proxy's header; None without it, or if it is there twice: one may be a client's."""
        name = told[0].strip() if len(told) == 1 else ""
        return name[:NAME_AT_MOST] if name.isprintable() and 0 < len(name) <= _TOLD_AT_MOST else None
