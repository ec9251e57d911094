"""The topic `alerts` on real brokers: one engine writes it, and the next one knows all that was written."""

import asyncio
import time
from typing import Final

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.alerts import ALERTS, OPENING_KEY, Alert, Measurement, alert_id
from schemas.exits import EndError, Exit
from schemas.objectives import OBJECTIVES
from schemas.settings import Settings
from streams.alert_engine.alert_log import AlertLog
from streams.alert_engine.engine import Engine
from streams.alerts.objective_reports import Due
from streams.configuration.environment import load_settings
from streams.kafka.brokers import TopicsMissingError, admin_client
from streams.kafka.fenced_topic import pieces
from streams.kafka.topic_migration import migrate_topics
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


async def test_more_than_a_transaction_takes_is_cut(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A storm of alerts is written within the time that Kafka gives a transaction, in order."""
    monkeypatch.setattr("streams.kafka.fenced_topic.RECORDS_AT_MOST", 4)
    log = AlertLog(settings)
    await log.open("engine")
    await log.write([alert(f"{number:02}") for number in range(11)], ended=["00"])
    await log.stop()
    assert not log.is_recreated
    newest = await read_newest(settings, ALERTS)
    assert [key.decode() for key in newest if key != OPENING_KEY] == [f"{number:02}" for number in range(1, 11)]


def test_pieces_have_a_size() -> None:
    """In bytes and in records; one record that is larger has a piece of its own."""
    records = [(b"%d" % number, b"x" * 3_000_000) for number in range(7)]
    assert [len(piece) for piece in pieces(records)] == [3, 3, 1]
    assert [len(piece) for piece in pieces([(b"k", None)] * 4_001)] == [2_000, 2_000, 1]
    assert list(pieces([])) == []


async def test_a_record_that_is_no_alert_holds_up_no_other(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, and its cause starts again; one of a newer version ends the engine, with what to do."""
    log = AlertLog(settings)
    await log.open("first")
    await log.write([alert("a"), alert("b")])
    await log._topic.write([(b"b", b"{}"), (b"\xff", b"x")])  # noqa: SLF001 - what no engine writes
    await log.stop()
    second = AlertLog(settings)
    assert await second.open("second") == {"a": alert("a")}
    assert "the record of the key b'b' is no alert" in caplog.text
    newer = alert("b").model_copy(update={"v": 2}).model_dump_json().encode()
    await second._topic.write([(b"b", newer)])  # noqa: SLF001 - what a newer one writes
    await second.stop()
    third = AlertLog(settings)
    with pytest.raises(EndError, match="run the version that wrote it"):
        await third.open("third")
    await third.stop()


async def test_a_topic_that_is_made_anew_meanwhile_gets_all_alerts_again(settings: Settings) -> None:
    """Else the next engine would know but those that changed since, and tell of the others a second time."""
    log = AlertLog(settings)
    await log.open("engine")
    await log.write([alert("a"), alert("b")])
    await asyncio.to_thread(_recreate, settings)
    await log.write([alert("a", 2)])
    assert log.is_recreated
    await log.write_again([alert("b"), alert("a", 2)])
    assert not log.is_recreated
    await log.stop()
    assert await read_newest(settings, ALERTS) == {
        key.encode(): each.model_dump_json().encode() for key, each in (("b", alert("b")), ("a", alert("a", 2)))
    }


@pytest.mark.long
async def test_a_new_topic_of_objectives_is_noticed(settings: Settings) -> None:
    """Else it would lack each objective that does not change any more."""
    log = AlertLog(settings)
    await log.open("engine")
    told = Due(ended=(b"a", b"b"))
    await log.write([], objectives=told)
    await log.write([], objectives=told)
    assert not log.take_objectives_recreated()
    await asyncio.to_thread(_recreate, settings, OBJECTIVES)
    await log.write([], objectives=told)
    assert (log.take_objectives_recreated(), log.is_recreated) == (True, False)
    assert not log.take_objectives_recreated()
    await log.stop()


def _recreate(settings: Settings, topic: str = ALERTS) -> None:
    with admin_client(settings.kafka_brokers) as admin:
        admin.delete_topics([topic])
        deadline = time.monotonic() + 60
        while topic in admin.list_topics():
            assert time.monotonic() < deadline, "it is not deleted"
    assert migrate_topics(settings, wait_s=60).ok


async def test_a_topic_that_is_missing_is_named_with_the_way_on(fresh_kafka: KafkaServer) -> None:
    """Without its topic a reader says so, and does not make it."""
    settings = load_settings(fresh_kafka.settings_env())
    with pytest.raises(TopicsMissingError, match="pulssi migrate"):
        await read_newest(settings, ALERTS, 1)


def test_a_clock_that_is_set_back_ends_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """By moments, its time stands still; by more, it ends, and is started again to judge by the new time."""
    engine = Engine.__new__(Engine)
    engine._judged_as_of = 0  # noqa: SLF001 - as it begins
    for clock, judges_at in ((50_000, 50_000), (46_000, 50_000), (51_000, 51_000)):
        monkeypatch.setattr("streams.alert_engine.engine.now_ms", lambda clock=clock: clock)
        assert engine._now() == judges_at  # noqa: SLF001 - the time that it judges by
    monkeypatch.setattr("streams.alert_engine.engine.now_ms", lambda: 45_000)
    with pytest.raises(EndError, match="set back by 6 s") as raised:
        engine._now()  # noqa: SLF001 - as above
    assert raised.value.code == Exit.STUCK
