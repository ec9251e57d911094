"""Which addresses may be asked: public ones, and others only where they are allowed by name, port and network.

Who writes the address of a hook, or of a file in a vendor's answer, decides where a server of the own network connects
to. So each address is judged
when it is about to be connected, after names are resolved: a name, a redirect or a literal cannot lead elsewhere.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from schemas.configuration.hook_models import PrivateAddress, host_key

#: Global to Python's `ipaddress`, and nobody's to post to: protocol assignments, anycast to 6to4 relays.
_NOT_PUBLIC_4: Final = tuple(map(IPv4Network, ("192.0.0.0/24", "192.88.99.0/24")))
#: All that is assigned as global unicast, and what stands for an IPv4 address behind a translator (NAT64, RFC 6052).
_PUBLIC_6: Final = IPv6Network("2000::/3")
_NAT64: Final = IPv6Network("64:ff9b::/96")
#: Tunnels to an IPv4 address: 6to4 and Teredo.
_TUNNELS_6: Final = tuple(map(IPv6Network, ("2002::/16", "2001::/32")))
_LAST_32_BITS: Final = 0xFFFF_FFFF


class AddressRefusedError(OSError):
    """The address is not public and not allowed; the text does not name it, since people without access may read it."""

    def __init__(self) -> None:
        super().__init__("the address is not public, and it is not among those that are allowed by name")


def untranslated(address: str) -> IPv4Address | IPv6Address:
    """Read an address as a resolver gives it, and take an IPv4 address out of its mapped or translated form."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return IPv4Address(int(ip) & _LAST_32_BITS)
    return ip


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Tell whether anybody may be asked to connect there."""
    if not ip.is_global or ip.is_multicast:
        return False
    if isinstance(ip, IPv4Address):
        return not any(ip in network for network in _NOT_PUBLIC_4)
    return ip in _PUBLIC_6 and not any(ip in network for network in _TUNNELS_6)


class AddressGuard:
    """Judges the addresses of one destination."""

    def __init__(self, host: str, allowed: Sequence[PrivateAddress]) -> None:
        """Take the host as the destination names it."""
        self._allowed = [each for each in allowed if each.host == host_key(host)]

    def check(self, address: str, port: int) -> None:
        """Raise AddressRefusedError where that address must not be connected."""
        ip = untranslated(address)
        allowed = any(each.port == port and ip in each.network for each in self._allowed)
        if not allowed and not is_public(ip):
            raise AddressRefusedError

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for an address of `getaddrinfo`, which is connected next. Raises AddressRefusedError."""
        family, kind, protocol, _, address = info
        self.check(str(address[0]), int(address[1]))
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made
