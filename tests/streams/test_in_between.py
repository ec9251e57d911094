"""What comes between two awaits of a worker: a cancelled question, an epoch being begun, a step that hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any, Final

import pytest

from schemas.policies import Rules
from schemas.topics import journal_of
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.opening import RefusedError
from streams.clickhouse.history import HistoryAwayError
from streams.configuration.environment import load_settings
from streams.kafka.cluster import TopicDescription
from streams.kafka.log_ends import LogEnds
from tests.streams.stand_ins import OTHER, RECORDS, WAITS, Described, NoHistory, Worker, ended, turns

SOURCE: Final = WAITS[0]
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
        refused.opened, refused.ids = OPENED, ("t", "j")
        raise refused

    class Ends:
        async def stable(self, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
            return dict.fromkeys(places, end)

        async def close(self) -> None:
            pass

    monkeypatch.setattr("streams.assignment.assigned_partitions.take_over", refuses)
    monkeypatch.setattr("streams.assignment.assigned_partitions.LogEnds", lambda _: Ends())
    partitions = AssignedPartitions(load_settings({}), Rules(), NoHistory(), cluster=Described(TOPICS))
    await partitions.settle(frozenset({WAITS}))
    await partitions.check_topic_ids()
    await partitions.settle(frozenset({WAITS}))
    assert opened == openings
    await partitions.close()


async def test_a_step_that_hangs_holds_up_no_look_at_the_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """The topic was recreated: the other partition is closed at once, this one after its step."""
    worker = Worker(monkeypatch)
    cluster = Described({SOURCE: TopicDescription("another", 2)})
    worker.partitions._cluster = cluster  # noqa: SLF001 - in place of a real one
    await worker.settle(WAITS, OTHER)
    begun: list[tuple[str, int]] = []
    monkeypatch.setattr(worker.partitions._openings, "begin", begun.append)  # noqa: SLF001 - what comes next
    async with worker.held(WAITS).lock:
        looking = asyncio.ensure_future(worker.partitions.check_topic_ids())
        await turns()
        assert (looking.done(), begun) == (True, [OTHER])
    await turns()
    assert begun == [OTHER, WAITS]
    await worker.partitions.close()


async def test_one_partition_is_tended_once_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
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

    monkeypatch.setattr("streams.assignment.assigned_partitions.TEND_EVERY_S", 0.0)
    monkeypatch.setattr("streams.partition.state.PartitionState.is_eviction_due", lambda _: True)
    worker = Worker(monkeypatch, NoHistory(hangs))
    await worker.settle(OTHER)
    monkeypatch.setattr(worker.partitions, "check_topic_ids", look)
    tending = asyncio.ensure_future(worker.partitions.tend())
    await hung.wait()
    held = worker.held(OTHER)
    await worker.partitions._resume(OTHER, held)  # noqa: SLF001 - as above
    for _ in range(4):
        await rounds.get()
    assert asked == ["last_step_in_sink"]
    await ended(tending)
    await worker.partitions.close()


def _slow(in_time: int) -> NoHistory:
    left = in_time

    async def answers(what: str, of: Collection[Any]) -> None:
        nonlocal left
        left -= len(of) if what == "contacts" else 0
        if what == "contacts" and left < 0:
            raise HistoryAwayError("no answer in time")

    return NoHistory(answers)


async def test_health_sees_a_batch_that_is_held_back_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """ClickHouse answers small questions, so reading starts again, and never those of the batch: nothing moves."""
    monkeypatch.setattr("streams.assignment.open_partition.PARKED_AT_MOST", 0)
    worker = Worker(monkeypatch, _slow(in_time=0))
    await worker.settle(WAITS)
    since = set[float]()
    for _ in range(3):
        await worker.take(WAITS)
        await worker.tend(WAITS)
        assert worker.sent.is_set(), "it is read again"
        wait = worker.partitions.waits
        assert wait is not None
        since.add(wait.since)
    assert (worker.counted(WAITS), len(since)) == (0, 1)
    await worker.partitions.close()


async def test_what_clickhouse_answered_of_a_batch_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers for all contacts but one in time: that one's events wait, and the batch is written."""
    contacts = {record.key for record in RECORDS}
    monkeypatch.setattr("streams.assignment.open_partition.PARKED_AT_MOST", 1)
    monkeypatch.setattr("streams.assignment.open_partition.LOOKED_UP_AT_ONCE", 1, raising=False)
    worker = Worker(monkeypatch, _slow(in_time=len(contacts) - 1))
    await worker.settle(WAITS)
    await worker.take(WAITS)
    (partition,) = worker.partitions.open_states
    assert (worker.counted(WAITS), len(partition.parked)) == (len(RECORDS), 1)
    await worker.partitions.close()


class Consumer:
    """A client that takes two turns to start, and answers only then."""

    made: list[Consumer]

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

    async def topics(self) -> set[str]:
        """Name the topics."""
        return {SOURCE}

    async def end_offsets(self, tps: list[Any]) -> dict[Any, int]:
        """Answer, as aiokafka's does: not before it was started."""
        assert self.started
        return dict.fromkeys(tps, 7)


@pytest.mark.parametrize("turns", range(1, 6))
async def test_a_question_that_is_cancelled_leaves_no_half_connection(
    monkeypatch: pytest.MonkeyPatch, turns: int
) -> None:
    """An opening is cancelled by a rebalance while it connects: the next question is answered."""
    Consumer.made = []
    monkeypatch.setattr("streams.kafka.log_ends.AIOKafkaConsumer", Consumer)
    ends = LogEnds(load_settings({}))
    asking = asyncio.ensure_future(ends.stable([WAITS]))
    for _ in range(turns):
        await asyncio.sleep(0)
    await ended(asking)
    assert await ends.stable([WAITS]) == {WAITS: 7}
    await ends.close()
    assert all(each.stopped for each in Consumer.made)
