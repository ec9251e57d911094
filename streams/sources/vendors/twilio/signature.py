"""Twilio's signature: an HMAC over the address as Twilio calls it, and over the parameters of a form.

It is HMAC-SHA1 with the account's auth token, unless a second header names HMAC-SHA256, with a shared key's secret.
A JSON body is signed through its SHA-256, which stands in the address as `bodySHA256`. Whether the port is part of the
address that was signed depends on the product, so both are tried. Facts: twilio.com/docs/usage/security and the
behaviour of Twilio's own libraries, against which the tests hold this.
"""

import base64
import hmac
from hashlib import sha256
from typing import Final, NamedTuple
from urllib.parse import parse_qs, parse_qsl, urlsplit, urlunsplit

from pydantic import SecretStr

from streams.sources.adapter import Payload

_HEADER: Final = "X-Twilio-Signature"
_SETTINGS: Final = "X-Twilio-Webhooks-Signature-Settings"
_ALGORITHMS: Final = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_BODY_HASH: Final = "bodySHA256"
_PORTS: Final = {"https": 443, "http": 80}


class TwilioSignature(NamedTuple):
    """A header holds the signature of the address and the parameters."""

    needs_secret: bool = True

    @property
    def meaning(self) -> str:
        """What is signed, for the docs."""
        return f"HMAC-SHA1 (or SHA-256) of the address and the parameters with the account's auth token, in `{_HEADER}`"

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong with the signature; None where it is right."""
        del now_ms
        given = payload.headers.get(_HEADER.lower())
        if given is None:
            return f"the header {_HEADER} is missing"
        algorithm = _algorithm(payload.headers.get(_SETTINGS.lower(), ""))
        if algorithm is None:
            return f"the header {_SETTINGS} names an algorithm that is not known"
        try:
            query = parse_qs(urlsplit(payload.url).query, keep_blank_values=True)
            addresses = _addresses(payload.url)
        except ValueError:
            query, addresses = {}, ()
        if not addresses:
            return "the address that Twilio called is not known: set `public_url` of the account"
        wanted_hash = query.get(_BODY_HASH)
        if wanted_hash is not None:
            if not hmac.compare_digest(sha256(payload.body).hexdigest().encode(), _bytes(wanted_hash[0].lower())):
                return f"the body does not fit to {_BODY_HASH} of the address"
            parameters = ""
        elif payload.body.lstrip()[:1] in {b"{", b"["}:
            return f"{_BODY_HASH} is missing in the address: without it nothing signs the body"
        else:
            parameters = _parameters(payload.body)
        written = _bytes(given)
        fits = [
            hmac.compare_digest(_signature(secret, address + parameters, algorithm), written)
            for secret in secrets
            for address in addresses
        ]
        if any(fits):
            return None
        return "the signature does not fit: is the secret the auth token, and `public_url` the address at Twilio?"


def _addresses(url: str) -> tuple[str, ...]:
    """Give the address as it is, without its port, and with the port of its scheme where it has none."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname:
        return ()
    host = parts.netloc if parts.port is None else parts.netloc.rpartition(":")[0]
    port = parts.port or _PORTS[parts.scheme]
    return tuple(dict.fromkeys((url, *(urlunsplit(parts._replace(netloc=at)) for at in (host, f"{host}:{port}")))))


def _parameters(body: bytes) -> str:
    """Write a form as it is signed: by name, each name before each of its values, values sorted, none twice."""
    try:
        pairs = parse_qsl(body.decode("utf-8", "surrogateescape"), keep_blank_values=True, errors="surrogateescape")
    except ValueError:
        return ""
    return "".join(f"{name}{value}" for name, value in sorted(set(pairs)))


def _algorithm(settings: str) -> str | None:
    """Read `key=…,algorithm=HMAC_SHA256`; SHA-1 where nothing is said, None where it is none that is known."""
    said = dict(part.strip().partition("=")[::2] for part in settings.split(","))
    return _ALGORITHMS.get((said.get("algorithm", "").strip() or "HMAC_SHA1").upper())


def _signature(secret: SecretStr, signed: str, algorithm: str) -> bytes:
    return base64.b64encode(hmac.digest(secret.get_secret_value().encode(), _bytes(signed), algorithm))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
