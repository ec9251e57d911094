"""Apache Kafka, one KRaft node, as a server of the tests: run as the embedded stack runs it."""

import functools
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from deploy.embedded import UnavailableError, broker
from deploy.embedded.child_processes import stop_server
from deploy.embedded.kafka.node import Kafka, Node, prepare
from deploy.embedded.ports import any_free
from streams.configuration.environment import load_settings
from tests.kafka.server import KafkaServer

HOST: Final = "127.0.0.1"
#: What takes minutes in production has to be seen within a test.
HURRIED: Final[Mapping[str, str]] = {"log.retention.check.interval.ms": "5000", "log.cleaner.backoff.ms": "1000"}
#: A broker dies with the thread that started it, so that none outlives a killed run: with this one, at the run's end.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter")


@functools.cache
def kafka() -> Kafka:
    """Find the JVM and the jars, downloading these once, and have the archive made: a run starts many nodes."""
    found = prepare(load_settings().kafka_repository)
    return found.with_aot_cache() if broker.make_aot_cache(found, niceness=0) else found


@functools.cache
def missing() -> str | None:
    """Say why this machine cannot run Apache Kafka; None where it can."""
    try:
        kafka()
    except UnavailableError as error:
        return f"no Apache Kafka: {error}"
    return None


class ApacheKafka(KafkaServer):
    """A broker and controller in one process; its topics outlive `stop`, `kill` and `start`."""

    def __init__(self, folder: Path, but: set[int] | None = None) -> None:
        super().__init__()
        self._folder = folder
        self._port = any_free(HOST, but=but or set())
        self._controller = any_free(HOST, but={self._port, *(but or set())})
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def node(self) -> Node:
        """The node, as the launch code knows it."""
        log = self._folder / "logs" / "kafka.log"
        return Node(kafka(), self._folder, log, HOST, self._port, self._controller, settings=HURRIED)

    @property
    def bootstrap(self) -> str:
        """host:port."""
        return f"{HOST}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it, formatting its folder the first time, and return when it answers."""
        self.launch()
        self.await_answer()

    def launch(self) -> None:
        """Start it, formatting its folder the first time; nothing where it runs."""
        if self._process is None or self._process.poll() is not None:
            self._process = _STARTER.submit(self.node.start, own_session=True).result()

    def await_answer(self) -> None:
        """Return when it answers."""
        assert self._process is not None
        try:
            broker.await_answer(self.node, self._process)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End it with SIGTERM, as an operator would."""
        if self._process is not None:
            stop_server(self._process)
            self._process = None

    def kill(self) -> None:
        """End it with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
