"""A worker's partitions: what a failed step leads to. The writer is a stand-in that fails as it is told."""

import asyncio
from typing import Final

import pytest
from aiokafka.errors import KafkaError

from streams.journal.writer import StepTooLargeError
from streams.kafka.cluster import TopicDescription
from tests.streams.stand_ins import OTHER, RECORDS, StandInCluster, StandInWriter, Worker

PLACE: Final = OTHER


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """Give a worker whose partition opens at once; each opening reads nothing back."""
    return Worker(monkeypatch)


@pytest.fixture
def writer(worker: Worker) -> StandInWriter:
    """Give the partition's writer."""
    return worker.writers[PLACE]


async def deliver_all(worker: Worker) -> None:
    """Hand over all records, as read since the last opening."""
    await worker.assign(PLACE)
    await worker.deliver(PLACE, fetch_offset=0)
    await worker.assign(PLACE)  # it may be opened again


async def test_after_a_failure_everything_is_forgotten(worker: Worker, writer: StandInWriter) -> None:
    """A step that was not written leads to a new opening, and the batch counts once when it is read again."""
    writer.fails = KafkaError()
    await deliver_all(worker)
    assert writer.openings == 2
    assert [len(partition.contacts) for partition in worker.partitions.open_states] == [0]
    writer.fails = None
    await deliver_all(worker)
    assert (writer.openings, sum(writer.sizes)) == (2, len(RECORDS))


async def test_a_batch_of_an_earlier_session_is_passed_over(worker: Worker, writer: StandInWriter) -> None:
    """What was fetched before the last opening is not folded: it comes again."""
    await worker.assign(PLACE)
    await worker.partitions.process_batch(PLACE, session=-1, fetch_offset=0, records=RECORDS)
    assert writer.sizes == []


async def test_a_lost_batch_leads_to_a_new_opening(worker: Worker, writer: StandInWriter) -> None:
    """A batch that begins past the head is never folded: what lies between would be missing."""
    await worker.assign(PLACE)
    await worker.deliver(PLACE, RECORDS[7:], fetch_offset=7)
    await worker.assign(PLACE)
    assert (writer.openings, writer.sizes) == (2, [])


async def test_a_step_that_does_not_fit_is_cut_until_it_does_or_is_named(worker: Worker, writer: StandInWriter) -> None:
    """Steps get smaller; where not even one record's fits, the partition says that it stands still."""
    writer.fails = StepTooLargeError()
    while worker.partitions.blocked is None:
        await deliver_all(worker)
    assert "contacts.chat/1: blocked at offset" in worker.partitions.blocked
    assert worker.partitions.waiting_reasons == {PLACE: "blocked"}
    writer.fails = None
    await deliver_all(worker)
    assert worker.partitions.blocked is None
    assert writer.sizes == [1] * len(RECORDS)


async def test_a_partition_that_went_to_another_worker_blocks_nobody_here(
    worker: Worker, writer: StandInWriter
) -> None:
    """A partition that stands still is this worker's trouble only while it is assigned here."""
    writer.fails = StepTooLargeError()
    while worker.partitions.blocked is None:
        await deliver_all(worker)
    await worker.assign()
    assert worker.partitions.blocked is None


async def test_a_topic_that_is_read_again_from_its_beginning_leads_to_a_new_opening(
    worker: Worker, writer: StandInWriter
) -> None:
    """A consumer whose position is out of range begins again: what looks known is of another topic, perhaps."""
    await worker.assign(PLACE)
    await worker.deliver(PLACE, RECORDS[:9], fetch_offset=0)
    await worker.deliver(PLACE, RECORDS, fetch_offset=9)
    await worker.assign(PLACE)
    assert (writer.openings, writer.sizes) == (2, [9])


@pytest.mark.parametrize(
    ("topics", "openings", "records_written", "waits"),
    [
        ({PLACE[0]: TopicDescription("one", 2)}, 1, [9, 9], False),
        ({PLACE[0]: TopicDescription("another", 2)}, 2, [9], False),
        (None, 1, [9], True),
    ],
    ids=["the same", "recreated", "no answer"],
)
async def test_a_source_topic_that_was_not_looked_at_for_long_is_looked_at_first(
    monkeypatch: pytest.MonkeyPatch,
    topics: dict[str, TopicDescription] | None,
    openings: int,
    records_written: list[int],
    *,
    waits: bool,
) -> None:
    """While the broker was away its topic may have been recreated; without an answer what is in memory stays."""
    one, clock = {PLACE[0]: TopicDescription("one", 2)}, [100.0]
    cluster = StandInCluster(one)
    worker = Worker(monkeypatch, now=lambda: clock[0], cluster=cluster)
    writer = worker.writers[PLACE]
    await worker.assign(PLACE)
    worker.partitions.open_states[0].begin(1, 1, 2, ("one", ""))
    await worker.deliver(PLACE, RECORDS[:9])
    known = worker.partitions.open_states[0].contacts
    cluster.described, clock[0] = topics, 200.0
    await worker.deliver(PLACE, RECORDS[9:18], fetch_offset=9)
    await worker.assign(PLACE)
    assert (writer.openings, [each for each in writer.sizes if each]) == (openings, records_written)
    assert (worker.partitions.shared.longest_wait is not None) == waits
    if worker.partitions.shared.longest_wait is not None:
        assert "Kafka to confirm that the topic was not recreated" in worker.partitions.shared.longest_wait.line(0)
        cluster.described = one
        await worker.partitions.topics.check()
        assert worker.partitions.open_states[0].contacts is known
        assert worker.positions[PLACE].offset == 9
        await worker.deliver(PLACE, RECORDS[9:18])
        assert (writer.openings, writer.sizes, len(worker.partitions.open_states)) == (1, [9, 9], 1)
        assert worker.partitions.blocked is None


async def test_events_that_retention_took_before_they_were_counted_are_named(
    worker: Worker, writer: StandInWriter, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log begins behind the head: which events are missing is an error in the log, and the rest is counted."""
    first = 7

    async def bounds(*_: object) -> dict[tuple[str, int], tuple[int, int]]:
        return {PLACE: (first, 20)}

    monkeypatch.setattr("streams.kafka.log_ends.LogEnds.bounds", bounds)
    await worker.assign(PLACE)
    await worker.deliver(PLACE, RECORDS[first:9], fetch_offset=0)
    await asyncio.gather(*worker.partitions._background.running.values())  # noqa: SLF001 - what its own loop lets run
    assert "contacts.chat/1: offsets 0 to 6 were deleted by retention before they were counted" in caplog.text
    caplog.clear()
    await worker.deliver(PLACE, RECORDS[9:12], fetch_offset=9)
    await asyncio.gather(*worker.partitions._background.running.values())  # noqa: SLF001 - as above
    assert (sum(writer.sizes), "deleted by retention" in caplog.text) == (12, False)
