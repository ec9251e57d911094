"""A worker and a sink of different versions, between a real broker and a real ClickHouse: the worker alone judges."""

from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest
from aiokafka import AIOKafkaProducer

from schemas.journal import Head, encode_set_aside
from schemas.settings import Settings
from schemas.topics import journal_of
from sinks.clickhouse.store import ClickHouseStore
from sinks.event_rows import NO_OFFSET
from sinks.pending_batch import Position, epoch_claims
from sinks.store_protocol import Batch
from streams.core.event import Event
from streams.decoding.decoder import BadRecord, read_event
from streams.kafka.cluster import Cluster
from tests.sinks.running_sink import CALL, CHAT, sink, visible_rows, wait_for_answer, wait_until_drained
from tests.sinks.test_event_rows import record
from tests.streams.journal_by_hand import JournalByHand
from tests.streams.records import Record, opened


def _older(topic: str, key: bytes | None, value: bytes | None) -> Event:
    if b'"newer"' in (value or b""):
        raise BadRecord("invalid", "newer: unknown")
    return read_event(topic, key, value)


async def _counted(
    settings: Settings, source: str, events: list[dict[str, Any]], set_aside: tuple[int, ...] = ()
) -> None:
    """Have events in partition 0, and a step that counted all but some."""
    async with (
        AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer,
        JournalByHand(settings, source, 0) as hand,
    ):
        for event in events:
            made = record(channel=source.rpartition(".")[2], **event)
            await producer.send_and_wait(source, made.value, made.key, 0)
        head = Head(next=len(events), step=1, open=await hand.open())
        await hand.step(head, [encode_set_aside(1, 1, set_aside)] if set_aside else [])


@pytest.mark.long
async def test_an_event_that_the_sink_cannot_read_holds_its_partition(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named with its offset and the fix, and all other partitions go on; an upgraded sink continues there."""
    await _counted(settings, CHAT, [{"event_id": "a"}, {"event_id": "b", "newer": 1}, {"event_id": "c"}])
    await _counted(settings, CALL, [{"event_id": "d"}])
    with patch("sinks.event_rows.read_event", _older):
        async with sink(settings):
            ready = await wait_for_answer(settings, "readyz", lambda status, text: status == 503 and "held" in text)
            await wait_until_drained(settings, (CHAT, 0))
            await wait_for_answer(settings, "startupz", lambda status, _: status == 200)
            metrics = await wait_for_answer(settings, "metrics", lambda status, _: status == 200)
    assert "contacts.chat/0: held at offset 1: a worker counted an event that this sink cannot read" in ready
    assert "(newer: unknown): upgrade the sink" in ready
    assert 'pulssi_sink_held{partition="0",topic="contacts.chat"} 1.0' in metrics
    assert caplog.text.count("held at offset 1") == 1
    assert ("d", CALL, 0) in _archived(settings)
    async with sink(settings):
        await wait_until_drained(settings)
    assert _archived(settings) == [("a", CHAT, 0), ("b", CHAT, 1), ("c", CHAT, 2), ("d", CALL, 0)]


async def test_what_a_worker_set_aside_is_not_archived(settings: Settings) -> None:
    """A record that is an event to this sink, and was none to the worker, is no event."""
    await _counted(settings, CHAT, [{"event_id": name} for name in "abcde"], (1, 2, 4))
    async with sink(settings):
        await wait_until_drained(settings)
    assert _archived(settings) == [("a", CHAT, 0), ("d", CHAT, 3)]


async def test_records_of_a_recreated_topic_are_not_those_that_were_counted(settings: Settings) -> None:
    """While no epoch has begun, what was counted comes from the journal: the new topic may hold anything."""
    partition = opened(CHAT)
    (step,) = partition.steps([Record(0, b"a:1", record(event_id="before").value)])
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers) as producer:
        await producer.send_and_wait(CHAT, b"{", b"a:1", 0)
    async with JournalByHand(settings, CHAT, 0) as hand:
        await hand.step(step.head._replace(topic="of before", open=await hand.open()), step.records[:-1])
    async with sink(settings):
        await wait_until_drained(settings)
    assert _archived(settings) == [("before", CHAT, NO_OFFSET)]


async def test_a_sink_that_died_after_its_claim_archives_what_was_counted_before(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An epoch began after the topic was recreated: its events are in the journal alone, whichever sink writes them."""
    monkeypatch.setattr("sinks.pipeline.STEP_RECORDS", 1)  # in two batches
    monkeypatch.setattr("sinks.pipeline.BATCH_EVERY_S", 0.0)
    cluster = Cluster(settings)
    journal = (await cluster.topics())[journal_of(CHAT)].id
    await cluster.stop()
    (step,) = opened(CHAT).steps([Record(0, b"a:1", record(event_id="before").value)])
    async with JournalByHand(settings, CHAT, 0) as hand:
        head = step.head._replace(open=await hand.open(), journal=journal)
        await hand.step(head, step.records[:-1])
        last = Position(head._replace(step=2, epoch=2, next=0), 0)
        await hand.step(last.head, [])
    with closing(ClickHouseStore(settings)) as store:
        store.write(
            Batch(progress=[*epoch_claims({(CHAT, 0): head.epoch}, 1), *epoch_claims({(CHAT, 0): last.head.epoch}, 1)])
        )
        async with sink(settings):
            await wait_for_answer(
                settings, "metrics", lambda _, text: 'pulssi_sink_step{partition="0",topic="contacts.chat"} 2.0' in text
            )
    assert _archived(settings) == [("before", CHAT, NO_OFFSET)]


def _archived(settings: Settings) -> list[tuple[str, str, int]]:
    return [(event_id, topic, offset) for _, event_id, topic, _, offset, _ in sorted(visible_rows(settings)["events"])]
