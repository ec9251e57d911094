"""Reaching ClickHouse: the only place that makes a client, for every part, and one idea of when it is away.

Errors never carry the URL: it may hold a password.
"""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final, cast

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3 import PoolManager

from schemas.settings import Settings
from streams.clickhouse.addresses import clickhouse_address, connection_fault

CONNECT_TIMEOUT_S: Final = 5
ANSWER_TIMEOUT_S: Final = 120

#: Codes of answers by which a server says that it is busy or not well, not that the question is wrong: time limits,
#: too many queries, parts or bytes in memory, no network, read-only for now, shutting down; in a cluster: too few
#: replicas for a quorum, or a replica that does not have all writes yet.
_OVERLOADED: Final = (
    *("159", "160", "202", "203", "209", "210", "241", "242", "252", "285", "286", "289", "319", "425", "439", "999"),
)

#: What the client and the server put around an error message, of no use to the user.
_WRAPPING: Final = re.compile(
    r"^Received ClickHouse exception, code: \d+, server response: "
    r"| ?\(version [^()]*(?:\([^()]*\))?\)"
    r"| ?\(for url \S+\)$"
)
_MAX_LINE_CHARACTERS: Final = 300


@cache
def _pool(ca: str, verify: bool) -> PoolManager:  # noqa: FBT001 - a key
    """Keep connections for the next client, as the library does; its own pools for an authority cannot be closed."""
    return cast("PoolManager", get_pool_manager(ca_cert=ca or None, verify=verify))


#: How long a write waits for its quorum, below the time limit of an answer; milliseconds.
_QUORUM_TIMEOUT_MS: Final = 60_000


def cluster_settings(settings: Settings) -> dict[str, str | int]:
    """Return the settings of each query on a cluster, so that any replica that answers has all that was written.

    A write counts only when a quorum of replicas has it: if one replica is lost, no acknowledged row is. A replica that
    does not have all such writes yet refuses to answer (code 289), and the query is sent again. Both settings require
    that a table is written by one writer at a time: there is only one sink.
    """
    if not settings.clickhouse_cluster:
        return {}
    return {
        "insert_quorum": settings.clickhouse_quorum,
        "insert_quorum_parallel": 0,
        "insert_quorum_timeout": _QUORUM_TIMEOUT_MS,
        "select_sequential_consistency": 1,
        # Repeated rows replace each other by key and version, so ClickHouse's own deduplication is not needed. It would
        # drop rows that are written again after they were deleted.
        "insert_deduplicate": 0,
    }


def connect(settings: Settings, database: str | None = None, *, answer_within_s: float = ANSWER_TIMEOUT_S) -> Client:
    """Return a client whose database is the settings', or the one given (which must be there).

    Raises clickhouse_connect's OperationalError where none answers, and DatabaseError where it refuses.
    """
    server = clickhouse_address(settings)
    client: Client = clickhouse_connect.get_client(
        host=server.host,
        port=server.port,
        username=server.user or "default",
        password=server.password,
        # Said twice: left to itself, the client takes port 443 or 8443 for TLS.
        interface=server.scheme,
        secure=server.secure,
        pool_mgr=_pool(server.ca, server.verify),
        proxy_path=server.path,
        database=settings.clickhouse_database if database is None else database,
        connect_timeout=CONNECT_TIMEOUT_S,
        send_receive_timeout=answer_within_s,
        autogenerate_session_id=False,
        settings=cluster_settings(settings),
        query_retries=0,
    )
    return client


def is_unavailable(error: BaseException) -> bool:
    """Tell whether to wait and try again: no answer, or an answer that the server is not well."""
    if isinstance(error, OperationalError | OSError):
        return True
    return isinstance(error, DatabaseError) and any(f"ode: {code}." in str(error) for code in _OVERLOADED)


def server_message(error: BaseException) -> str:
    """Return the server's whole error message, which may have several lines: for the author of the query."""
    return _WRAPPING.sub("", str(error).strip()) or type(error).__name__


def reason(error: BaseException) -> str:
    """Say in one line what went wrong; of a failed connection only what the system or TLS said."""
    return connection_fault(error) or server_message(error).splitlines()[0][:_MAX_LINE_CHARACTERS]


def selected(names: Iterable[str]) -> str:
    """Write the columns of a SELECT, times as UTC milliseconds; a pane key's `start` is the column `pane_start`."""
    return ", ".join(
        f"toUnixTimestamp64Milli(`{name}`)"
        if name == "at" or name.endswith(("_at", "_since", "_start"))
        else f"`{name}`"
        for name in ("pane_start" if name == "start" else name for name in names)
    )
