"""The embedded broker as a server of the tests."""

from __future__ import annotations

import subprocess

from deploy.embedded import broker
from deploy.embedded.ports import any_free
from tests.kafka.lasting import lasting
from tests.kafka.server import Kind, delete_topics, environment, new_application


class EmbeddedKafka:
    """The broker of `pulssi up`; what it held is gone after `stop` and after `kill`."""

    kind: Kind = "embedded"

    def __init__(self) -> None:
        self.application = new_application()
        self._port = any_free("127.0.0.1")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and return when it answers."""
        if self._process is None or self._process.poll() is not None:
            self._process = lasting(broker.start, "127.0.0.1", self._port)

    def stop(self) -> None:
        """End it with SIGTERM."""
        if self._process is not None:
            broker.stop(self._process)
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clear(self) -> None:
        """Delete every topic."""
        delete_topics(self.bootstrap)

    def settings_env(self) -> dict[str, str]:
        """Return the environment that points Pulssi at this broker."""
        return environment(self)
