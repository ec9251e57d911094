"""Whether a part is really ready: it has answered the question it is there for, not merely opened a port.

Every probe says None where all is well, else what is amiss in one line. None raises, and none takes more than a few
seconds: they are asked again and again.
"""

from base64 import b64encode
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final, NamedTuple

from streams.clickhouse.addresses import Address, connection_fault

TIMEOUT_S: Final = 3.0
#: Of an answer's text so much is read: a reason is a line.
LONGEST_ANSWER: Final = 4096


class PartAnswer(NamedTuple):
    """What a part answers when it is asked for its health."""

    #: Why it is not well; None if it is.
    fault: str | None
    #: What people should correct although the part is well; empty if nothing.
    notice: str = ""


def _answer(server: Address, path: str, expected: str | None = None) -> PartAnswer:
    """Ask whether GET answers 200 with the expected text. Sends the server's user and password."""
    headers = {}
    if server.user is not None:
        login = b64encode(f"{server.user}:{server.password}".encode()).decode()
        headers["Authorization"] = f"Basic {login}"
    try:
        asked: HTTPConnection
        if server.secure:
            asked = HTTPSConnection(server.host, server.port, timeout=TIMEOUT_S, context=server.tls)
        else:
            asked = HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)
        with closing(asked) as connection:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            text = answer.read(LONGEST_ANSWER).decode(errors="replace").strip()
    except (OSError, HTTPException) as error:
        return PartAnswer(f"{server} does not answer: {connection_fault(error) or type(error).__name__}")
    first, *others = text.splitlines() or [""]
    fine = answer.status == HTTPStatus.OK and expected in {None, text}
    return PartAnswer(None, "; ".join(others)) if fine else PartAnswer(f"{answer.status}: {first}")


def http_answer(url: str) -> PartAnswer:
    """Ask a part for its health."""
    server = Address(url)
    return _answer(server, server.path or "/")


def http_fault(url: str) -> str | None:
    """Say why GET does not answer 200; None where it does. For a part's own server."""
    return http_answer(url).fault


def ping_fault(server: Address) -> str | None:
    """Say why ClickHouse does not answer its ping, for which it wants no password; None where it does."""
    return _answer(server, f"{server.path}/ping").fault


def clickhouse_fault(server: Address) -> str | None:
    """Say why ClickHouse does not answer SELECT 1; None where it does.

    Asked without its client: this is the one question that is put before anything is known of the server.
    """
    return _answer(server, f"{server.path}/?query=SELECT%201", "1").fault


def broker_fault(brokers: str) -> str | None:
    """Say that no broker answers a Metadata request; None where one does."""
    from streams.kafka.brokers import broker_answers  # noqa: PLC0415 - the client takes most of a second to import

    return None if broker_answers(brokers) else f"no Kafka broker answers at {brokers}"
