"""What a Kafka server of the tests can do, whichever it is."""

import itertools
import os
import time
from abc import ABC, abstractmethod
from typing import Final

from kafka.errors import KafkaError

from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
from streams.kafka.topic_migration import migrate_topics

DELETED_WITHIN_S: Final = 30.0
_NUMBERS: Final = itertools.count(1)


def new_application() -> str:
    """Name an installation that no other test uses: its groups and transactions are its own."""
    return f"pulssi-{os.getpid()}-{next(_NUMBERS)}"


class KafkaServer(ABC):
    """A broker that a test may stop, kill and start again at the same address."""

    def __init__(self) -> None:
        #: The installation that the test is: its groups and transactions are its own.
        self.application = new_application()

    @property
    @abstractmethod
    def bootstrap(self) -> str:
        """host:port."""

    @property
    def pid(self) -> int | None:
        """The broker's own process, where there is one on this machine."""
        return None

    @abstractmethod
    def start(self) -> None:
        """Start it, at the address it had before, and return when it answers; nothing where it runs."""

    @abstractmethod
    def stop(self) -> None:
        """End it cleanly; nothing where it does not run."""

    @abstractmethod
    def kill(self) -> None:
        """End it as a power cut would: SIGKILL."""

    def clear(self) -> None:
        """Delete every topic and wait until they are gone; groups and transactions go by a new application."""
        delete_topics(self.bootstrap)
        self.application = new_application()

    def settings_env(self) -> dict[str, str]:
        """Return the environment that points Pulssi at this broker."""
        return {"PULSSI_KAFKA_BROKERS": self.bootstrap, "PULSSI_APPLICATION": self.application}

    def with_topics(self, **more: str) -> Settings:
        """Make Pulssi's topics, and return the settings that point at them, with more where asked."""
        settings = load_settings({**self.settings_env(), **more})
        assert migrate_topics(settings, wait_s=60).ok
        return settings


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
