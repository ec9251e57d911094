"""How vendors sign their hooks. Pure; over the raw bytes, compared in constant time. A fault never repeats a signature.

Each scheme is one small class; `streams.sources.vendors` says which vendor has which.
"""

import base64
import hmac
from collections.abc import Iterable
from datetime import datetime
from typing import Final, Literal, NamedTuple

from pydantic import SecretStr

from streams.sources.adapter import Payload, UnmappableError
from streams.sources.vendor_values import time_of
from streams.times import milliseconds

_MS: Final = 1000
_MISSING: Final = "the header {} is missing"
_WRONG: Final = "the signature does not fit: is the secret the one that the vendor has?"


class HmacOfBody(NamedTuple):
    """A header holds the HMAC of the body, after a prefix such as `sha1=`."""

    header: str
    algorithm: Literal["sha1", "sha256"]
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    #: Whether the prefix may be left out.
    prefix_optional: bool = False
    needs_secret: bool = True

    @property
    def meaning(self) -> str:
        """What is signed, for the docs."""
        return f"HMAC-{self.algorithm.upper()} of the body, {_written(self.encoding, self.prefix)}, in `{self.header}`"

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong with the signature; None where it is right."""
        del now_ms
        given = payload.headers.get(self.header.lower())
        if given is None:
            return _MISSING.format(self.header)
        if self.prefix and not given.startswith(self.prefix) and not self.prefix_optional:
            return f"the header {self.header} does not begin with {self.prefix}"
        wanted = (_hmac(secret, payload.body, self.algorithm, self.encoding) for secret in secrets)
        return None if _one_equals(wanted, given.removeprefix(self.prefix)) else _WRONG


class TimestampedHmac(NamedTuple):
    """A header holds the HMAC-SHA256 of a time, a separator and the body; another holds the time."""

    header: str
    time_header: str
    separator: str = ""
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    #: How old or how early the time may be.
    window_s: int = 300
    needs_secret: bool = True

    @property
    def meaning(self) -> str:
        """What is signed, for the docs."""
        between = f", `{self.separator}` and the body" if self.separator else " and the body"
        return (
            f"HMAC-SHA256 of the time{between}, {_written(self.encoding, self.prefix)}, in `{self.header}`;"
            f" the time, in `{self.time_header}`, is at most {self.window_s} s from now"
        )

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong with the signature or the time; None where both are right."""
        given, at = payload.headers.get(self.header.lower()), payload.headers.get(self.time_header.lower())
        if given is None or at is None:
            return _MISSING.format(self.header if given is None else self.time_header)
        if self.prefix and not given.startswith(self.prefix):
            return f"the header {self.header} does not begin with {self.prefix}"
        signed = at.encode("utf-8", "surrogateescape") + self.separator.encode() + payload.body
        wanted = (_hmac(secret, signed, "sha256", self.encoding) for secret in secrets)
        if not _one_equals(wanted, given.removeprefix(self.prefix)):
            return _WRONG
        seconds = _seconds(at)
        if seconds is None:
            return f"the header {self.time_header} is no time"
        if abs(now_ms / _MS - seconds) > self.window_s:
            return f"the header {self.time_header} is more than {self.window_s} s from now: check both clocks"
        return None


class SharedSecret(NamedTuple):
    """The vendor signs nothing: a header or a parameter of the address holds the secret itself."""

    header: str = ""
    parameter: str = "secret"
    needs_secret: bool = True

    @property
    def meaning(self) -> str:
        """What shows that it is the vendor, for the docs."""
        places = [f"the header `{self.header}`"] * bool(self.header) + [f"`?{self.parameter}=`"] * bool(self.parameter)
        return f"no signature: the secret stands in {' or in '.join(places)}"

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong; None where the secret is right."""
        del now_ms
        given = payload.headers.get(self.header.lower()) if self.header else None
        if given is None and self.parameter:
            given = payload.query.get(self.parameter)
        if given is None:
            return f"there is no secret: {self.meaning}"
        given = given.removeprefix("Bearer ")
        return None if _one_equals((secret.get_secret_value() for secret in secrets), given) else _WRONG


class SignedOrShared(NamedTuple):
    """Newer versions of the vendor sign; older ones sign nothing, and are told apart by the address they call."""

    signed: TimestampedHmac
    shared: SharedSecret
    needs_secret: bool = True

    @property
    def meaning(self) -> str:
        """What shows that it is the vendor, for the docs."""
        return f"{self.signed.meaning}; from versions that do not sign, {self.shared.meaning}"

    def fault(self, payload: Payload, secrets: tuple[SecretStr, ...], now_ms: int) -> str | None:
        """Say what is wrong; what has a signature must have a right one."""
        is_signed = self.signed.header.lower() in payload.headers
        return (self.signed if is_signed else self.shared).fault(payload, secrets, now_ms)


def _written(encoding: str, prefix: str) -> str:
    """Say how a signature is written, for the docs."""
    return f"in {encoding} behind `{prefix}`" if prefix else f"in {encoding}"


def _hmac(secret: SecretStr, signed: bytes, algorithm: str, encoding: str) -> str:
    digest = hmac.digest(secret.get_secret_value().encode(), signed, algorithm)
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


def _one_equals(wanted: Iterable[str], given: str) -> bool:
    """Compare with each, whichever fits, so that the time tells nothing."""
    written = given.encode("utf-8", "surrogateescape")
    return any([hmac.compare_digest(each.encode(), written) for each in wanted])  # noqa: C419 - all are compared


def _seconds(written: str) -> float | None:
    """Read seconds since 1970, or ISO 8601 with a zone; None where it is neither."""
    try:
        return milliseconds(datetime.fromisoformat(time_of(written, ""))) / _MS
    except UnmappableError:
        return None
