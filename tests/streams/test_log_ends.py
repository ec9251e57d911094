"""Where logs end, on a real broker: with markers, aborted and open transactions, and many partitions at once."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.errors import KafkaError

from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer
from tests.kafka.server import KafkaServer
from tests.streams.test_waiting import silent_server

CHAT = "contacts.chat"
MANY = 16
#: Not more than a page may wait for an answer: what costs a wait for each partition does not come in this time.
WITHIN_S = 2.0


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Return the settings of a broker with sixteen partitions a topic."""
    return fresh_kafka.with_topics(PULSSI_PARTITIONS=str(MANY))


def transactions(settings: Settings) -> AIOKafkaProducer:
    """Give a producer with transactions."""
    return AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, transactional_id="ends")


async def send(producer: AIOKafkaProducer, *numbers: int) -> list[int]:
    """Write a record to each of the partitions; returns their offsets."""
    return [(await sent).offset for sent in [await producer.send(CHAT, b"{}", partition=number) for number in numbers]]


async def decided(ends: LogEnds, places: list[tuple[str, int]]) -> None:
    """Return once markers stand at the ends: a transaction's end is acknowledged before they are written."""
    async with asyncio.timeout(WITHIN_S):
        while await ends.stable(places) != {place: end for place, (_, end) in (await ends.bounds(places)).items()}:
            pass


async def test_a_marker_is_no_record_in_any_of_sixteen_partitions(settings: Settings) -> None:
    """All that stands behind the positions are markers: every partition is read to its end, in one answer."""
    everywhere = [(CHAT, number) for number in range(MANY)]
    ends = LogEnds(settings, WITHIN_S)
    async with transactions(settings) as producer:
        async with producer.transaction():
            await send(producer, *range(MANY))
        await decided(ends, everywhere)
        at_end = dict.fromkeys(everywhere, 1)
        assert await ends.stable(everywhere) == dict.fromkeys(everywhere, 2)
        assert await ends.ends(at_end) == at_end
        assert await ends.ends(at_end) == at_end, "the second time it is known"
        behind = await ends.ends(dict.fromkeys(everywhere, 0))
        assert set(behind.values()) == {2}
        async with producer.transaction():
            await send(producer, 3)
        await decided(ends, everywhere)
        assert await ends.ends(at_end) == at_end | {(CHAT, 3): 4}
    await ends.close()


async def test_what_an_open_transaction_holds_back_is_produced(settings: Settings) -> None:
    """Not decided, nothing behind its first record counts as read; taken back, it never was."""
    place = (CHAT, 5)
    ends = LogEnds(settings, WITHIN_S)
    async with transactions(settings) as producer, AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as plain:
        await send(plain, 5)
        assert await ends.ends({place: 1}) == {place: 1}
        await producer.begin_transaction()
        await send(producer, 5)
        assert await ends.stable([place]) == {place: 1}
        assert await ends.ends({place: 1}) == {place: 2}
        assert await ends.unread({place: 0}) == {place: 1}
        assert await ends.unread({place: 1}) == {}, "nobody can read it yet"
        await producer.abort_transaction()
        await decided(ends, [place])
        assert await ends.ends({place: 1}) == {place: 1}
        assert await ends.unread({place: 1}) == {}, "nobody ever will"
        await producer.begin_transaction()
        await send(producer, 5)
        produced = 1 + (await send(plain, 5))[0]  # not counted: an abort that is asked for twice has two markers
        assert await ends.ends({place: 1}) == {place: produced}, (
            "a record that is acknowledged, behind one that is not decided"
        )
        await producer.commit_transaction()
        await decided(ends, [place])
        assert await ends.ends({place: produced}) == {place: produced}
        assert (await ends.ends({place: produced - 1}))[place] >= produced
    await ends.close()


async def test_what_is_missing_is_left_out_and_not_made(settings: Settings) -> None:
    """Asking changes nothing on the broker."""
    ends = LogEnds(settings, WITHIN_S)
    missing = {("contacts.fax", 0): 0, (CHAT, MANY): 0}
    assert await ends.ends({(CHAT, 0): 0, **missing}) == {(CHAT, 0): 0}
    assert await ends.bounds([(CHAT, 0), *missing]) == {(CHAT, 0): (0, 0)}
    assert await ends.stable([(CHAT, 0), *missing]) == {(CHAT, 0): 0}
    await ends.close()


async def test_a_broker_that_does_not_answer_is_an_error_in_time() -> None:
    """A port that accepts and never answers: the question ends, and so does closing."""
    async with silent_server() as server:
        ends = LogEnds(load_settings({"PULSSI_KAFKA_BROKERS": server.url.removeprefix("http://")}), 0.2)
        with pytest.raises((TimeoutError, KafkaError)):
            await ends.ends({(CHAT, 0): 0})
        await server.asked.wait()


@pytest.fixture
def _without_collections() -> Iterator[None]:
    """Have the garbage collector pass over nothing, as in a process whose view it would take long to pass over."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def kept_fetches() -> int:
    """Count the fetches that are in memory, each of some partition: up to a megabyte of records."""
    return sum(isinstance(each, PartitionRecords) for each in gc.get_objects())


@pytest.mark.usefixtures("_without_collections")
async def test_what_was_fetched_to_find_an_end_is_freed(settings: Settings) -> None:
    """A question may bring records that nobody wants: none of them outlives it, whether a collector passes or not."""
    everywhere = [(CHAT, number) for number in range(MANY)]
    ends = LogEnds(settings, WITHIN_S)
    before = kept_fetches()
    async with transactions(settings) as producer:
        for _ in range(3):
            async with producer.transaction():
                await send(producer, *(number for number in range(MANY) for _ in range(MANY)))
        await decided(ends, everywhere)
        for _ in range(3):
            assert set(await ends.unread(dict.fromkeys(everywhere, 0))) == set(everywhere)
    await ends.close()
    assert kept_fetches() == before


@pytest.mark.usefixtures("_without_collections")
async def test_what_a_consumer_did_not_read_is_freed_when_it_ends(settings: Settings) -> None:
    """One that has read one record of many keeps none of the others."""
    before = kept_fetches()
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as plain:
        await send(plain, *([0] * MANY))
    consumer = committed_consumer(settings)
    await consumer.start()
    consumer.assign([TopicPartition(CHAT, 0)])
    consumer.seek(TopicPartition(CHAT, 0), 0)
    async with asyncio.timeout(WITHIN_S):
        while not await consumer.getmany(timeout_ms=100, max_records=1):
            pass
    assert kept_fetches() == before + 1
    await stop_consumer(consumer)
    del consumer
    assert kept_fetches() == before
