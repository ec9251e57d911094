"""Whether a part is really ready: it has answered the question it is there for, not merely opened a port.

Every probe returns True or False, never raises, and takes a few seconds at most: they are asked again and again.
"""

from __future__ import annotations

from base64 import b64encode
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import quote, unquote, urlsplit

TIMEOUT_S: Final = 3.0


def _get(url: str, path: str) -> bytes | None:
    """Return the body of a 200; None for whatever else comes. The URL's user and password are sent as such."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return None
    headers = {}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    connection_type = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connection_type(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        body = response.read()
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()
    return body if response.status == HTTPStatus.OK else None


def http_ok(url: str) -> bool:
    """Tell whether GET answers 200."""
    return _get(url, urlsplit(url).path or "/") is not None


def clickhouse_ok(url: str) -> bool:
    """Tell whether ClickHouse answers its ping and SELECT 1.

    Asked by plain HTTP: this is the one question that is put before anything is known of the server.
    """
    return _get(url, "/ping") is not None and _get(url, f"/?query={quote('SELECT 1')}") == b"1\n"


def broker_ok(brokers: str) -> bool:
    """Tell whether a broker answers a Metadata request."""
    from streams.brokers import answers  # noqa: PLC0415 - the client takes most of a second to import

    return answers(brokers)
