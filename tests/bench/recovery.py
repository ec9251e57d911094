"""How fast a worker comes back: contacts a second while it opens a partition whose journal is on Apache Kafka.

The journal is one that a worker's own code wrote, of whole chats in several steps each: as it is written, and once the
broker has compacted it, which it does all the time. Opening is all of it: fencing the former owner, reading, and
loading the state.
"""

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.assignment.takeover import take_over
from streams.kafka.brokers import admin_client
from streams.partition.state import STEP_BYTES
from tests.bench.contest import TOPIC
from tests.bench.events import EVENTS_A_CHAT, write_chats
from tests.bench.report import Part, spread, times
from tests.bench.servers import broker
from tests.streams.flow import keyed, produce, read_all
from tests.streams.stand_ins import takeover_services

BATCH: Final = 16_000
COMPACTING: Final = {"segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01", "max.compaction.lag.ms": "1000"}
COMPACTED_WITHIN_S: Final = 120.0
#: Panes, openings and the last segment's records stand beside the contacts'.
NEARLY: Final = 1.5


async def _write(settings: Settings, events: int) -> None:
    """Fold the topic's events into its journal, as a worker does."""
    async with takeover_services(settings) as whom:
        partition, writer = await take_over(settings, Rules(), (TOPIC, 0), whom)
    async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_brokers, enable_auto_commit=False) as consumer:
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        while partition.head.next < events:
            fetched = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
            for step in partition.steps(fetched.get(place, []), STEP_BYTES):
                await writer.append(step)
    await writer.stop()


async def _opened(settings: Settings, contacts: int) -> float:
    async with takeover_services(settings) as whom:
        began = time.monotonic()
        partition, writer = await take_over(settings, Rules(), (TOPIC, 0), whom)
        took = time.monotonic() - began
    await writer.stop()
    if len(partition.contacts) != contacts:
        raise RuntimeError(f"{len(partition.contacts)} of {contacts} contacts came back")
    return contacts / took


def _compact(settings: Settings, contacts: int) -> None:
    """Have the broker compact the journal, down to about a record a contact."""
    takeover_services = ConfigResource(ConfigResourceType.TOPIC, journal_of(TOPIC), configs=COMPACTING)
    with admin_client(settings.kafka_brokers, wait_s=COMPACTED_WITHIN_S) as admin:
        admin.alter_configs([takeover_services])
    until = time.monotonic() + COMPACTED_WITHIN_S
    while len(read_all(settings, journal_of(TOPIC))) > contacts * NEARLY:
        if time.monotonic() > until:
            raise RuntimeError("the broker does not compact the journal")
        asyncio.run(_opened(settings, contacts))  # a record more, for the last segment is never compacted


def run(contacts: int, rounds: int) -> Part:
    """Write a journal, and open it several times; then once more as the broker compacts it."""
    records = keyed(write_chats(contacts * EVENTS_A_CHAT))
    with broker() as server:
        settings = server.with_topics(PULSSI_PARTITIONS="1")
        produce(settings, records)
        asyncio.run(_write(settings, len(records)))
        written = len(read_all(settings, journal_of(TOPIC)))
        speeds = [asyncio.run(_opened(settings, contacts)) for _ in range(rounds)]
        _compact(settings, contacts)
        compacted = len(read_all(settings, journal_of(TOPIC)))
        speeds_after = [asyncio.run(_opened(settings, contacts)) for _ in range(rounds)]
    where = "Apache Kafka on the same cores", f"one partition, {contacts:,} contacts of ten events", times(rounds)
    rows = [
        (
            f"state recovery, opening included: the journal as written, {written:,} records",
            f"{spread(speeds)} contacts/s",
        ),
        (f"the same, compacted: {compacted:,} records", f"{spread(speeds_after)} contacts/s"),
    ]
    return Part(rows, where)
