"""What a Kafka server of the tests can do, whichever it is."""

from __future__ import annotations

import itertools
import os
import time
from typing import Final, Protocol

from kafka.errors import KafkaError

from streams.brokers import admin_client

DELETED_WITHIN_S: Final = 30.0
_NUMBERS: Final = itertools.count(1)


class KafkaServer(Protocol):
    """A broker that a test may stop, kill and start again at the same address."""

    application: str

    @property
    def bootstrap(self) -> str:
        """host:port."""
        ...

    @property
    def pid(self) -> int | None:
        """The broker's own process, where there is one on this machine."""
        ...

    def start(self) -> None:
        """Start it, at the address it had before, and return when it answers; nothing where it runs."""
        ...

    def stop(self) -> None:
        """End it cleanly; nothing where it does not run."""
        ...

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""
        ...

    def clear(self) -> None:
        """Forget every topic and group; return when they are gone."""
        ...

    def settings_env(self) -> dict[str, str]:
        """Return the environment that points Pulssi at this broker."""
        ...


def new_application() -> str:
    """Name an installation that no other test uses: its groups and transactions are its own."""
    return f"pulssi-{os.getpid()}-{next(_NUMBERS)}"


def environment(server: KafkaServer) -> dict[str, str]:
    """Return the settings that point Pulssi at this broker."""
    return {
        "PULSSI_KAFKA_BROKERS": server.bootstrap,
        "PULSSI_APPLICATION": server.application,
    }


def delete_topics(bootstrap: str) -> None:
    """Delete every topic but the broker's own, and return when none is listed any more."""
    with admin_client(bootstrap, wait_s=DELETED_WITHIN_S) as admin:
        deadline = time.monotonic() + DELETED_WITHIN_S
        while topics := [name for name in admin.list_topics() if not name.startswith("__")]:
            if time.monotonic() > deadline:
                raise AssertionError(f"still there after {DELETED_WITHIN_S:g} s: {topics}")
            try:
                admin.delete_topics(topics, raise_errors=False)
            except KafkaError:
                time.sleep(0.2)  # no controller yet, just after a restart
