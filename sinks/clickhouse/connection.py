"""Reaching ClickHouse: one way to make a client, and one idea of when it is away.

Errors never carry the URL: it may hold a password.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from schemas.settings import Settings

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 120

#: Codes of answers by which a server says that it is busy or not well, not that the question is wrong: time limits,
#: too many queries, parts or bytes in memory, no network, read-only for now, shutting down.
_UNWELL: Final = ("159", "160", "202", "203", "209", "210", "241", "242", "252", "319", "425", "439", "999")

#: What the system says of a failed connection, inside what three libraries say around it.
_SYSTEM: Final = re.compile(r"\[Errno -?\d+\] ([A-Za-z ]+)")

#: What the client and the server put around an answer that is of no use to whoever asked.
_AROUND: Final = re.compile(
    r"^Received ClickHouse exception, code: \d+, server response: "
    r"| ?\(version [^()]*(?:\([^()]*\))?\)"
    r"| ?\(for url \S+\)$"
)
_LINE_CHARACTERS: Final = 300


def address(settings: Settings) -> str:
    """Name the server for people: host and port, no user, no password."""
    parts = urlsplit(settings.clickhouse_url)
    return f"{parts.hostname}:{parts.port or (8443 if parts.scheme == 'https' else 8123)}"


def connect(settings: Settings, database: str | None = None) -> Client:
    """Return a client whose database is the settings', or the one given (which must be there).

    Raises clickhouse_connect's OperationalError where none answers, and DatabaseError where it refuses.
    """
    parts = urlsplit(settings.clickhouse_url)
    client: Client = clickhouse_connect.get_client(
        host=parts.hostname,
        port=parts.port or (8443 if parts.scheme == "https" else 8123),
        username=unquote(parts.username) if parts.username else "default",
        password=unquote(parts.password) if parts.password else "",
        secure=parts.scheme == "https",
        database=settings.clickhouse_database if database is None else database,
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=ANSWER_TIMEOUT_S,
        autogenerate_session_id=False,
        query_retries=0,
    )
    return client


def is_away(error: BaseException) -> bool:
    """Tell whether to wait and try again: no answer, or an answer that the server is not well."""
    if isinstance(error, OperationalError | OSError):
        return True
    return isinstance(error, DatabaseError) and any(f"ode: {code}." in str(error) for code in _UNWELL)


def answer_of(error: BaseException) -> str:
    """Give all that the server answered, in as many lines as it took: for whoever wrote the query."""
    return _AROUND.sub("", str(error).strip()) or type(error).__name__


def reason(error: BaseException) -> str:
    """Say in one line what went wrong; of a failed connection only what the system said."""
    said = _SYSTEM.search(str(error))
    return said[1] if said else answer_of(error).splitlines()[0][:_LINE_CHARACTERS]
