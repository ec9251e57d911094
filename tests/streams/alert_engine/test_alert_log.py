"""The topic `alerts` on real brokers: one engine writes it, and the next one knows all that was written."""

import asyncio
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.alerts import ALERTS, OPENING_KEY, Alert, Measurement, alert_id
from schemas.settings import Settings
from streams.alert_engine.alert_log import AlertLog
from streams.configuration.environment import load_settings
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.topic_reader import read_newest, reading
from tests.kafka.server import KafkaServer

AT: Final = 1_772_442_000_000


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics and nothing in them."""
    return fresh_kafka.with_topics()


def alert(key: str, sequence: int = 1) -> Alert:
    """Make an alert that fires."""
    measured = Measurement(value=31_000, limit=20_000, unit="ms")
    return Alert(
        key=key,
        id=alert_id(key, AT),
        sequence=sequence,
        kind="floor",
        condition="longest_wait",
        rule="longest-wait",
        severity="critical",
        state="firing",
        reason="first" if sequence == 1 else "changed",
        at=AT + sequence,
        pending_since=AT,
        fired_at=AT,
        measured=measured,
    )


async def test_an_engine_that_starts_knows_all_that_was_written(settings: Settings) -> None:
    """The newest record of each alert is read back; one that was removed is not, nor what opened the topic."""
    first = AlertLog(settings)
    assert await first.open("first") == {}
    await first.write([alert("a"), alert("b"), alert("c")])
    await first.write([alert("a", 2)], ended=["b"])
    await first.stop()
    second = AlertLog(settings)
    assert await second.open("second") == {"c": alert("c"), "a": alert("a", 2)}
    await second.stop()


async def test_a_former_engine_is_refused(settings: Settings) -> None:
    """Once another engine has opened the topic, what the former one writes is refused and never seen."""
    former, newer = AlertLog(settings), AlertLog(settings)
    await former.open("former")
    await former.write([alert("a")])
    await newer.open("newer")
    with pytest.raises(KafkaError):
        await former.write([alert("a", 2)])
    await newer.write([alert("b")])
    await newer.stop()
    await former.stop()
    assert set(await read_newest(settings, ALERTS)) == {OPENING_KEY, b"a", b"b"}


async def test_changes_of_one_judgement_are_seen_together_or_not_at_all(settings: Settings) -> None:
    """An engine that dies within a write leaves nothing behind, and the next one need not wait for its time-out."""
    names = {"bootstrap_servers": settings.kafka_brokers, "transactional_id": f"{settings.application}.alerts"}
    dying = AIOKafkaProducer(**names)
    await dying.start()
    await dying.begin_transaction()
    await dying.send_and_wait(ALERTS, alert("a").model_dump_json().encode(), b"a", partition=0)
    heir = AlertLog(settings)
    assert await heir.open("heir") == {}
    await heir.stop()
    await dying.stop()


async def test_records_come_in_order_as_they_are_written(settings: Settings) -> None:
    """A reader gets every committed change in order, also those that later ones replaced."""
    log = AlertLog(settings)
    await log.open("engine")
    async with reading(settings, ALERTS) as reader, asyncio.timeout(30):
        seen: list[bytes] = []
        for number in range(3):
            await log.write([alert("a", 2 * number + 1), alert("b", 2 * number + 2)])
        while len(seen) < 7:
            seen += [record.key for record in await reader.records()]
    await log.stop()
    assert seen == [OPENING_KEY, *[b"a", b"b"] * 3]


async def test_a_topic_that_is_missing_is_named_with_the_way_on(fresh_kafka: KafkaServer) -> None:
    """Without its topic a reader says so, and does not make it."""
    settings = load_settings(fresh_kafka.settings_env())
    with pytest.raises(TopicsMissingError, match="pulssi migrate"):
        await read_newest(settings, ALERTS, 1)
