"""Reaching a broker: whether one answers, and an admin client for it.

An open port is not yet a broker: only an answered Metadata request counts. Nothing here may change anything there.
"""

import socket
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from typing import Any, Final

from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.exits import EndError, Exit

REQUEST_TIMEOUT_MS: Final = 10_000
#: Between two attempts while a broker is awaited: short, for the embedded one is there within a tenth of a second.
RECONNECT_BACKOFF_MS: Final = 100
RECONNECT_BACKOFF_MAX_MS: Final = 500
PROBE_TIMEOUT_S: Final = 3.0


class TopicsMissingError(EndError):
    """The broker answers, but these topics do not exist."""

    def __init__(self, brokers: str, missing: Iterable[str]) -> None:
        why = f"no topic {', '.join(sorted(missing))} at {brokers}: `pulssi migrate` makes them"
        super().__init__(why, Exit.UNREACHABLE)


class BrokerUnreachableError(ConnectionError):
    """No broker answered within the time it was given."""

    def __init__(self, brokers: str, waited_s: float) -> None:
        super().__init__(f"no Kafka broker answers at {brokers} (waited {waited_s:g} s)")


def _any_port_open(brokers: str, wait_s: float) -> bool:
    deadline = time.monotonic() + wait_s
    while True:
        for broker in brokers.split(","):
            host, _, port = broker.rpartition(":")
            with suppress(OSError), socket.create_connection((host.strip("[]"), int(port)), timeout=1.0):
                return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(RECONNECT_BACKOFF_MS / 1000)


def admin_client(brokers: str, wait_s: float = PROBE_TIMEOUT_S) -> closing[Any]:
    """Connect kafka-python's admin client, waiting up to `wait_s` for the first answer; for a `with` statement.

    Raises BrokerUnreachableError. The port is tried first: a client whose bootstrap fails leaves its thread behind.
    """
    started = time.monotonic()
    if not _any_port_open(brokers, wait_s):
        raise BrokerUnreachableError(brokers, wait_s)
    left_s = max(wait_s - (time.monotonic() - started), PROBE_TIMEOUT_S)
    try:
        client = KafkaAdminClient(
            bootstrap_servers=brokers.split(","),
            client_id="pulssi-admin",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            reconnect_backoff_ms=RECONNECT_BACKOFF_MS,
            reconnect_backoff_max_ms=RECONNECT_BACKOFF_MAX_MS,
            bootstrap_timeout_ms=round(left_s * 1000),
        )
    except KafkaError:
        raise BrokerUnreachableError(brokers, wait_s) from None
    return closing(client)


def partition_counts(brokers: str, topics: Iterable[str], wait_s: float) -> dict[str, int]:
    """Count each topic's partitions; makes no topic. Raises BrokerUnreachableError, or TopicsMissingError."""
    with admin_client(brokers, wait_s) as admin:
        found = {
            topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics() if not topic["error_code"]
        }
    wanted = list(topics)
    if missing := [name for name in wanted if name not in found]:
        raise TopicsMissingError(brokers, missing)
    return {name: found[name] for name in wanted}


def broker_answers(brokers: str, wait_s: float = 0.0) -> bool:
    """Tell whether a broker answers a Metadata request, trying for `wait_s` where none does at once."""
    try:
        with admin_client(brokers, wait_s) as client:
            return bool(client.describe_cluster()["brokers"])
    except (BrokerUnreachableError, KafkaError):
        return False
