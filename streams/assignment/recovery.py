"""Recovery: reading a journal back. All of it, or, where this worker closed the partition a short time ago, the rest.

It is read up to an opening's record, never to an end offset. A partition kept in memory is used only where the journal
is the same, its last step is still at its offset, and no tombstone can have been compacted away since.
"""

import asyncio
import logging
import time
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from schemas.journal import HEAD_KEY, decode_head
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.journal.step_assembly import StepAssembly
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import committed_consumer
from streams.monitoring.activities import Phase, doing
from streams.partition.state import PartitionState

#: How long a closed partition is kept in memory: far below the time for which journals keep tombstones.
KEPT_FOR_S: Final = 600.0

_FETCH_BYTES: Final = 8 * 1024 * 1024
_POLL_MS: Final = 500
_POLL_RECORDS: Final = 20_000
#: A consumer whose broker is away brings nothing, for ever: reading ends after so long without a record.
NO_RECORD_FOR_S: Final = 30.0
#: How often progress is logged while a long journal is read.
_LOG_EVERY_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)


class ReleasedPartition(NamedTuple):
    """A partition as it was in memory when this worker closed it, its last step being in the journal."""

    state: PartitionState
    #: Journal offset after its last step.
    journal_end: int
    #: By the monotonic clock.
    released_at: float

    def is_fresh(self, now: float) -> bool:
        """Tell whether it may still be used."""
        return now - self.released_at < KEPT_FOR_S


async def _last_step_unchanged(
    consumer: AIOKafkaConsumer, journal_partition: TopicPartition, released: ReleasedPartition
) -> bool:
    """Tell whether the journal still has the last step of a partition in memory, at the same offset."""
    consumer.seek(journal_partition, released.journal_end - 1)
    try:
        fetched = await consumer.getmany(journal_partition, timeout_ms=10 * _POLL_MS, max_records=1)
    except OffsetOutOfRangeError:
        return False
    record = next(iter(fetched.get(journal_partition, ())), None)
    if record is None or record.offset != released.journal_end - 1 or record.key != HEAD_KEY or record.value is None:
        return False
    known, found = released.state.head, decode_head(record.value)
    return (found.step, found.epoch, found.open) == (known.step, known.epoch, known.open)


async def _load_steps(
    consumer: AIOKafkaConsumer, assembly: StepAssembly, state: PartitionState, begin: int, opening_offset: int
) -> bool:
    """Load every step before the opening; tells whether there was one. Raises TimeoutError."""
    journal_partition = TopicPartition(journal_of(state.source), state.number)
    found, at, logged = False, begin - 1, time.monotonic()
    consumer.seek(journal_partition, begin)
    async with asyncio.timeout(NO_RECORD_FOR_S) as no_record:
        while at < opening_offset:
            fetched = await consumer.getmany(journal_partition, timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            for record in fetched.get(journal_partition, ()):
                at = record.offset
                step = assembly.feed(at, record.key, record.value)
                if step is not None:
                    state.load(step)
                    found = True
                if at >= opening_offset:
                    break
            if fetched:
                doing(Phase.READING)  # it makes progress
                no_record.reschedule(asyncio.get_running_loop().time() + NO_RECORD_FOR_S)
            if time.monotonic() - logged > _LOG_EVERY_S:
                logged = time.monotonic()
                share = 100 * (at + 1 - begin) / max(1, opening_offset - begin)
                _LOG.info("%s/%d: reading the journal: %.0f %%", state.source, state.number, share)
    return found


async def recover(
    settings: Settings,
    rules: Rules,
    partition: SourcePartition,
    opening_offset: int,
    released: ReleasedPartition | None,
    journal_id: str = "",
) -> tuple[PartitionState, bool]:
    """Return the partition as of its last step before the opening, and whether there was one.

    `journal_id` is Kafka's id of the journal's topic; a partition in memory of another journal is not used.
    Raises KafkaError, TimeoutError, RecreatedError and JournalVersionError.
    """
    journal_partition = TopicPartition(journal_of(partition[0]), partition[1])
    doing(Phase.READING)
    consumer = committed_consumer(settings, max_partition_fetch_bytes=_FETCH_BYTES)
    await consumer.start()
    try:
        consumer.assign([journal_partition])
        began = time.monotonic()
        assembly = StepAssembly(*partition)
        assembly.restart(journal_id, certain=True)
        known = released is not None and released.state.head.journal == journal_id and released.is_fresh(began)
        if known and released is not None and await _last_step_unchanged(consumer, journal_partition, released):
            assembly.resume(released.journal_end, released.state.head, journal_id)
            await _load_steps(consumer, assembly, released.state, released.journal_end, opening_offset)
            _LOG.info(
                "%s/%d: reopened from memory, read the journal from its offset %d on", *partition, released.journal_end
            )
            return released.state, True
        state = PartitionState(*partition, rules)
        first = (await consumer.beginning_offsets([journal_partition]))[journal_partition]
        found = await _load_steps(consumer, assembly, state, first, opening_offset)
        took_s = time.monotonic() - began
        _LOG.info("%s/%d: read the journal: %d contacts in %.1f s", *partition, len(state.contacts), took_s)
        return state, found
    finally:
        await stop_consumer(consumer)
