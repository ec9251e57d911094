"""Reading a journal back on real brokers: all of it, or what was written since this worker released the partition."""

import time
from typing import Final

import pytest

from schemas.journal import Head
from schemas.policies import Rules
from schemas.settings import Settings
from streams.assignment.recovery import ReleasedPartition, recover
from streams.assignment.takeover import take_over
from streams.journal.step_assembly import Step
from streams.journal.writer import JournalWriter
from streams.kafka.topic_migration import migrate_topics
from streams.partition.state import PartitionState
from tests.bench.events import write_chats
from tests.kafka.server import KafkaServer
from tests.streams.flow import keyed, produce
from tests.streams.journal_by_hand import JournalByHand, Records
from tests.streams.records import Record, records_of
from tests.streams.stand_ins import takeover_services

SOURCE: Final = "contacts.chat"
EVENTS: Final = write_chats(40)
RECORDS: Final = records_of(EVENTS)


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a broker that has the topics, of one partition each: the keys are of no matter."""
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS="1")
    produce(settings, keyed(EVENTS))
    return settings


async def _open(settings: Settings, released: ReleasedPartition | None = None) -> tuple[PartitionState, JournalWriter]:
    async with takeover_services(settings) as whom:
        return await take_over(settings, Rules(), (SOURCE, 0), whom, released=released)


async def _work(
    settings: Settings, records: list[Record], released: ReleasedPartition | None = None
) -> ReleasedPartition:
    partition, writer = await _open(settings, released)
    for begin in range(0, len(records), 10):
        for step in partition.steps(records[begin : begin + 10]):
            await writer.append(step)
    await writer.stop()
    return ReleasedPartition(partition, writer.end, time.monotonic())


def _state(partition: PartitionState) -> tuple[object, ...]:
    return partition.contacts, dict(partition.panes.totals()), partition.head._replace(open=0)


async def test_it_goes_on_from_what_it_had(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker went on meanwhile: what that one wrote is read, and the state is that of reading all."""
    half, most = len(RECORDS) // 2, len(RECORDS) - 10
    mine = await _work(settings, RECORDS[:half])
    had = mine.state.head.step
    await _work(settings, RECORDS[half:most])
    whole, writer = await _open(settings)
    await writer.stop()
    loaded: list[int] = []
    load = PartitionState.load

    def noted(self: PartitionState, step: Step) -> None:
        loaded.append(step.head.step)
        load(self, step)

    monkeypatch.setattr(PartitionState, "load", noted)
    back, writer = await _open(settings, mine)
    assert _state(back) == _state(whole)
    assert loaded == list(range(had + 1, whole.head.step + 1)), "only what was written meanwhile is read"
    await writer.stop()


async def test_what_was_let_go_too_long_ago_is_read_again(settings: Settings) -> None:
    """Tombstones may be gone by then."""
    mine = await _work(settings, RECORDS[:20])
    mine.state.contacts[b"gone since"] = b"{}"
    back, writer = await _open(settings, mine._replace(released_at=time.monotonic() - 3_600))
    assert b"gone since" not in back.contacts
    await writer.stop()


async def test_another_journal_is_read_from_its_beginning(fresh_kafka: KafkaServer, settings: Settings) -> None:
    """The journal was recreated: what is in memory belongs to none."""
    mine = await _work(settings, RECORDS[:20])
    fresh_kafka.clear()
    assert migrate_topics(settings, wait_s=10).ok
    again = await _work(settings, RECORDS[20:40], mine)
    assert again.state.head.next == 40
    assert again.state.contacts.keys() == {record.key for record in RECORDS[20:40]}


@pytest.mark.parametrize(
    ("limit", "a_step"), [(20, 3), (20, 1_000), (20_000, 1_000)], ids=["steps", "one step", "many records"]
)
async def test_a_journal_about_as_long_as_one_fetch_may_be(
    fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch, limit: int, a_step: int
) -> None:
    """Of one record (the opening's own), of just as many as one fetch brings at most, of one or a few more: all count.

    So the opening's own record, at which reading ends, is the last of a fetch, or stands alone in the next; and where
    there are several, steps are cut by the fetches.
    """
    monkeypatch.setattr("streams.assignment.recovery._POLL_RECORDS", limit)
    lengths = (1, limit - 1, limit, limit + 1, limit + 3, 2 * limit)
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS=str(len(lengths)))
    for number, length in enumerate(lengths):
        heads, left = 0, length - 1
        async with JournalByHand(settings, SOURCE, number) as hand:
            while left:
                many = min(a_step, left)
                heads, left = heads + 1, left - many
                contacts: Records = [(b"c%d" % (left + n), b"%d" % heads) for n in range(many - 1)]
                await hand.step(Head(step=heads, next=heads), contacts)
        writer = JournalWriter(settings, SOURCE, number)
        opened = await writer.open("test")
        partition, found = await recover(settings, Rules(), (SOURCE, number), opened, None)
        await writer.stop()
        assert (found, partition.head.step, len(partition.contacts)) == (heads > 0, heads, length - 1 - heads)
