"""Sends a message to a destination by HTTP or SMTP, and returns the answer; only to public or allowed addresses.

No redirect is followed, no proxy of the environment is used, and no answer is read beyond 64 KB. Errors are
reported without addresses and secrets. Each destination has its own connections, so that none uses a connection to an
address that only another's `allow_private` admits.
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
import aiosmtplib
from aiohttp.abc import AbstractResolver

from sinks.hooks.answers import Answer, Failure, NoAnswerError
from sinks.hooks.destinations import Destination
from streams.outbound_addresses import AddressGuard, AddressRefusedError

#: From the first packet to the end of the answer.
TIMEOUT_S: Final = 20.0
_CONNECT_TIMEOUT_S: Final = 10.0
ANSWER_BYTES_AT_MOST: Final = 65_536
_CONNECTIONS_AT_MOST: Final = 8
#: What resolving a name raises; the latter for an impossible name, such as one with two dots in a row.
_NO_HOST: Final = socket.gaierror | UnicodeError
_SMTP_OK: Final = 250
_SMTP_REFUSALS: Final = range(400, 600)


class HttpOutbound:
    """The HTTP connections of one destination."""

    def __init__(
        self,
        destination: Destination,
        *,
        resolver: AbstractResolver | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Connect to nothing yet; `resolver` and `tls` are the system's unless given."""
        self._url = destination.url
        self._text_counts = destination.type == "slack"
        guard = AddressGuard(destination.host, destination.allow_private)
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            use_dns_cache=False,
            socket_factory=guard.socket,
            ssl=ssl.create_default_context() if tls is None else tls,
            limit=_CONNECTIONS_AT_MOST,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(_CONNECT_TIMEOUT_S, timeout_s)),
            trust_env=False,
            auto_decompress=False,
        )

    async def post(self, body: bytes, headers: Mapping[str, str], path: str = "") -> Answer:
        """Post to the destination's address, with `path` after it. Raises NoAnswerError."""
        url = self._url.get_secret_value()
        try:
            async with self._session.post(
                url.rstrip("/") + path if path else url,
                data=body,
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **headers},
                allow_redirects=False,
            ) as response:
                text = await self._text(response)
                return Answer(response.status, text, response.headers.get("Retry-After"))
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            # Without the cause: it names the address.
            raise NoAnswerError(_failure(error)) from None

    async def _text(self, response: aiohttp.ClientResponse) -> str:
        """Read an answer's text. If it hangs or breaks off, its status still counts: with 2xx the message was taken."""
        try:
            return await _beginning(response)
        except (TimeoutError, aiohttp.ClientError):
            if self._text_counts:
                raise
            return ""

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read only the useful beginning of an answer; the rest is dropped with the connection."""
    read = bytearray()
    async for piece in response.content.iter_any():
        read += piece
        if len(read) >= ANSWER_BYTES_AT_MOST:
            response.close()
            break
    return bytes(read[:ANSWER_BYTES_AT_MOST]).decode("utf-8", "replace")


def _failure(error: Exception) -> Failure:
    cause = getattr(error, "os_error", error)
    if isinstance(cause, AddressRefusedError):
        return "address_refused"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "certificate"
    unreachable = isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL | _NO_HOST)
    return "no_connection" if unreachable else "broken_off"


async def send_mail(
    destination: Destination, message: bytes, *, tls: ssl.SSLContext | None = None, timeout_s: float = TIMEOUT_S
) -> Answer:
    """Hand an e-mail to the destination's server. Raises NoAnswerError."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _send_mail(destination, message, tls or ssl.create_default_context())
    except aiosmtplib.SMTPResponseException as error:
        return _refused(error.code, error.message)
    except aiosmtplib.SMTPRecipientsRefused as error:
        return _refused(min(each.code for each in error.recipients), "each recipient was refused")
    except (TimeoutError, aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise NoAnswerError(_mail_failure(error)) from None


def _refused(code: int, text: str) -> Answer:
    """Return the refusal that ended the dialogue. Raises NoAnswerError if the code is none: then nothing was taken."""
    if code not in _SMTP_REFUSALS:
        raise NoAnswerError("not_smtp") from None
    return Answer(code, text)


async def _send_mail(destination: Destination, message: bytes, tls: ssl.SSLContext) -> Answer:
    implicit = destination.scheme == "smtps"
    client = aiosmtplib.SMTP(
        hostname=destination.host,
        port=None,
        sock=await _connected(destination),
        use_tls=implicit,
        start_tls=False,
        tls_context=tls,
    )
    async with client:
        if not implicit:
            await client.ehlo()
            if client.supports_extension("starttls"):
                await client.starttls()
            elif not destination.allow_plain:
                raise NoAnswerError("no_encryption")
        if destination.user:
            await client.login(destination.user, destination.password)
        refused, answer = await client.sendmail(destination.sender, destination.to, message)
    # Not an error: sent again, it would reach once more those who have it.
    return Answer(_SMTP_OK, f"{len(refused)} of {len(destination.to)} recipients were refused" if refused else answer)


async def _connected(destination: Destination) -> socket.socket:
    """Connect to the first address of the host that accepts, after checking each. Raises OSError."""
    loop, guard = asyncio.get_running_loop(), AddressGuard(destination.host, destination.allow_private)
    found = await loop.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    refused: OSError = ConnectionError()
    for info in found:
        try:
            connected = guard.socket(info)
        except AddressRefusedError as error:
            refused = error
            continue
        try:
            await loop.sock_connect(connected, info[4])
        except OSError:
            connected.close()
        except BaseException:
            connected.close()
            raise
        else:
            return connected
    raise refused


def _mail_failure(error: Exception) -> Failure:
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return "broken_off"
    cause = error.__cause__ if isinstance(error, aiosmtplib.SMTPException) and error.__cause__ else error
    if isinstance(cause, AddressRefusedError):
        return "address_refused"
    if isinstance(cause, TimeoutError):
        return "timeout"
    if isinstance(cause, ssl.SSLError):
        return "certificate"
    return "no_connection" if isinstance(cause, ConnectionError | _NO_HOST) else "broken_off"
