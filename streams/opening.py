"""Opening a source partition: fence whoever had it, read its journal up to our own opening, go on at the head.

The journal is read up to the opening's record, never to an end offset: what a dead owner had in flight is either before
that record or does not count.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import journal_of
from streams.journal.assembly import Assembly, SuspectError
from streams.journal.writing import Writer
from streams.partition import Partition

#: Gives the number of the last epoch of a source partition that was ever kept, 0 where none was.
LastEpoch = Callable[[str, int], Awaitable[int]]

_FETCH_BYTES: Final = 8 * 1024 * 1024
_POLL_MS: Final = 500
_POLL_RECORDS: Final = 20_000

_LOG: Final = logging.getLogger(__name__)


class JournalLostError(Exception):
    """The journal's start is not where its opening says: records are missing that no compaction takes."""


def worker_name() -> str:
    """Name this process for people who read a journal."""
    return f"{socket.gethostname()}/{os.getpid()}"


async def open_partition(
    settings: Settings, rules: Rules, source: str, number: int, last_epoch: LastEpoch
) -> tuple[Partition, Writer]:
    """Fence, read, and return the partition as of its head with the writer to go on with.

    Raises aiokafka's KafkaError; a writer that was started is stopped then.
    """
    writer = Writer(settings, source, number)
    try:
        opened = await writer.open(worker_name())
        partition = Partition(source, number, rules)
        found = await _read(settings, partition, opened)
        epoch = partition.head.epoch if found else 1 + await last_epoch(source, number)
        partition.begin(opened, epoch)
    except BaseException:
        await writer.stop()
        raise
    _LOG.info(
        "%s/%d is open: %d contacts, %d panes, going on at offset %d",
        *(source, number, len(partition.contacts), len(partition.panes), partition.head.next),
    )
    return partition, writer


async def _read(settings: Settings, partition: Partition, opened: int) -> bool:
    """Load every step before the opening; tells whether there was one."""
    place = TopicPartition(journal_of(partition.source), partition.number)
    assembly = Assembly(partition.source, partition.number)
    found = False
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_brokers,
        isolation_level="read_committed" if settings.kafka_kind == "apache" else "read_uncommitted",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    await reader.start()
    try:
        reader.assign([place])
        await reader.seek_to_beginning(place)
        at = -1
        while at < opened:
            fetched = await reader.getmany(place, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            try:
                for record in fetched.get(place, ()):
                    at = record.offset
                    step = assembly.feed(at, record.key, record.value)
                    if step is not None:
                        partition.load(step)
                        found = True
                    if at >= opened:
                        break
            except SuspectError:
                # Read from its beginning, this is one journal: what looks like another came late, or was sent twice.
                assembly.believe()
                reader.seek(place, assembly.end)
    finally:
        await reader.stop()
    return found
