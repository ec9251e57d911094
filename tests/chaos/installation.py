"""Pulssi as it runs in production, part by part, for a test that ends, pauses and starts them as it likes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from kafka.admin import ConfigResource, ConfigResourceType

from deploy.embedded.ports import any_free
from deploy.embedded.probes import http_fault
from schemas.settings import Settings, load
from schemas.topics import SOURCES, journal_of
from streams.brokers import admin_client
from streams.clickhouse import connect
from streams.topics import migrate_topics
from tests.fixtures.clickhouse import ClickHouseServer
from tests.kafka.server import KafkaServer
from tests.streams.flow import ROOT, SupervisedWorker

#: So that journals are compacted every few seconds; tombstones stay for longer than anything is away or kept aside.
COMPACTING: Final = {
    "segment.ms": "2000",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "1800000",
    "max.compaction.lag.ms": "4000",
}
COMMAND_S: Final = 120.0
DELETED_WITHIN_S: Final = 30.0


class Part(SupervisedWorker):
    """A worker or the sink, by its command; ends with whoever started it."""

    def __init__(self, name: str, words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        super().__init__(environment, log)
        self.name = name
        self.log = log
        self._command = [sys.executable, "-P", "-m", "deploy.cli", *words, "--while-stdin"]
        self._own = {**os.environ, **environment}

    def start(self) -> None:
        """Start it anew."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._own, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    def ended_by_itself(self, within_s: float) -> int:
        """Wait for its end; returns its exit status."""
        assert self._process is not None
        status = self._process.wait(within_s)
        self._process = None
        self.ended.append(status)
        return status


class Installation:
    """Kafka, ClickHouse, workers and a sink, in a folder."""

    def __init__(self, kafka: KafkaServer, folder: Path, *, workers: int, centre: str) -> None:
        self.kafka = kafka
        self.folder = folder
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "centre.toml").write_text(centre)
        self._clickhouse_port = any_free("127.0.0.1")
        self._ports: list[int] = []
        self.clickhouse: ClickHouseServer | None = None
        self.environment = {
            **kafka.settings_env(),
            "PULSSI_CLICKHOUSE_URL": f"http://127.0.0.1:{self._clickhouse_port}",
            "PULSSI_CONFIG": str(folder / "config"),
        }
        self.settings: Settings = load(self.environment)
        self.workers = [self._worker(number) for number in range(workers)]
        sink = {**self.environment, "PULSSI_SINK_PORT": "0"}
        self.sink = Part("sink", ["sink"], sink, folder / "sink.log")

    def _worker(self, number: int) -> Part:
        port = any_free("127.0.0.1", but={self._clickhouse_port, *self._ports})
        self._ports.append(port)
        environment = {**self.environment, "PULSSI_WORKER_PORT": str(port)}
        words = ["worker"]
        return Part(f"worker {number}", words, environment, self.folder / f"worker-{number}.log")

    @property
    def urls(self) -> dict[str, str]:
        """Where each worker tells how it is."""
        return {part.name: f"http://127.0.0.1:{port}" for part, port in zip(self.workers, self._ports, strict=True)}

    def await_ready(self, *workers: Part) -> None:
        """Wait until workers have what they are assigned."""
        deadline = time.monotonic() + COMMAND_S
        for worker in workers:
            while http_fault(f"{self.urls[worker.name]}/readyz") is not None:
                self.check()
                assert time.monotonic() < deadline, f"{worker.name} is not ready after {COMMAND_S:g} s"
                time.sleep(0.1)

    def start_clickhouse(self) -> None:
        """Start ClickHouse where it was."""
        self.clickhouse = ClickHouseServer.start(self.folder / "clickhouse", self._clickhouse_port)

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

    def make_anew(self, topic: str) -> None:
        """Delete a topic and make it again."""
        with admin_client(self.settings.kafka_brokers) as admin:
            admin.delete_topics([topic])
            deadline = time.monotonic() + DELETED_WITHIN_S
            while topic in admin.list_topics():
                assert time.monotonic() < deadline, f"{topic} is still there"
                time.sleep(0.1)
        self.make_topics()

    def pulssi(self, *words: str, within_s: float = COMMAND_S) -> str:
        """Run a command to its end, the parts supervised meanwhile; fails where it does not end with 0."""
        with subprocess.Popen(
            [sys.executable, "-P", "-m", "deploy.cli", *words],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            deadline = time.monotonic() + within_s
            while True:
                try:
                    said, _ = process.communicate(timeout=0.5)
                except subprocess.TimeoutExpired:
                    if time.monotonic() > deadline:
                        process.kill()
                        raise AssertionError(f"pulssi {' '.join(words)} did not end in {within_s:g} s") from None
                    self.check()
                else:
                    break
        assert process.returncode == 0, f"pulssi {' '.join(words)}: {process.returncode}\n{said}"
        return said

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
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Kill what runs; the broker is its owner's."""
        for part in (*self.workers, self.sink):
            part.__exit__()
        if self.clickhouse is not None:
            self.clickhouse.end()
