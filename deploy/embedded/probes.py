"""Whether a part is really ready: it has answered the question it is there for, not merely opened a port.

Every probe returns True or False, never raises, and takes a few seconds at most: they are asked again and again.
"""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.exceptions import Error as ClickHouseError

from streams.brokers import answers

TIMEOUT_S: Final = 3.0


def http_ok(url: str) -> bool:
    """Tell whether GET answers 200."""
    parts = urlsplit(url)
    if parts.hostname is None:
        return False
    connection_type = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = connection_type(parts.hostname, parts.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def clickhouse_ok(url: str) -> bool:
    """Tell whether ClickHouse answers its ping and SELECT 1."""
    parts = urlsplit(url)
    if not http_ok(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/ping"):
        return False
    try:
        with clickhouse_connect.get_client(
            dsn=url,
            interface=parts.scheme,
            connect_timeout=round(TIMEOUT_S),
            send_receive_timeout=round(TIMEOUT_S),
        ) as client:
            return str(client.command("SELECT 1")) == "1"
    except (ClickHouseError, OSError):
        return False


def broker_ok(brokers: str) -> bool:
    """Tell whether a broker answers a Metadata request."""
    return answers(brokers)
