"""A step that Kafka calls committed and whose transaction it leaves open: readers get it after an empty step."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaConnectionError
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.journal import HEAD_KEY
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.configuration.environment import load_settings
from streams.journal.tail import JournalTail
from streams.kafka.brokers import admin_client
from streams.partition.step_to_write import StepToWrite
from tests.kafka.server import KafkaServer
from tests.streams.flow import produce
from tests.streams.modelled_log import Log
from tests.streams.stand_ins import OTHER, RECORDS, EmptyArchive, StandInWriter, Worker

JOURNAL: Final = (journal_of(OTHER[0]), OTHER[1])
#: More checks than any reaction takes.
CHECKS: Final = 8


class LogWriter(StandInWriter):
    """A writer whose steps get into a log, where a transaction may stay open after its commit."""

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()
        self._producer = self.log.producer()
        self.leaves_open = False

    async def append(self, step: StepToWrite) -> None:
        """Write a step."""
        await super().append(step)
        landed = self.log.begin(self._producer, step.records)
        self.end = landed[-1].offset + 1
        if not self.leaves_open:
            self.log.commit()

    @property
    def heads(self) -> int:
        """How many steps were written."""
        return sum(record.key == HEAD_KEY for record in self.log.records)

    @property
    def visible_heads(self) -> int:
        """How many steps readers have."""
        return sum(record.key == HEAD_KEY for record in self.log.visible(0))


class WorkerOnLog(Worker):
    """A worker with one partition, whose journal's stable offset Kafka tells, as long as it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.writer = LogWriter()
        self.writers[OTHER] = self.writer
        self.answers = True
        self.questions: list[list[SourcePartition]] = []
        monkeypatch.setattr("streams.kafka.log_ends.LogEnds.stable", self._stable)

    async def _stable(self, partitions: list[SourcePartition]) -> dict[SourcePartition, int]:
        self.questions.append(partitions)
        if not self.answers:
            raise KafkaConnectionError
        return {JOURNAL: self.writer.log.stable}

    async def look(self) -> None:
        """Look for open transactions, then maintain the partition, as the worker's own loop does."""
        await self.partitions.transactions.check(self.partitions._opened)  # noqa: SLF001 - as the worker's own loop does
        await self.maintain(OTHER)


@pytest.fixture
async def worker(monkeypatch: pytest.MonkeyPatch) -> WorkerOnLog:
    """Give the worker, its partition opened."""
    worker = WorkerOnLog(monkeypatch)
    await worker.assign(OTHER)
    return worker


async def test_a_step_that_readers_cannot_have_is_followed_by_an_empty_one(
    worker: WorkerOnLog, caplog: pytest.LogCaptureFixture
) -> None:
    """Seen by two checks in a row: the first may have come just before the transaction's end."""
    writer = worker.writer
    writer.leaves_open = True
    await worker.deliver(OTHER)
    begin, head = writer.log.stable, worker.opened(OTHER).state.head
    writer.leaves_open = False
    await worker.look()
    assert (writer.heads, writer.visible_heads) == (1, 0)
    await worker.look()
    assert (writer.heads, writer.visible_heads) == (2, 2)
    assert worker.opened(OTHER).state.head == head._replace(step=head.step + 1), "it changes nothing"
    assert f"left the transaction of a committed step open, from offset {begin} of {JOURNAL[0]} on" in caplog.text
    await worker.look()
    await worker.look()
    assert writer.heads == 2
    assert worker.questions == [[JOURNAL]] * 4


async def test_an_empty_step_that_does_not_help_is_the_only_one(
    worker: WorkerOnLog, caplog: pytest.LogCaptureFixture
) -> None:
    """It would grow the journal and end nothing: an operator is asked, once."""
    worker.writer.leaves_open = True
    await worker.deliver(OTHER)
    for _ in range(CHECKS):
        await worker.look()
    assert worker.writer.heads == 2
    assert caplog.text.count("an empty step did not end the transaction") == 1
    worker.writer.log.commit()  # as the operator does
    await worker.look()
    await worker.deliver(OTHER)
    assert worker.opened(OTHER).state.head.next == len(RECORDS)


@pytest.mark.parametrize("why", ["nothing was written", "all is decided", "kafka does not answer", "a step is written"])
async def test_where_no_step_is_held_back_none_is_written(worker: WorkerOnLog, why: str) -> None:
    """The step under way ends the transaction itself."""
    if why != "nothing was written":
        worker.writer.leaves_open = why != "all is decided"
        await worker.deliver(OTHER)
    heads = worker.writer.heads
    worker.answers = why != "kafka does not answer"
    opened = worker.opened(OTHER)
    for _ in range(CHECKS):
        if why == "a step is written":
            await opened.lock.acquire()
        await worker.partitions.transactions.check({OTHER: opened})
        if why == "a step is written":
            opened.lock.release()
        await worker.maintain(OTHER)
    assert worker.writer.heads == heads


async def test_steps_that_follow_each_other_need_no_empty_one(worker: WorkerOnLog) -> None:
    """An event of the partition has ended the transaction."""
    worker.writer.leaves_open = True
    await worker.deliver(OTHER, RECORDS[:5])
    await worker.look()
    worker.writer.leaves_open = False
    worker.positions = await worker.assign(OTHER)
    await worker.deliver(OTHER)
    await worker.look()
    await worker.look()
    assert worker.writer.heads == worker.writer.visible_heads == 2


async def test_an_empty_step_that_fails_opens_the_partition_again(worker: WorkerOnLog) -> None:
    """As any step that fails."""
    worker.writer.leaves_open = True
    await worker.deliver(OTHER)
    await worker.look()
    worker.writer.fails = KafkaConnectionError()
    await worker.look()
    worker.was_sought.clear()
    await worker.was_sought.wait()
    assert worker.writer.openings == 2


# On a real broker.

#: A broker applies what the controller has accepted a moment later.
APPLIED_WITHIN_S: Final = 30.0


@contextmanager
def unverified(settings: Settings) -> Iterator[None]:
    """Have the broker take records of a transaction that its coordinator does not know: so one can be left open."""
    name = "transaction.partition.verification.enable"
    with admin_client(settings.kafka_brokers) as admin:
        broker = ConfigResource(ConfigResourceType.BROKER, "1")
        admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={name: "false"})])
        deadline = time.monotonic() + APPLIED_WITHIN_S
        while admin.describe_configs([broker], config_filter="all")["broker"]["1"][name]["value"] != "false":
            assert time.monotonic() < deadline, "the broker does not apply the setting"
            time.sleep(0.05)
        try:
            yield
        finally:
            admin.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={})])


@contextmanager
def left_open(producer: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:  # noqa: ANN401 - aiokafka's is untyped
    """Have the producer not tell the coordinator what it writes to: what was committed last answers for the commit."""
    manager = producer._txn_manager  # noqa: SLF001 - nothing else makes a transaction that stays open
    with monkeypatch.context() as patch:
        patch.setattr(manager, "maybe_add_partition_to_txn", manager._txn_partitions.add)  # noqa: SLF001
        yield


@asynccontextmanager
async def following(settings: Settings) -> AsyncIterator[JournalTail]:
    """Follow the journals."""
    tail = JournalTail(settings, sources=(OTHER[0],))
    await tail.start()
    try:
        yield tail
    finally:
        await tail.stop()


@asynccontextmanager
async def with_step_left_open(kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AssignedPartitions]:
    """Give a worker's partitions, after a step that the coordinator calls committed and the log does not."""
    monkeypatch.setattr("streams.partition.state.PartitionState._is_own", lambda *_: True)
    settings = kafka.with_topics()
    partitions = AssignedPartitions(settings, Rules(), EmptyArchive())
    try:
        produce(settings, [(OTHER[0], each.key, each.value) for each in RECORDS], partition=OTHER[1])
        offset, session = (await partitions.assign(frozenset({OTHER})))[OTHER]
        producer = partitions._opened[OTHER].writer._producer  # noqa: SLF001 - aiokafka's
        with unverified(settings), left_open(producer, monkeypatch):
            assert await partitions.process_batch(OTHER, session, offset, RECORDS)
        yield partitions
    finally:
        await partitions.close()


async def test_readers_get_the_step_from_a_real_broker(
    fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail has it with the empty step, which it takes as any other."""
    async with (
        with_step_left_open(fresh_kafka, monkeypatch) as partitions,
        following(load_settings(fresh_kafka.settings_env())) as tail,
    ):
        opened = partitions._opened  # noqa: SLF001 - as the worker's own loop does
        await partitions.transactions.check(opened)
        while not tail.caught_up():
            assert await tail.steps() == []
        await partitions.transactions.check(opened)
        assert await tail.steps() == []
        await partitions.maintain_one(OTHER, opened[OTHER])
        steps = await tail.steps()
        while len(steps) < 2:
            steps += await tail.steps()
    assert [(step.head.step, step.head.next, bool(step.records)) for step in steps] == [
        (1, len(RECORDS), True),
        (2, len(RECORDS), False),
    ]


async def test_another_worker_opens_with_the_step(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its opening is a transaction of the same producer, and ends the one that is open."""
    async with with_step_left_open(fresh_kafka, monkeypatch):
        other = AssignedPartitions(load_settings(fresh_kafka.settings_env()), Rules(), EmptyArchive())
        try:
            assert (await other.assign(frozenset({OTHER})))[OTHER].offset == len(RECORDS)
        finally:
            await other.close()
