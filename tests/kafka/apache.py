"""Apache Kafka, one KRaft node, as a server of the tests: what users run; several make a cluster (`cluster.py`)."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

from deploy.embedded.lifeline import die_with_parent
from deploy.embedded.ports import any_free
from streams.brokers import answers
from tests.kafka.jars import HERE, class_path
from tests.kafka.lasting import lasting
from tests.kafka.server import Kind, delete_topics, environment, new_application

HOST: Final = "127.0.0.1"
#: A cold start takes 4 s, one after kill -9 about 10; a shared machine takes its time.
READY_WITHIN_S: Final = 90
ENDS_WITHIN_S: Final = 30
#: The cluster's id is of no meaning, but must be one in Kafka's spelling.
CLUSTER: Final = "cHVsc3NpLXRlc3RzLTAwMQ"


class ApacheKafka:
    """A broker and controller in one process; its topics outlive `stop`, `kill` and `start`."""

    kind: Kind = "apache"

    #: What Java is told: a limit for the heap, and the collector that takes least.
    java_options: tuple[str, ...] = ("-Xmx512m", "-XX:+UseSerialGC")

    def __init__(self, folder: Path, but: set[int] | None = None) -> None:
        self.application = new_application()
        self._folder = folder
        self._port = any_free(HOST, but=but or set())
        self._controller = any_free(HOST, but={self._port, *(but or set())})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """host:port."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process."""
        return self._process.pid if self._process else None

    @property
    def log(self) -> Path:
        """What the broker wrote."""
        return self._folder / "server.log"

    def _java(self, *arguments: str) -> list[str]:
        return [
            "java",
            *self.java_options,
            f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}",
            "-cp",
            class_path(),
            *arguments,
        ]

    def _own(self) -> dict[str, str]:
        """Give the settings that no other node has; of one name the last that is written holds."""
        return {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.voters": f"1@{HOST}:{self._controller}",
            "log.dirs": str(self._folder / "logs"),
        }

    def _format(self) -> Path:
        properties = self._folder / "server.properties"
        if properties.is_file():
            return properties
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [
            (HERE / "server.properties").read_text(encoding="utf-8"),
            *(f"{name}={value}\n" for name, value in self._own().items()),
        ]
        properties.write_text("".join(lines), encoding="utf-8")
        tool = ("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", str(properties))
        subprocess.run(self._java(*tool), check=True, stdout=subprocess.DEVNULL, timeout=READY_WITHIN_S)
        return properties

    def start(self) -> None:
        """Start it, formatting its folder the first time, and return when it answers."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Start it, formatting its folder the first time; nothing where it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        properties = self._format()
        with self.log.open("ab") as log:
            self._process = lasting(
                subprocess.Popen,
                self._java("kafka.Kafka", str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )

    def await_answer(self) -> None:
        """Return when it answers."""
        for _ in range(READY_WITHIN_S):
            if answers(self.bootstrap, wait_s=1.0):
                return
            if self._process is None or self._process.poll() is not None:
                break
        self.kill()
        raise AssertionError(f"Apache Kafka did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def stop(self) -> None:
        """End it with SIGTERM, as an operator would."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clear(self) -> None:
        """Delete every topic and wait until they are gone; groups and transactions go by a new application."""
        delete_topics(self.bootstrap)
        self.application = new_application()

    def settings_env(self) -> dict[str, str]:
        """Return the environment that points Pulssi at this broker."""
        return environment(self)
