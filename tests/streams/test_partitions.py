"""A worker's partitions: what a failed step leads to. The writer is a stand-in that fails as it is told."""

from __future__ import annotations

from typing import Any, Final

import orjson
import pytest
from aiokafka.errors import KafkaError

from schemas.policies import Rules
from schemas.settings import load
from streams.journal.writing import StepTooLargeError
from streams.partition import Partition
from streams.partitions import Partitions
from streams.sightings import Sighting
from streams.steps import Output
from tests.bench.events import write_chats
from tests.streams.no_archive import NoArchive
from tests.streams.records import Record

PLACE: Final = ("contacts.chat", 0)
RECORDS: Final = [
    Record(at, event["contact_id"].encode(), orjson.dumps(event)) for at, event in enumerate(write_chats(20))
]


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
    assert (writer.openings, writer.sizes) == (2, [])


async def test_a_step_that_does_not_fit_is_cut_until_it_does_or_is_named(writer: StandIn) -> None:
    """Steps get smaller; where not even one record's fits, the partition says that it stands still."""
    partitions = Partitions(load({"PULSSI_KAFKA_KIND": "embedded"}), Rules(), NoArchive())
    writer.fails = StepTooLargeError()
    while partitions.blocked is None:
        await take(partitions)
    assert "contacts.chat/0 stands still" in partitions.blocked
    writer.fails = None
    await take(partitions)
    assert partitions.blocked is None
    assert writer.sizes == [1] * len(RECORDS)


async def test_a_partition_that_went_to_another_worker_blocks_nobody_here(writer: StandIn) -> None:
    """A partition that stands still is this worker's trouble only while it is assigned here."""
    partitions = Partitions(load({"PULSSI_KAFKA_KIND": "embedded"}), Rules(), NoArchive())
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
    assert (writer.openings, writer.sizes) == (2, [9])


class Unseeing:
    """Looks at source topics, and sees what it is told to; without an answer of the broker, nothing."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, int], Sighting] = {}

    async def look(self, _: object) -> dict[tuple[str, int], Sighting]:
        """Look."""
        return self.seen


@pytest.mark.parametrize(
    ("seen", "openings", "counted"),
    [({PLACE: Sighting("same")}, 1, [9, 9]), ({PLACE: Sighting("anew")}, 2, [9]), ({}, 2, [9])],
    ids=["the same", "made anew", "no answer"],
)
async def test_a_source_topic_that_was_not_looked_at_for_long_is_looked_at_first(
    writer: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    seen: dict[tuple[str, int], Sighting],
    openings: int,
    counted: list[int],
) -> None:
    """While the broker was away its topic may have been made anew, and have grown past where reading goes on."""
    sightings = Unseeing()
    monkeypatch.setattr("streams.partitions.Sightings", lambda _: sightings)
    clock = iter(range(100, 1_000, 20))
    partitions = Partitions(load({}), Rules(), NoArchive(), now=lambda: next(clock))
    _, session = (await partitions.settle(frozenset({PLACE})))[PLACE]
    await partitions.take(PLACE, session, begins=0, records=RECORDS[:9])
    await partitions.see()
    sightings.seen = seen
    await partitions.take(PLACE, session, begins=9, records=RECORDS[9:18])
    assert (writer.openings, [each for each in writer.sizes if each]) == (openings, counted)
