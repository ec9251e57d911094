"""What comes between two awaits of a worker: a cancelled question, an epoch being begun, a step that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

import pytest

from schemas.policies import Rules
from schemas.topics import journal_of
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.takeover import RefusedError
from streams.clickhouse.archive import ArchiveUnavailableError
from streams.configuration.environment import load_settings
from streams.kafka.cluster import TopicDescription
from streams.kafka.log_ends import LogEnds
from tests.streams.stand_ins import (
    EVICTED,
    OTHER,
    RECORDS,
    EmptyArchive,
    StandInCluster,
    Worker,
    cancel_task,
    run_ready_tasks,
)

SOURCE: Final = EVICTED[0]
TOPICS: Final = {SOURCE: TopicDescription("t", 2), journal_of(SOURCE): TopicDescription("j", 2)}
#: Journal offset of the opening that was refused.
OPENED: Final = 10


@pytest.mark.parametrize(("end", "openings"), [(OPENED + 2, 1), (OPENED + 4, 1), (OPENED + 6, 2)])
async def test_a_refused_partition_is_opened_again_after_a_step_only(
    monkeypatch: pytest.MonkeyPatch, end: int, openings: int
) -> None:
    """An opening alone is that of `pulssi epoch begin`, which reads the journal then: another one would fence it."""
    opened = 0

    async def refuses(*_: object, **__: object) -> None:
        nonlocal opened
        opened += 1
        refused = RefusedError("recreated")
        refused.opening_offset, refused.topics = OPENED, tuple(TOPICS.values())
        raise refused

    class Ends:
        async def stable(self, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
            return dict.fromkeys(places, end)

        async def close(self) -> None:
            pass

    monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", refuses)
    monkeypatch.setattr("streams.assignment.assigned_partitions.LogEnds", lambda _: Ends())
    partitions = AssignedPartitions(load_settings({}), Rules(), EmptyArchive(), cluster=StandInCluster(TOPICS))
    await partitions.assign(frozenset({EVICTED}))
    await partitions.topics.check()
    await partitions.assign(frozenset({EVICTED}))
    assert opened == openings
    await partitions.close()


async def test_a_step_that_hangs_holds_up_no_look_at_the_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic was recreated: the other partition is closed at once, this one after its step."""
    worker = Worker(monkeypatch)
    cluster = StandInCluster({SOURCE: TopicDescription("another", 2)})
    worker.partitions.topics.cluster = cluster  # in place of a real one
    await worker.assign(EVICTED, OTHER)
    begun: list[tuple[str, int]] = []
    monkeypatch.setattr(worker.partitions._openings, "start", begun.append)  # noqa: SLF001 - what comes next
    async with worker.opened(EVICTED).lock:
        looking = asyncio.ensure_future(worker.partitions.topics.check())
        await run_ready_tasks()
        assert (looking.done(), begun) == (True, [OTHER])
    await run_ready_tasks()
    assert begun == [OTHER, EVICTED]
    await worker.partitions.close()


async def test_one_partition_is_maintained_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where it gets another session meanwhile: an answer of before must not come after that of a later round."""
    hung, rounds = asyncio.Event(), asyncio.Queue[None]()
    asked: list[str] = []

    async def hangs(what: str, _: object) -> None:
        if what == "last_step_in_sink":
            asked.append(what)
            hung.set()
            await asyncio.Event().wait()

    async def look() -> None:
        rounds.put_nowait(None)

    monkeypatch.setattr("streams.assignment.assigned_partitions.MAINTAIN_EVERY_S", 0.0)
    monkeypatch.setattr("streams.partition.state.PartitionState.is_eviction_due", lambda _: True)
    worker = Worker(monkeypatch, EmptyArchive(hangs))
    await worker.assign(OTHER)
    monkeypatch.setattr(worker.partitions.topics, "check", look)
    maintenance = asyncio.ensure_future(worker.partitions.maintain())
    await hung.wait()
    opened = worker.opened(OTHER)
    await worker.partitions._resume(OTHER, opened)  # noqa: SLF001 - as above
    for _ in range(4):
        await rounds.get()
    assert asked == ["last_step_in_sink"]
    await cancel_task(maintenance)
    await worker.partitions.close()


def _slow(in_time: int) -> EmptyArchive:
    left = in_time

    async def answers(what: str, of: Collection[Any]) -> None:
        nonlocal left
        left -= len(of) if what == "contacts" else 0
        if what == "contacts" and left < 0:
            raise ArchiveUnavailableError("no answer in time")

    return EmptyArchive(answers)


async def test_health_sees_a_batch_that_is_held_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse answers small questions, so reading starts again, and never those of the batch: nothing moves."""
    monkeypatch.setattr("streams.assignment.opened_partition.PARKED_AT_MOST", 0)
    worker = Worker(monkeypatch, _slow(in_time=0))
    await worker.assign(EVICTED)
    since = set[float]()
    for _ in range(3):
        await worker.deliver(EVICTED)
        await worker.maintain(EVICTED)
        assert worker.was_sought.is_set(), "it is read again"
        wait = worker.partitions.shared.longest_wait
        assert wait is not None
        since.add(wait.since)
    assert (worker.records_written(EVICTED), len(since)) == (0, 1)
    await worker.partitions.close()


async def test_what_clickhouse_answered_of_a_batch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers for all contacts but one in time: that one's events wait, and the batch is written."""
    contacts = {record.key for record in RECORDS}
    monkeypatch.setattr("streams.assignment.opened_partition.PARKED_AT_MOST", 1)
    monkeypatch.setattr("streams.assignment.opened_partition.LOOKED_UP_AT_ONCE", 1, raising=False)
    worker = Worker(monkeypatch, _slow(in_time=len(contacts) - 1))
    await worker.assign(EVICTED)
    await worker.deliver(EVICTED)
    (partition,) = worker.partitions.open_states
    assert (worker.records_written(EVICTED), len(partition.parked)) == (len(RECORDS), 1)
    await worker.partitions.close()


class Consumer:
    """A client that takes two turns to start, and answers only then."""

    made: list[Consumer]
    _fetcher = None

    def __init__(self, **_: object) -> None:
        self.started = self.stopped = False
        self.made.append(self)

    async def start(self) -> None:
        """Connect."""
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        self.started = True

    async def stop(self) -> None:
        """Disconnect."""
        self.stopped = True

    async def end_offsets(self, tps: list[Any]) -> dict[Any, int]:
        """Answer, as aiokafka's does: not before it was started."""
        assert self.started
        return dict.fromkeys(tps, 7)


async def _known_partitions(_: object) -> dict[str, set[int]]:
    return {SOURCE: {EVICTED[1]}}


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_question_that_is_cancelled_leaves_no_half_connection(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """An opening is cancelled by a rebalance while it connects: the next question is answered."""
    Consumer.made = []
    monkeypatch.setattr("streams.kafka.log_ends.AIOKafkaConsumer", Consumer)
    monkeypatch.setattr("streams.kafka.log_ends.known_partitions", _known_partitions)
    ends = LogEnds(load_settings({}))
    asking = asyncio.ensure_future(ends.stable([EVICTED]))
    for _ in range(turns):
        await asyncio.sleep(0)
    await cancel_task(asking)
    assert await ends.stable([EVICTED]) == {EVICTED: 7}
    await ends.close()
    assert all(each.stopped for each in Consumer.made)
