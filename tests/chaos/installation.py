"""Pulssi as it runs in production, part by part, for a test that ends, pauses and starts them as it likes."""

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from kafka.admin import ConfigResource, ConfigResourceType

from deploy.embedded.ports import any_free
from deploy.embedded.readiness_probes import http_fault
from deploy.embedded.stack_layout import pulssi_command
from schemas.settings import Settings
from schemas.topics import SOURCES, journal_of
from streams.clickhouse.connection import connect
from streams.configuration.environment import load_settings
from streams.kafka.brokers import admin_client
from streams.kafka.topic_migration import migrate_topics
from tests.deploy.program import Program
from tests.fixtures.clickhouse import ClickHouseServer
from tests.kafka.server import KafkaServer
from tests.streams.flow import PartProcess

#: So that journals are compacted every few seconds; tombstones stay for longer than anything is away or kept aside.
COMPACTING: Final = {
    "segment.ms": "2000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "1800000",
    "max.compaction.lag.ms": "4000",
}
COMMAND_S: Final = 120.0
DELETED_WITHIN_S: Final = 30.0

Answer = TypeVar("Answer")


class Installation:
    """Kafka, ClickHouse, workers and a sink, in a folder; as a context all but the broker ends."""

    def __init__(self, kafka: KafkaServer, folder: Path, *, workers: int, centre: str) -> None:
        self.kafka = kafka
        self.folder = folder
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "centre.toml").write_text(centre)
        ports: list[int] = []
        for _ in range(workers + 1):
            ports.append(any_free("127.0.0.1", but=set(ports)))
        self._clickhouse_port = ports.pop()
        self.clickhouse: ClickHouseServer | None = None
        self.environment = {
            **kafka.settings_env(),
            "PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{self._clickhouse_port}",
            "PULSSI_CONFIG": str(folder / "config"),
            "PULSSI_SINK_PORT": "0",
        }
        self.settings: Settings = load_settings(self.environment)
        self.workers = [
            # The first has a name: with the others it is a group of both kinds.
            self._part(
                *(f"worker {number}", "worker"),
                PULSSI_WORKER_PORT=str(port),
                PULSSI_WORKER_NAME="" if number else "floor-0",
            )
            for number, port in enumerate(ports)
        ]
        self.sink = self._part("sink", "sink")
        #: Where each worker tells how it is.
        self.urls = {f"worker {number}": f"http://127.0.0.1:{port}" for number, port in enumerate(ports)}

    def _part(self, name: str, command: str, **more: str) -> PartProcess:
        log = self.folder / f"{name.replace(' ', '-')}.log"
        return PartProcess(name, pulssi_command(command, "--while-stdin"), {**self.environment, **more}, log)

    def await_ready(self, *workers: PartProcess) -> None:
        """Wait until workers have what they are assigned."""
        for worker in workers:
            self.until(partial(http_fault, f"{self.urls[worker.name]}/readyz"), lambda fault: fault is None)

    def until(self, ask: Callable[[], Answer], is_so: Callable[[Answer], bool], within_s: float = COMMAND_S) -> None:
        """Ask, the parts supervised meanwhile, until the answer is as wanted."""
        deadline = time.monotonic() + within_s
        while not is_so(answer := ask()):
            self.check()
            assert time.monotonic() < deadline, f"after {within_s:g} s still: {answer!r}"
            time.sleep(0.1)

    def start_clickhouse(self) -> None:
        """Start ClickHouse where it was."""
        self.clickhouse = ClickHouseServer(self.folder / "clickhouse", self._clickhouse_port)

    def check(self) -> None:
        """Fail where a part ended by itself for a reason that no supervisor mends."""
        for part in (*self.workers, self.sink):
            part.check()

    def make_topics(self) -> None:
        """Make the topics that are missing, and have the broker compact journals all the time."""
        assert migrate_topics(self.settings).ok
        with admin_client(self.settings.kafka_brokers) as admin:
            asked = [
                ConfigResource(ConfigResourceType.TOPIC, journal_of(source), configs=COMPACTING) for source in SOURCES
            ]
            answers = admin.alter_configs(asked).get("topic", {})
        assert set(answers.values()) == {"OK"}, answers

    def recreate_topic(self, topic: str) -> None:
        """Delete a topic and make it again."""
        with admin_client(self.settings.kafka_brokers) as admin:
            admin.delete_topics([topic])
            self.until(admin.list_topics, lambda topics: topic not in topics, DELETED_WITHIN_S)
        self.make_topics()

    def pulssi(self, *words: str, within_s: float = COMMAND_S) -> str:
        """Run a command to its end, the parts supervised meanwhile; fails where it does not end with 0."""
        with Program(pulssi_command(*words), {**os.environ, **self.environment}) as program:
            deadline = time.monotonic() + within_s
            while program.process.poll() is None:
                assert time.monotonic() < deadline, f"pulssi {' '.join(words)} did not end in {within_s:g} s"
                self.check()
                time.sleep(0.1)
            assert program.await_end() == 0, f"pulssi {' '.join(words)}: {program.code}\n{program.text}"
        return program.text

    def rows(self, question: str) -> Sequence[Sequence[Any]]:
        """Ask ClickHouse."""
        with connect(self.settings) as client:
            return client.query(question).result_rows

    def __enter__(self) -> Self:
        """Start everything."""
        try:
            self.kafka.start()
            self.start_clickhouse()
            self.pulssi("migrate")
            self.make_topics()
            for part in (*self.workers, self.sink):
                part.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what runs; the broker is its owner's."""
        for part in (*self.workers, self.sink):
            part.__exit__()
        if self.clickhouse is not None:
            self.clickhouse.end()
