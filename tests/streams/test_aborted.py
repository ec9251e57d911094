"""Sources that write in transactions: what they took back never was an event, for the numbers as for the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import orjson
import pytest
from aiokafka import AIOKafkaProducer

from schemas.settings import Settings, load
from sinks.lag import Lags
from sinks.rows import Progress
from streams.topics import migrate_topics
from tests.kafka.server import KafkaServer
from tests.streams.flow import Journals, WorkerProcess

TOPIC: Final = "contacts.chat"


@pytest.fixture
def settings(fresh_kafka: KafkaServer) -> Settings:
    """Point at a broker with Pulssi's topics, one partition each."""
    settings = load({**fresh_kafka.settings_env(), "PULSSI_PARTITIONS": "1"})
    migrate_topics(settings)
    return settings


def _started(name: str) -> tuple[bytes, bytes]:
    """Make a contact's first event: key and value."""
    event = {
        "event_id": "e1",
        "type": "contact.started",
        "contact_id": name,
        "channel": "chat",
        "occurred_at": "2026-03-02T08:00:00Z",
        "source": "test",
    }
    return name.encode(), orjson.dumps(event)


async def _send(producer: AIOKafkaProducer, *names: str) -> int:
    """Send contacts' first events; returns the last one's offset."""
    offset = -1
    for name in names:
        key, value = _started(name)
        offset = (await producer.send_and_wait(TOPIC, value, key)).offset
    return offset


async def test_aborted_events_are_not_counted(settings: Settings, fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Between committed events and at the end of the log: no contact, no pane, and nothing that `drain` waits for."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, transactional_id="source")
    await producer.start()
    try:
        for names, holds in ((("a",), True), (("b", "c"), False), (("d",), True), (("e",), False)):
            await producer.begin_transaction()
            offset = await _send(producer, *names)
            if holds:
                await producer.commit_transaction()
                last = offset
            else:
                await producer.abort_transaction()
    finally:
        await producer.stop()
    with WorkerProcess(fresh_kafka.settings_env(), tmp_path / "worker.log") as worker:
        worker.start()
        async with Journals(settings) as journals:
            await journals.until(last + 1, worker)
            assert set(journals.contacts) == {b"a", b"d"}
            assert journals.pane_totals() == {("offered", "chat", "unassigned"): (2, 0, 0, 0, 0)}
            head = journals.heads[TOPIC, 0]
    ends = Lags(settings)
    await ends.start()
    lags = await ends.lags([Progress(TOPIC, 0, head.epoch, head.next, head.step, head.open, 1, 1)])
    await ends.stop()
    assert [lag for lag in lags if lag.behind] == []
