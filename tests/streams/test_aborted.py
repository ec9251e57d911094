"""Sources that write in transactions: what they took back never was an event, for the numbers as for the archive."""

from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaProducer

from sinks.lag import LagReader
from sinks.rows import Progress
from tests.kafka.server import KafkaServer
from tests.streams.flow import Journals, chat_event, keyed, worker_process

TOPIC: Final = "contacts.chat"


async def _send(producer: AIOKafkaProducer, *names: str) -> int:
    """Send contacts' first events; returns the last one's offset."""
    offset = -1
    for name in names:
        ((topic, key, value),) = keyed([chat_event("contact.started", name, "2026-03-02T08:00:00Z")])
        offset = (await producer.send_and_wait(topic, value, key)).offset
    return offset


async def test_aborted_events_are_not_counted(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """Between committed events and at the end of the log: no contact, no pane, and nothing that `drain` waits for."""
    settings = fresh_kafka.with_topics(PULSSI_PARTITIONS="1")
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka_brokers, transactional_id="source") as producer:
        for names, holds in ((("a",), True), (("b", "c"), False), (("d",), True), (("e",), False)):
            await producer.begin_transaction()
            offset = await _send(producer, *names)
            if holds:
                await producer.commit_transaction()
                last = offset
            else:
                await producer.abort_transaction()
    with worker_process(fresh_kafka.settings_env(), tmp_path / "worker.log") as worker:
        worker.start()
        async with Journals(settings) as journals:
            await journals.until(last + 1, worker)
            assert set(journals.contacts) == {b"a", b"d"}
            assert journals.pane_totals() == {("offered", "chat", "unassigned"): (2, 0, 0, 0, 0)}
            head = journals.heads[TOPIC, 0]
    lag_reader = LagReader(settings)
    await lag_reader.start()
    lags = await lag_reader.read([Progress(TOPIC, 0, head.epoch, head.next, head.step, head.open, 1, 1)])
    await lag_reader.stop()
    assert [lag for lag in lags if lag.behind] == []
