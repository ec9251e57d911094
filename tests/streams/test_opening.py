"""Opening a partition on real brokers: what the journal holds counts, whatever came late or twice."""

from __future__ import annotations

import asyncio
from typing import Final

import pytest
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from schemas.journal import CONTACT, HEAD_KEY, Head, encode_head
from schemas.policies import Rules
from schemas.settings import Settings, load
from streams.journal.writing import Writer
from streams.opening import open_partition
from streams.steps import Output
from streams.topics import migrate_topics
from tests.kafka.server import KafkaServer
from tests.streams.no_archive import NoArchive

SOURCE: Final = "contacts.chat"


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker without transactions, with Pulssi's topics and nothing in them."""
    if fresh_kafka.kind != "embedded":
        pytest.skip("with transactions nothing comes late or twice")
    settings = load(fresh_kafka.settings_env())
    migrate_topics(settings)
    return settings


def _step(opened: int, number: int, value: bytes) -> Output:
    head = Head(next=number, step=number, open=opened)
    return Output([(CONTACT + b"c1", value), (HEAD_KEY, encode_head(head))], [], head)


async def _opened(settings: Settings) -> tuple[int, dict[bytes, bytes]]:
    partition, writer = await open_partition(settings, Rules(), SOURCE, 0, archive=NoArchive())
    await writer.stop()
    return partition.head.step, partition.contacts


async def test_a_step_that_was_sent_twice_counts_once(settings: Settings) -> None:
    """A producer whose answer was lost sends a step again: the journal has it twice, and is opened all the same."""
    writer = Writer(settings, SOURCE, 0)
    opened = await writer.open("test")
    await writer.append(_step(opened, 1, b"one"))
    await writer.append(_step(opened, 2, b"two"))
    await writer.append(_step(opened, 2, b"two"))
    await writer.stop()
    assert await _opened(settings) == (2, {b"c1": b"two"})


async def test_a_step_that_came_late_does_not_count(settings: Settings) -> None:
    """A former owner's steps behind the new owner's: they are passed over, and so they are by who opens next."""
    old, new = Writer(settings, SOURCE, 0), Writer(settings, SOURCE, 0)
    opened_by_old = await old.open("old")
    await old.append(_step(opened_by_old, 1, b"one"))
    opened_by_new = await new.open("new")
    await new.append(_step(opened_by_new, 2, b"two"))
    await old.append(_step(opened_by_old, 2, b"stale"))
    await old.append(_step(opened_by_old, 3, b"staler"))
    await new.append(_step(opened_by_new, 3, b"three"))
    await old.append(_step(opened_by_old, 3, b"stale"))
    await new.stop()
    await old.stop()
    assert await _opened(settings) == (3, {b"c1": b"three"})


async def test_a_source_topic_that_is_not_shown_is_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the broker does not answer, the topic may be another one by now: nothing is opened at the old offset."""
    writer = Writer(settings, SOURCE, 0)
    opened = await writer.open("test")
    head = Head(next=9, step=1, open=opened, last="of the ninth")
    await writer.append(Output([(CONTACT + b"c1", b"one"), (HEAD_KEY, encode_head(head))], [], head))
    await writer.stop()

    async def sees_nothing(*_: object) -> dict[object, object]:
        return {}

    monkeypatch.setattr("streams.sightings.Sightings.look", sees_nothing)
    with pytest.raises(TimeoutError, match="last event that was counted"):
        await _opened(settings)


async def test_a_step_under_way_while_the_broker_forgets_does_not_count(
    fresh_kafka: KafkaServer, settings: Settings
) -> None:
    """The broker that comes back takes it before anything else: what it says was read is of a topic that is gone."""
    writer = Writer(settings, SOURCE, 0)
    opened = await writer.open("test")
    await writer.append(_step(opened, 1, b"one"))
    fresh_kafka.kill()
    late = asyncio.create_task(writer.append(_step(opened, 2, b"two")))
    await asyncio.sleep(0)
    await asyncio.to_thread(fresh_kafka.start)
    assert (await asyncio.to_thread(migrate_topics, settings, 10)).ok
    await late
    await writer.stop()
    assert writer.end == 0
    async for attempt in AsyncRetrying(retry=retry_if_exception_type(KafkaError), stop=stop_after_attempt(5)):
        with attempt:  # the broker that was just started refuses a new producer once, as workers know
            assert await _opened(settings) == (0, {})
