"""How fast a worker comes back: contacts a second while it opens a partition whose journal is on Apache Kafka.

The journal is one that a worker's own code wrote, of whole chats in several steps each, before any compaction. Opening
is all of it: fencing the former owner, reading, and loading the state.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.settings import load as settings_of
from streams.opening import open_partition
from streams.partition import STEP_BYTES
from streams.topics import migrate_topics
from tests.bench.contest import TOPIC
from tests.bench.events import EVENTS_A_CHAT, write_chats
from tests.bench.report import Part, load, measured, spread, times
from tests.bench.servers import broker, produce, records_of
from tests.streams.no_archive import NoArchive

NAME: Final = "recovery"
COMMAND: Final = "make bench ARGS='--only recovery'"
BATCH: Final = 16_000


async def _write(settings: Settings, events: int) -> None:
    """Fold the topic's events into its journal, as a worker does."""
    partition, writer = await open_partition(settings, Rules(), TOPIC, 0, NoArchive())
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_brokers, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(TOPIC, 0)
        consumer.assign([place])
        consumer.seek(place, 0)
        while partition.head.next < events:
            fetched = await consumer.getmany(timeout_ms=1_000, max_records=BATCH)
            for step in partition.steps(fetched.get(place, []), STEP_BYTES["apache"]):
                await writer.append(step)
    finally:
        await consumer.stop()
        await writer.stop()


async def _opened(settings: Settings, contacts: int) -> float:
    """Open once; give contacts a second."""
    began = time.monotonic()
    partition, writer = await open_partition(settings, Rules(), TOPIC, 0, NoArchive())
    took = time.monotonic() - began
    await writer.stop()
    if len(partition.contacts) != contacts:
        raise RuntimeError(f"{len(partition.contacts)} of {contacts} contacts came back")
    return contacts / took


def run(contacts: int, rounds: int) -> Part:
    """Write a journal, and open it several times."""
    before = load()
    records = records_of(write_chats(contacts * EVENTS_A_CHAT))
    with broker("apache") as server:
        settings = settings_of({**server.settings_env(), "PULSSI_PARTITIONS": "1"})
        migrate_topics(settings)
        produce(settings, records)
        asyncio.run(_write(settings, len(records)))
        speeds = [asyncio.run(_opened(settings, contacts)) for _ in range(rounds)]
    where = measured(
        before, "Apache Kafka on the same cores", f"one partition, {contacts:,} contacts of ten events", times(rounds)
    )
    rows = [("state recovery, opening included", f"{spread(speeds)} contacts/s")]
    return Part(NAME, ("", "figure"), rows, [where, f"`{COMMAND}`"])
