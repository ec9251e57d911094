"""Whether a part is really ready: it has answered the question it is there for, not merely opened a port.

Every probe says None where all is well, else what is amiss in one line. None raises, and none takes more than a few
seconds: they are asked again and again.
"""

from __future__ import annotations

from base64 import b64encode
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import quote

from streams.addresses import Address, connection_fault

TIMEOUT_S: Final = 3.0
#: Of an answer's text so much is read: a reason is a line.
LONGEST_ANSWER: Final = 4096


def _get(server: Address, path: str) -> tuple[int, str]:
    """Return status and body; status 0 and the reason where no answer came. The server's user and password are sent."""
    headers = {}
    if server.user is not None:
        login = f"{server.user}:{server.password}"
        headers["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
    try:
        asked: HTTPConnection
        if server.secure:
            asked = HTTPSConnection(server.host, server.port, timeout=TIMEOUT_S, context=server.tls)
        else:
            asked = HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)
        with closing(asked) as connection:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            return response.status, response.read(LONGEST_ANSWER).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return 0, f"{server} does not answer: {connection_fault(error) or type(error).__name__}"


def _fault_of(answer: tuple[int, str]) -> str | None:
    status, text = answer
    if status == HTTPStatus.OK:
        return None
    first = text.splitlines()[0] if text else ""
    return first if status == 0 else f"{status}: {first}"


def http_fault(url: str) -> str | None:
    """Say why GET does not answer 200; None where it does. For a part's own server."""
    server = Address(url)
    return _fault_of(_get(server, server.path or "/"))


def ping_fault(server: Address) -> str | None:
    """Say why ClickHouse does not answer its ping; None where it does."""
    return _fault_of(_get(server, f"{server.path}/ping"))


def clickhouse_fault(server: Address) -> str | None:
    """Say why ClickHouse does not answer its ping and SELECT 1; None where it does.

    Asked without its client: this is the one question that is put before anything is known of the server.
    """
    fault = ping_fault(server)
    if fault is not None:
        return fault
    status, text = _get(server, f"{server.path}/?query={quote('SELECT 1')}")
    return None if (status, text) == (HTTPStatus.OK, "1") else _fault_of((status or 0, text or "no answer"))


def broker_fault(brokers: str) -> str | None:
    """Say that no broker answers a Metadata request; None where one does."""
    from streams.brokers import answers  # noqa: PLC0415 - the client takes most of a second to import

    return None if answers(brokers) else f"no Kafka broker answers at {brokers}"
