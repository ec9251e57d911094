"""Where an HTTP server is and how it is reached, by its URL and the TLS settings; and why a connection failed.

The only place that takes an address apart, so that no part can leave out the scheme, the port or the credentials. It
opens no connection and imports no client; nothing here prints a user or a password.
"""

import re
import ssl
from functools import cached_property
from typing import Final
from urllib.parse import unquote, urlsplit

from schemas.settings import Settings

_PORTS: Final = {"http": 8123, "https": 8443}

#: What the system says of a failed connection, inside what the libraries say around it.
_SYSTEM_ERROR: Final = re.compile(r"\[Errno -?\d+\] ([A-Za-z ]+)")
#: What OpenSSL says: its name for the fault, and its explanation.
_TLS_ERROR: Final = re.compile(r"\[(?:SSL|X509)(?:: ([A-Z0-9_]+))?\] ([^()\"]*)")
#: A TLS alert, read as the first line of an HTTP answer.
_TLS_ALERT: Final = re.compile(r"BadStatusLine\(.*\\x15\\x03")
#: A server that ends a connection at the first bytes, as some do that were to be spoken to in TLS.
_CONNECTION_CLOSED: Final = re.compile("RemoteDisconnected|closed connection without response|ConnectionResetError")
#: What ClickHouse's client says where an answer does not come in time.
_TIMED_OUT: Final = re.compile(r"\((?:read|connect) timeout=([\d.]+)\)")
#: OpenSSL's names for an answer that is no TLS.
_NOT_TLS: Final = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"})
_UNTRUSTED: Final = "CERTIFICATE_VERIFY_FAILED"
_NO_AUTHORITY: Final = "NO_CERTIFICATE_OR_CRL_FOUND"


class AddressError(ValueError):
    """A URL that is no address of an HTTP server; the message holds no credentials."""


class Address:
    """A server by its URL; `ca` is a PEM file of the authorities to trust instead of the system's."""

    def __init__(self, url: str, ca: str = "", *, verify: bool = True) -> None:
        """Take the URL apart. Raises AddressError where it is no HTTP address."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.port == 0 or parts.query or parts.fragment:
            raise AddressError(f"{parts.netloc.rpartition('@')[2] or 'the address'}: must look like http://host:8123")
        self.scheme = parts.scheme
        self.host = parts.hostname
        self.port = parts.port or _PORTS[parts.scheme]
        #: None where the URL names no user.
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password or "")
        #: Where a proxy puts the server; without its last slash.
        self.path = parts.path.rstrip("/")
        self.ca = ca
        self.verify = verify

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return self.scheme == "https"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    __repr__ = __str__

    @property
    def url(self) -> str:
        """The URL without user and password."""
        return f"{self.scheme}://{self}{self.path}"

    @cached_property
    def tls(self) -> ssl.SSLContext | None:
        """What a TLS connection is checked by; None where none is spoken. Raises OSError where the file is unusable."""
        if not self.secure:
            return None
        context = ssl.create_default_context(cafile=self.ca or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def clickhouse_address(settings: Settings) -> Address:
    """Say where ClickHouse is, by the settings."""
    return Address(settings.clickhouse_url, settings.clickhouse_ca, verify=settings.clickhouse_verify)


def connection_fault(error: BaseException) -> str | None:
    """Say in one line why no connection came about, and the mend where it is a setting; None where that is not said."""
    text = f"{error!r} {error}"
    if tls := _TLS_ERROR.search(text):
        if tls[1] in _NOT_TLS:
            return "it does not speak TLS on this port: http:// in the URL, or the port of https (8443)"
        if tls[1] == _UNTRUSTED:
            why = tls[2].partition(": ")[2].strip(" .'") or "it is not trusted"
            return f"its certificate is refused ({why}): clickhouse_ca names the file of its authority"
        if tls[1] == _NO_AUTHORITY:
            return "clickhouse_ca names a file without a certificate"
        return f"TLS failed: {tls[2].strip()}"
    if _TLS_ALERT.search(text):
        return "it speaks TLS on this port: https:// in the URL"
    if _CONNECTION_CLOSED.search(text):
        return "it closed the connection without an answer (a TLS port needs https:// in the URL)"
    if late := _TIMED_OUT.search(text):
        return f"no answer within {float(late[1]):g} s"
    if found := _SYSTEM_ERROR.search(text):
        return found[1]
    return "no answer in time" if isinstance(error, TimeoutError) else None
