"""A flow under test: events produced, workers started and killed, and what the journals then hold."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Producer, TopicPartition

from schemas.exits import Exit
from schemas.journal import CONTACT, PANE, Head, decode_pane, decode_pane_key
from schemas.settings import Settings
from schemas.topics import AGENTS, CONTACTS, DEAD_LETTERS
from streams.journal.tail import JournalTail
from streams.sources.simulator import Plan, simulate

ROOT: Final = Path(__file__).parents[2]
ENDS_WITHIN_S: Final = 40.0
DRAINS_WITHIN_S: Final = 120.0
PRODUCED_WITHIN_S: Final = 60.0
#: 2026-03-02, a Monday, at 09:00 UTC.
MONDAY_MORNING: Final = 1_772_442_000_000


def topic_and_key(event: Mapping[str, Any]) -> tuple[str, bytes]:
    """Say where an event belongs."""
    if event["type"] == "agent.status":
        return AGENTS, event["agent_id"].encode()
    return CONTACTS[event["channel"]], event["contact_id"].encode()


def chat_event(kind: str, contact_id: str, at: str, **fields: object) -> dict[str, Any]:
    """Write an event of a chat, unless the fields name another channel; its id tells its type and time."""
    own = {"event_id": f"{kind} {at}", "type": kind, "contact_id": contact_id, "channel": "chat", "source": "test"}
    return {**own, "occurred_at": at, **fields}


def simulated(number: int, rate: float, seed: int, begin: int = MONDAY_MORNING, **plan: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - as Plan has them
    """Simulate so many events of contacts and agents."""
    made = simulate(Plan(begin, rate, seed, **plan))
    return [orjson.loads(each.value) for each in itertools.islice(made, number)]


def keyed(events: Iterable[Mapping[str, Any]]) -> list[tuple[str, bytes, bytes]]:
    """Write events as records: topic, key and value."""
    return [(*topic_and_key(event), orjson.dumps(event)) for event in events]


def produce(settings: Settings, records: Iterable[tuple[str, bytes | None, bytes | None]], **more: Any) -> None:  # noqa: ANN401 - as the producer has them
    """Put records into their topics, and return when they are there."""
    producer = Producer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "queue.buffering.max.messages": 0,
            "log_level": 0,
        }
    )
    for topic, key, value in records:
        producer.produce(topic, key=key, value=value, **more)
    assert producer.flush(PRODUCED_WITHIN_S) == 0, "not all records got into Kafka"


def read_all(settings: Settings, topic: str = DEAD_LETTERS) -> list[Any]:
    """Read all that is committed in a topic: messages as confluent_kafka has them."""
    reader = Consumer(
        {
            "bootstrap.servers": settings.kafka_brokers,
            "group.id": "read-all",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "enable.auto.commit": False,
        }
    )
    numbers = reader.list_topics(topic).topics[topic].partitions
    reader.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in numbers])
    found: list[Any] = []
    ended, deadline = 0, time.monotonic() + PRODUCED_WITHIN_S
    while ended < len(numbers):
        assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
        messages = reader.consume(10_000, 0.1)
        found += [message for message in messages if message.error() is None]
        errors = [error for message in messages if (error := message.error()) is not None]
        # Other errors, such as a broker that is not connected to yet, pass.
        ended += sum(error.code() == KafkaError._PARTITION_EOF for error in errors)  # noqa: SLF001 - its public name
    reader.close()
    return found


class PartProcess:
    """A worker, or another part, that a test starts and ends as it likes; with its context it is killed."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.log = log
        self.ended: list[int] = []
        self._command = command
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.name} does not run"
        return self._process

    def start(self) -> None:
        """Start a new process."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal that it outlives, such as SIGSTOP."""
        self._running.send_signal(number)

    def end(self, by: signal.Signals | None = None, within_s: float = ENDS_WITHIN_S) -> int:
        """Send a signal, None: it ends by itself, and wait; returns the exit status."""
        if by is not None:
            self.send(by)
        status = self._running.wait(within_s)
        self._process = None
        self.ended.append(status)
        return status

    def check(self) -> None:
        """Start it again where it ended with STUCK, as any supervisor does; any other end is an error."""
        if self._process is None or (status := self._process.poll()) is None:
            return
        if status == Exit.STUCK:
            self.ended.append(status)
            self.start()
            return
        lines = self.log.read_text(errors="replace").splitlines()[-30:]
        raise AssertionError("\n".join([f"{self.name} ended by itself with {status}:", *lines]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(ENDS_WITHIN_S)


def worker_process(environment: Mapping[str, str], log: Path) -> PartProcess:
    """Give a worker beside which no ClickHouse is."""
    command = [sys.executable, "-m", "tests.streams.worker_process"]
    return PartProcess("worker", command, {**environment, "PULSSI_WORKER_PORT": "0"}, log)


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

    async def until(self, records: int, *workers: PartProcess) -> None:
        """Follow until so many source records are in."""
        deadline = time.monotonic() + DRAINS_WITHIN_S
        while self.read < records:
            for worker in workers:
                worker.check()
            if time.monotonic() > deadline:
                heads = {f"{source}/{number}": head.next for (source, number), head in sorted(self.heads.items())}
                raise AssertionError(f"{self.read} of {records} records are in after {DRAINS_WITHIN_S:.0f} s: {heads}")
            for step in await self._tail.steps(timeout_ms=100):
                self.heads[step.source, step.partition] = step.head
                for _, key, value in step.records:
                    if value is not None and key[:1] == CONTACT:
                        self.contacts[key[1:]] = value
                    elif value is not None and key[:1] == PANE:
                        self.panes[step.source, step.partition, key] = value

    def pane_totals(self) -> dict[tuple[str, str, str], tuple[int, int, int, int, int]]:
        """Sum all panes: by sample, channel and queue n, sum_ms, n_target, n_within and n_short."""
        totals: dict[tuple[str, str, str], list[int]] = {}
        for (source, _, key), value in self.panes.items():
            of, pane = decode_pane_key(key), decode_pane(value)
            total = totals.setdefault((of.sample, source.removeprefix("contacts."), of.queue), [0] * 5)
            for at, n in enumerate((pane.n, pane.sum_ms, pane.n_target, pane.n_within, pane.n_short)):
                total[at] += n
        return {key: (n[0], n[1], n[2], n[3], n[4]) for key, n in totals.items() if any(n)}
