"""Opening a partition on a real broker: refused where the topics are not those that were read, and only there."""

import asyncio
import re
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from kafka import TopicPartition as KafkaPartition
from kafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_fixed

from schemas.journal import CONTACT, Head
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.assignment.assigned_partitions import AssignedPartitions
from streams.assignment.epochs import survey
from streams.assignment.takeover import RefusedError, take_over
from streams.assignment.topic_checks import OPENING_AND_STEP
from streams.clickhouse.archive import ArchiveUnavailableError
from streams.kafka.brokers import admin_client
from streams.kafka.cluster import Cluster, ClusterUnavailableError
from streams.kafka.topic_migration import migrate_topics
from streams.partition.state import PartitionState
from tests.kafka.server import KafkaServer
from tests.streams.flow import produce
from tests.streams.journal_by_hand import JournalByHand
from tests.streams.stand_ins import EmptyArchive, takeover_services

SOURCE: Final = "contacts.chat"
PLACE: Final = (SOURCE, 0)
OPENED_WITHIN_S: Final = 60.0
REMEDY: Final = r"`pulssi epoch begin contacts\.chat`"


class ArchiveWithEpoch(EmptyArchive):
    """ClickHouse, which knows epochs of every partition, or is away."""

    def __init__(self, epoch: int | None) -> None:
        super().__init__(away=epoch is None)
        self._epoch = epoch or 0

    async def epoch(self, source: str, partition: int) -> int:
        """Tell the last epoch."""
        return max(self._epoch, await super().epoch(source, partition))


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    monkeypatch.setattr("streams.assignment.takeover.LOG_SHORT_FOR_S", 0.0)
    return fresh_kafka.with_topics(PULSSI_PARTITIONS="2")


async def _opened(settings: Settings, epoch: int | None = 0) -> PartitionState:
    """Open, trying again while the broker makes the topic in which it keeps groups' offsets, as workers do."""
    async with takeover_services(settings, ArchiveWithEpoch(epoch)) as services:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(ClusterUnavailableError), stop=stop_after_attempt(20), wait=wait_fixed(0.5)
        ):
            with attempt:
                partition, writer = await take_over(settings, Rules(), PLACE, services)
    await writer.stop()
    return partition


async def _write(settings: Settings, head: Head) -> None:
    async with JournalByHand(settings, *PLACE) as hand:
        await hand.step(head, [(CONTACT + b"c1", b"one")])


def _produce(settings: Settings, many: int) -> None:
    produce(settings, [(SOURCE, b"k", b"%d" % number) for number in range(many)], partition=0)


def _recreate(settings: Settings, *names: str) -> None:
    with admin_client(settings.kafka_brokers, 10) as admin:
        admin.delete_topics(list(names))
        while set(names) & set(admin.list_topics()):
            pass
    assert migrate_topics(settings, wait_s=10).ok


async def test_the_head_names_the_topics_that_it_was_read_from(settings: Settings) -> None:
    """As Kafka's own ids say, and they stay where nothing is recreated."""
    partition = await _opened(settings)
    cluster = Cluster(settings)
    topics = await cluster.topics()
    await cluster.stop()
    assert (partition.head.topic, partition.head.journal) == (topics[SOURCE].id, topics[journal_of(SOURCE)].id)
    await _write(settings, partition.head._replace(step=1))
    assert (await _opened(settings)).head.topic == partition.head.topic


async def test_a_recreated_topic_is_refused_however_long_it_is(settings: Settings) -> None:
    """Its id is another one; that it has grown past the head, as here, hides nothing."""
    partition = await _opened(settings)
    _produce(settings, 3)
    await _write(settings, partition.head._replace(step=1, next=3))
    assert (await _opened(settings)).contacts == {b"c1": b"one"}
    _recreate(settings, SOURCE)
    _produce(settings, 9)
    with pytest.raises(RefusedError, match=f"contacts.chat was recreated.*{REMEDY}"):
        await _opened(settings)


async def test_a_log_that_ends_below_the_head_is_refused(settings: Settings) -> None:
    """Records that were counted are lost: the broker's disk, or an election of one that had not all."""
    partition = await _opened(settings)
    _produce(settings, 3)
    await _write(settings, partition.head._replace(step=1, next=9))
    with pytest.raises(RefusedError, match=f"ends at offset 3, and was read up to 9.*{REMEDY}"):
        await _opened(settings)


async def test_a_missing_journal_is_refused_where_clickhouse_knows_the_partition(settings: Settings) -> None:
    """Counting would begin again beside what was counted; where ClickHouse knows nothing, the first epoch begins."""
    with pytest.raises(RefusedError, match=f"ClickHouse knows epoch 3.*{REMEDY}"):
        await _opened(settings, epoch=3)
    assert (await _opened(settings, epoch=0)).head.epoch == 1


async def test_a_new_installation_opens_without_clickhouse(settings: Settings) -> None:
    """Kafka can tell that there was nothing before: no record is gone, and this installation never committed."""
    _produce(settings, 3)
    assert (await _opened(settings, epoch=None)).head.epoch == 1


async def test_without_clickhouse_an_installation_that_is_not_new_waits(settings: Settings) -> None:
    """A sink committed once: the journal may be missing, and only ClickHouse knows."""
    async with (
        AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, transactional_id="once", acks="all") as producer,
        producer.transaction(),
    ):
        await producer.send_offsets_to_transaction({TopicPartition(SOURCE, 1): 5}, f"{settings.application}-sink")
    with pytest.raises(ArchiveUnavailableError, match="only ClickHouse knows"):
        await _opened(settings, epoch=None)


async def test_without_clickhouse_a_source_whose_beginning_is_gone_waits(settings: Settings) -> None:
    """Records were deleted, so somebody may have counted them."""
    _produce(settings, 3)
    with admin_client(settings.kafka_brokers, 10) as admin:
        admin.delete_records({KafkaPartition(SOURCE, 0): 2})
    with pytest.raises(ArchiveUnavailableError, match="only ClickHouse knows"):
        await _opened(settings, epoch=None)


async def test_a_cluster_that_does_not_describe_its_topics_in_time_has_said_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither opened nor refused: whoever opens tries again, with what is in memory."""
    await _write(settings, (await _opened(settings)).head._replace(step=1))

    def hangs(_: object) -> None:
        raise KafkaError("timed out")

    monkeypatch.setattr("streams.kafka.cluster._topics", hangs)
    async with takeover_services(settings) as services:
        with pytest.raises(ClusterUnavailableError, match="does not describe the topics"):
            await take_over(settings, Rules(), PLACE, services)


async def test_another_count_of_partitions_is_refused(settings: Settings) -> None:
    """Keys would belong to other partitions; the way out is in the line."""
    partition = await _opened(settings)
    await _write(settings, partition.head._replace(step=1, partitions=3))
    with pytest.raises(RefusedError, match=f"has 2 partitions, and had 3.*{REMEDY}"):
        await _opened(settings)


def _raise(settings: Settings, topic: str, partitions: int) -> None:
    with admin_client(settings.kafka_brokers, 10) as admin:
        admin.create_partitions({topic: partitions})


async def test_a_source_that_was_given_more_partitions_than_its_journal(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is refused in one line, by workers and `epoch begin`, until the journal has as many: then it is opened."""
    for _ in range(OPENING_AND_STEP):
        await _opened(settings)  # the journal has records, and no step yet
    _raise(settings, SOURCE, 3)
    journal = journal_of(SOURCE)
    counts = rf"contacts.chat has 3 partitions, its journal {journal} has 2\. .*delete the topic {journal}.*{REMEDY}"
    partitions, assigned = AssignedPartitions(settings, Rules(), EmptyArchive()), {(SOURCE, each) for each in range(3)}
    try:
        await partitions.assign(frozenset(assigned))
        [line] = partitions.refusals
        assert re.fullmatch(rf"contacts.chat/0,1,2: refused: {counts}", line)
        with pytest.raises(RefusedError, match=counts):
            await survey(settings, SOURCE, {})
        await partitions.topics.check()  # it changes nothing as long as nothing has changed
        await partitions.assign(frozenset(assigned))
        assert partitions.refusals == [line]
        assert (partitions.ready, partitions.started) == (False, True)
        assert sum("refused, other partitions continue" in each for each in caplog.messages) == len(assigned)
        _raise(settings, journal, 3)
        async with asyncio.timeout(OPENED_WITHIN_S):
            while not partitions.ready:
                await partitions.topics.check()
                await partitions.assign(frozenset(assigned))
        assert (partitions.refusals, partitions.started) == ([], True)
    finally:
        await partitions.close()
