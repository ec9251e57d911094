"""A worker's partitions: what a failed step leads to. The writer is a stand-in that fails as it is told."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaError

from schemas.policies import Rules
from schemas.settings import load
from streams.cluster import Cluster, ClusterAwayError, Topic
from streams.journal.writing import StepTooLargeError
from streams.partition import Partition
from streams.partitions import Partitions
from streams.steps import Output
from tests.bench.events import write_chats
from tests.streams.no_archive import NoArchive
from tests.streams.records import records_of

PLACE: Final = ("contacts.chat", 0)
RECORDS: Final = records_of(write_chats(20))


class StandIn:
    """A writer; what is appended while it fails is lost, as in life."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.openings = 0
        self.sizes: list[int] = []
        self.head = 0
        self.end = 0

    async def append(self, step: Output) -> None:
        """Write a step, or fail."""
        if self.fails is not None:
            raise self.fails
        self.sizes.append(step.head.next - self.head)
        self.head = step.head.next

    async def stop(self) -> None:
        """End."""


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Open partitions on the stand-in; each opening reads nothing back."""
    stand_in = StandIn()

    async def opened(*_: Any, **__: Any) -> tuple[Partition, StandIn]:  # noqa: ANN401 - as it is called
        stand_in.openings += 1
        partition = Partition(*PLACE, Rules())
        partition.begin(opened=stand_in.openings, epoch=1)
        return partition, stand_in

    monkeypatch.setattr("streams.partitions.open_partition", opened)
    return stand_in


async def take(partitions: Partitions) -> None:
    """Hand over all records, as read since the last opening."""
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    await partitions.take(PLACE, session, 0, RECORDS)
    await partitions.settle(frozenset({PLACE}))  # it may be opened again


async def test_after_a_failure_everything_is_forgotten(writer: StandIn) -> None:
    """A step that was not written leads to a new opening, and the batch counts once when it is read again."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    writer.fails = KafkaError()
    await take(partitions)
    assert writer.openings == 2
    assert [len(partition.contacts) for partition in partitions.held] == [0]
    writer.fails = None
    await take(partitions)
    assert (writer.openings, sum(writer.sizes)) == (2, len(RECORDS))


async def test_a_batch_of_an_earlier_session_is_passed_over(writer: StandIn) -> None:
    """What was fetched before the last opening is not folded: it comes again."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    await partitions.settle(frozenset({PLACE}))
    await partitions.take(PLACE, session=-1, begins=0, records=RECORDS)
    assert writer.sizes == []


async def test_a_lost_batch_leads_to_a_new_opening(writer: StandIn) -> None:
    """A batch that begins past the head is never folded: what lies between would be missing."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    await partitions.take(PLACE, session, begins=7, records=RECORDS[7:])
    await partitions.settle(frozenset({PLACE}))
    assert (writer.openings, writer.sizes) == (2, [])


async def test_a_step_that_does_not_fit_is_cut_until_it_does_or_is_named(writer: StandIn) -> None:
    """Steps get smaller; where not even one record's fits, the partition says that it stands still."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    writer.fails = StepTooLargeError()
    while partitions.blocked is None:
        await take(partitions)
    assert "contacts.chat/0 is blocked" in partitions.blocked
    writer.fails = None
    await take(partitions)
    assert partitions.blocked is None
    assert writer.sizes == [1] * len(RECORDS)


async def test_a_partition_that_went_to_another_worker_blocks_nobody_here(writer: StandIn) -> None:
    """A partition that stands still is this worker's trouble only while it is assigned here."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    writer.fails = StepTooLargeError()
    while partitions.blocked is None:
        await take(partitions)
    await partitions.settle(frozenset())
    assert partitions.blocked is None


async def test_a_topic_that_is_read_again_from_its_beginning_leads_to_a_new_opening(writer: StandIn) -> None:
    """A consumer whose position is out of range begins again: what looks known is of another topic, perhaps."""
    partitions = Partitions(load({}), Rules(), NoArchive())
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    await partitions.take(PLACE, session, begins=0, records=RECORDS[:9])
    await partitions.take(PLACE, session, begins=9, records=RECORDS)
    await partitions.settle(frozenset({PLACE}))
    assert (writer.openings, writer.sizes) == (2, [9])


class Described(Cluster):
    """A cluster that describes the topic as the test says, or does not answer."""

    def __init__(self, topic: Topic | None) -> None:
        self.topic = topic

    async def topics(self) -> dict[str, Topic]:
        """Describe it."""
        if self.topic is None:
            raise ClusterAwayError("no answer")
        return {PLACE[0]: self.topic}

    async def has_commits(self, group: str) -> bool:
        """Tell that nobody committed."""
        del group
        return False

    async def stop(self) -> None:
        """Disconnect."""


@pytest.mark.parametrize(
    ("topic", "openings", "counted", "waits"),
    [
        (Topic("one", 1), 1, [9, 9], False),
        (Topic("another", 1), 2, [9], False),
        (None, 1, [9], True),
    ],
    ids=["the same", "recreated", "no answer"],
)
async def test_a_source_topic_that_was_not_looked_at_for_long_is_looked_at_first(
    writer: StandIn, topic: Topic | None, openings: int, counted: list[int], *, waits: bool
) -> None:
    """While the broker was away its topic may have been recreated; without an answer what is in memory stays."""
    cluster = Described(Topic("one", 1))
    clock = [100.0]
    partitions = Partitions(load({}), Rules(), NoArchive(), now=lambda: clock[0], cluster=cluster)
    positions: dict[tuple[str, int], tuple[int, int]] = {}

    async def seek(found: dict[tuple[str, int], tuple[int, int]]) -> None:
        positions.update(found)

    partitions.seek = seek
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    partitions.held[0].begin(1, 1, 1, ("one", ""))
    await partitions.take(PLACE, session, begins=0, records=RECORDS[:9])
    known = partitions.held[0].contacts
    cluster.topic, clock[0] = topic, 200.0
    await partitions.take(PLACE, session, begins=9, records=RECORDS[9:18])
    await partitions.settle(frozenset({PLACE}))
    assert (writer.openings, [each for each in writer.sizes if each]) == (openings, counted)
    assert (partitions.waits is not None) == waits
    if partitions.waits is not None:
        assert "Kafka to confirm that the topic was not recreated" in partitions.waits.line(0)
        cluster.topic = Topic("one", 1)
        await partitions.look()
        assert partitions.held[0].contacts is known
        begins, session = positions[PLACE]
        assert begins == 9
        await partitions.take(PLACE, session, begins, RECORDS[9:18])
        assert (writer.openings, writer.sizes, len(partitions.held)) == (1, [9, 9], 1)
        assert partitions.blocked is None


async def test_events_that_retention_took_before_they_were_counted_are_named(
    writer: StandIn, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log begins behind the head: which events are missing is an error in the log, and the rest is counted."""
    first = 7

    async def bounds(*_: object) -> dict[tuple[str, int], tuple[int, int]]:
        return {PLACE: (first, 20)}

    monkeypatch.setattr("streams.log_ends.LogEnds.bounds", bounds)
    partitions = Partitions(load({}), Rules(), NoArchive())
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    await partitions.take(PLACE, session, begins=0, records=RECORDS[first:9])
    await asyncio.gather(*partitions._tasks.values())  # noqa: SLF001 - what its own loop lets run
    assert "contacts.chat/0: events 0 to 6 are gone from the topic before they were counted" in caplog.text
    caplog.clear()
    await partitions.take(PLACE, session, begins=9, records=RECORDS[9:12])
    await asyncio.gather(*partitions._tasks.values())  # noqa: SLF001 - as above
    assert (sum(writer.sizes), "are gone" in caplog.text) == (12, False)
