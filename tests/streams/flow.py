"""A flow under test: events produced, workers started and killed, and what the journals then hold."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import orjson
from confluent_kafka import Producer

from schemas.contact_record import decode_contact
from schemas.journal import CONTACT, PANE, Head, decode_pane, decode_pane_key
from schemas.samples import Sample
from schemas.settings import Settings
from schemas.topics import AGENTS, CONTACTS
from streams.journal.tail import JournalTail
from streams.openings import EXIT_STUCK

ROOT: Final = Path(__file__).parents[2]
ENDS_WITHIN_S: Final = 40.0
DRAINS_WITHIN_S: Final = 120.0

#: Sample, queue and what a pane counts of it.
Counts = Counter[tuple[str, str, str]]


def topic_and_key(event: Mapping[str, Any]) -> tuple[str, bytes]:
    """Say where an event belongs."""
    if event["type"] == "agent.status":
        return AGENTS, event["agent_id"].encode()
    return CONTACTS[event["channel"]], event["contact_id"].encode()


class Feed(threading.Thread):
    """Produces events at a steady rate, beside the test."""

    def __init__(self, settings: Settings, events: Sequence[Mapping[str, Any]], per_second: float) -> None:
        super().__init__(daemon=True)
        self._events = events
        self._per_second = per_second
        self._producer = Producer(
            {"bootstrap.servers": settings.kafka_brokers, "partitioner": "murmur2_random", "linger.ms": 5}
        )
        #: Records produced, by topic.
        self.sent: Counter[str] = Counter()

    def run(self) -> None:
        """Produce them all, each when its time comes."""
        began = time.monotonic()
        for n, event in enumerate(self._events):
            topic, key = topic_and_key(event)
            self._producer.produce(topic, key=key, value=orjson.dumps(event))
            self.sent[topic] += 1
            if n % 50 == 0:
                self._producer.poll(0)  # with a time to wait it comes back at the first acknowledgement
                time.sleep(max(0.0, n / self._per_second - (time.monotonic() - began)))
        self._producer.flush(ENDS_WITHIN_S)


class WorkerProcess:
    """A worker that a test starts and ends as it likes."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._environment = {**os.environ, **environment, "PULSSI_WORKER_PORT": "0"}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self.ended: list[int] = []

    def start(self) -> None:
        """Start it anew."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.streams.worker_process"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal that it outlives, such as SIGSTOP."""
        if self._process is None:
            raise RuntimeError("no worker runs")
        self._process.send_signal(number)

    def end(self, by: signal.Signals) -> int:
        """Send a signal and wait; returns the exit status."""
        if self._process is None:
            raise RuntimeError("no worker runs")
        self._process.send_signal(by)
        status = self._process.wait(ENDS_WITHIN_S)
        self._process = None
        self.ended.append(status)
        return status

    def check(self) -> None:
        """Fail where the worker ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            lines = self._log.read_text(errors="replace").splitlines()[-30:]
            raise AssertionError(f"the worker ended by itself with {self._process.returncode}:\n" + "\n".join(lines))

    def __enter__(self) -> Self:
        """Use as a context: whatever runs at its end is killed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill what still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(ENDS_WITHIN_S)


class SupervisedWorker(WorkerProcess):
    """A worker that is started again where it ended by itself because it could not let go, as any supervisor does."""

    def check(self) -> None:
        """Start it again; fail where it ended for another reason."""
        if self._process is not None and self._process.poll() == EXIT_STUCK:
            self.ended.append(EXIT_STUCK)
            self.start()
        super().check()


class Journals:
    """What the journals hold so far, as any reader sees it."""

    def __init__(self, settings: Settings) -> None:
        self._tail = JournalTail(settings)
        self.heads: dict[tuple[str, int], Head] = {}
        self.contacts: dict[bytes, bytes] = {}
        self.panes: dict[tuple[str, int, bytes], bytes] = {}

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._tail.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._tail.stop()

    @property
    def read(self) -> int:
        """Source records that are in."""
        return sum(head.next for head in self.heads.values())

    async def until(self, records: int, *workers: WorkerProcess) -> None:
        """Follow until so many source records are in."""
        deadline = time.monotonic() + DRAINS_WITHIN_S
        while self.read < records:
            for worker in workers:
                worker.check()
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.read} of {records} records are in after {DRAINS_WITHIN_S:.0f} s")
            for step in await self._tail.steps(timeout_ms=100):
                self.heads[step.source, step.partition] = step.head
                for _, key, value in step.records:
                    if value is not None and key[:1] == CONTACT:
                        self.contacts[key[1:]] = value
                    elif value is not None and key[:1] == PANE:
                        self.panes[step.source, step.partition, key] = value

    def rows(self) -> list[tuple[str, Sample]]:
        """Give the samples in effect, each with its contact."""
        return [
            (contact.decode(), row) for contact, value in self.contacts.items() for _, row in decode_contact(value).rows
        ]

    def pane_totals(self) -> dict[tuple[str, str, str], tuple[int, int, int, int, int]]:
        """Sum all panes: by sample, channel and queue n, sum_ms, n_target, n_within and n_short."""
        totals: dict[tuple[str, str, str], list[int]] = {}
        for (source, _, key), value in self.panes.items():
            of, pane = decode_pane_key(key), decode_pane(value)
            total = totals.setdefault((of.sample, source.removeprefix("contacts."), of.queue), [0] * 5)
            for at, n in enumerate((pane.n, pane.sum_ms, pane.n_target, pane.n_within, pane.n_short)):
                total[at] += n
        return {key: (n[0], n[1], n[2], n[3], n[4]) for key, n in totals.items() if any(n)}
