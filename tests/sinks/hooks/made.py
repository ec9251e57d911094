"""Destinations for tests, made without a file."""

from ipaddress import ip_network
from urllib.parse import urlsplit

from pydantic import SecretStr

from schemas.configuration.hook_models import DestinationType, Filter, PrivateAddress, host_key
from sinks.hooks.destinations import Destination

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


def destination(
    url: str,
    *allowed: tuple[str, int, str],
    kind: DestinationType = "webhook",
    secrets: tuple[str, ...] = (KEY,),
    name: str = "duty",
    plain: bool = True,
) -> Destination:
    """Make a destination; `allowed` are private addresses by name, port and network."""
    parts = urlsplit(url)
    ports = {"https": 443, "http": 80, "smtp": 587, "smtps": 465}
    return Destination(
        name=name,
        type=kind,
        url=SecretStr(url),
        secrets=tuple(map(SecretStr, secrets)),
        host=host_key(parts.hostname or ""),
        port=parts.port or ports[parts.scheme],
        events=frozenset({"alerts"}),
        filter=Filter(),
        allow_plain=plain,
        allow_private=tuple(PrivateAddress(host, port, ip_network(network)) for host, port, network in allowed),
        sender="pulssi@example.com" if kind == "email" else "",
        to=("one@example.com", "two@example.com") if kind == "email" else (),
    )
