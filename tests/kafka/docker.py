"""Apache Kafka in a container, by testcontainers: for machines with Docker that cannot download the jars."""

import shutil
import subprocess
from typing import Any, Final

from deploy.embedded.ports import any_free
from streams.kafka.brokers import broker_answers
from tests.kafka.server import KafkaServer

IMAGE: Final = "apache/kafka:4.3.1"
READY_WITHIN_S: Final = 90.0


def missing() -> str | None:
    """Say what this machine lacks to run containers; None where nothing."""
    if shutil.which("docker") is None:
        return "there is no `docker` on the PATH"
    if subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=30).returncode:
        return "no Docker engine answers (`docker info`)"
    return None


class DockerKafka(KafkaServer):
    """One KRaft node in a container, at a fixed port of this machine."""

    def __init__(self) -> None:
        super().__init__()
        self._port = any_free("127.0.0.1")
        self._container: Any = None
        self._runs = False

    @property
    def bootstrap(self) -> str:
        """host:port."""
        return f"127.0.0.1:{self._port}"

    def _made(self) -> Any:  # noqa: ANN401 - testcontainers carries no types
        from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - it looks for an engine

        settings = {
            "KAFKA_NODE_ID": "1",
            "KAFKA_PROCESS_ROLES": "broker,controller",
            "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://{self.bootstrap}",
            "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
            "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
            "KAFKA_BROKER_SESSION_TIMEOUT_MS": "3000",
            "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "500",
        }
        container = DockerContainer(IMAGE).with_bind_ports(9092, self._port)
        for name, value in settings.items():
            container = container.with_env(name, value)
        return container

    def start(self) -> None:
        """Start it and return when it answers."""
        if self._runs:
            return
        if self._container is None:
            self._container = self._made()
            self._container.start()
        else:
            self._container.get_wrapped_container().start()
        self._runs = True
        if not broker_answers(self.bootstrap, wait_s=READY_WITHIN_S):
            raise AssertionError(f"{IMAGE} does not answer at {self.bootstrap} after {READY_WITHIN_S:g} s")

    def stop(self) -> None:
        """End it cleanly; the container stays, so that its topics do."""
        if self._runs:
            self._container.get_wrapped_container().stop()
            self._runs = False

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._runs:
            self._container.get_wrapped_container().kill()
            self._runs = False

    def remove(self) -> None:
        """Remove the container and what it held."""
        if self._container is not None:
            self._container.stop()
            self._container = None
            self._runs = False
