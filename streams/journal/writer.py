"""Writes one journal partition: one atomic step after the other, by one worker at a time.

A step is a transaction; starting the producer ends the former owner's transaction and refuses its writes from then on.
After any failure of `append` the writer is of no further use: whether the step was written is not known.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from schemas.journal import OPEN_KEY, encode_open
from schemas.settings import Settings
from schemas.topics import DEAD_LETTERS, journal_of
from streams.kafka.partitioner import partition_of
from streams.monitoring.activities import Phase, doing
from streams.partition.step_to_write import DeadLetter, StepToWrite

#: A record batch's size at most; the journals' topics take as much.
BATCH_BYTES: Final = 8 * 1024 * 1024
#: What one record's key and value may come to, beside the batch's own header.
RECORD_BYTES: Final = BATCH_BYTES - 1024

#: Short, because a dead owner's open transaction holds readers back until it ends.
TRANSACTION_TIMEOUT_MS: Final = 10_000

#: A dead letter above this does not fit into its topic; a source's record can be larger, for it may come compressed.
LETTER_BYTES: Final = 7 * 1024 * 1024
#: Bytes that then are kept of its key, and of its value.
CUT_BYTES: Final = 256 * 1024

_LOG: Final = logging.getLogger(__name__)


class StepTooLargeError(Exception):
    """A record of a step does not fit into one record batch; cut the step finer."""


class JournalWriter:
    """The producer of one journal partition."""

    def __init__(
        self, settings: Settings, source: str, partition: int, timeout_ms: int = TRANSACTION_TIMEOUT_MS
    ) -> None:
        self._source = source
        self._journal = journal_of(source)
        self._partition = partition
        #: Journal offset behind the last step that was written; 0 where none was.
        self.end = 0
        self._producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_brokers,
            acks="all",
            max_batch_size=BATCH_BYTES,
            max_request_size=BATCH_BYTES + 1024 * 1024,
            transactional_id=f"{settings.application}-{source}-{partition}",
            transaction_timeout_ms=timeout_ms,
        )

    async def open(self, worker: str) -> int:
        """Start the producer, which fences every older one, and return the journal offset of the opening's record."""
        await self._producer.start()
        async with self._producer.transaction():
            return await self._write([(OPEN_KEY, encode_open(worker))])

    async def append(self, step: StepToWrite) -> None:
        """Write a step, as a whole or not at all. Raises whatever aiokafka does, and StepTooLargeError."""
        doing(Phase.WRITING)
        async with self._producer.transaction():
            dead = [await self._producer.send(DEAD_LETTERS, **self._dead_letter_record(each)) for each in step.dead]
            await asyncio.gather(*dead)
            await self._forward_strays(step)
            end = 1 + await self._write(step.records)
            doing(Phase.COMMITTING)
        self.end = end
        self._log_redirected(step)

    async def stop(self) -> None:
        """End the producer. Never while a step is being written: that can hang it."""
        await self._producer.stop()

    async def _write(self, records: Iterable[tuple[bytes, bytes | None]]) -> int:
        producer = self._producer
        batch, sent, in_batch = producer.create_batch(), [], 0
        for key, value in records:
            if (size := len(key) + len(value or b"")) > RECORD_BYTES:  # aiokafka takes it, and the broker does not
                raise StepTooLargeError(f"the record of {key[1:].decode()} has {size:,} bytes, limit {RECORD_BYTES:,}")
            if batch.append(key=key, value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(batch, self._journal, partition=self._partition))
                batch, in_batch = producer.create_batch(), 0
                batch.append(key=key, value=value, timestamp=None)
            in_batch += 1
        sent.append(await producer.send_batch(batch, self._journal, partition=self._partition))
        written: list[Any] = await asyncio.gather(*sent)
        return int(written[-1].offset) + in_batch - 1  # the answer names a batch's first offset

    async def _forward_strays(self, step: StepToWrite) -> None:
        """Send records to the partition that their key belongs to, unchanged."""
        sent = []
        for record in step.strays:
            own = {"key": record.key, "value": record.value, "headers": list(record.headers)}
            to = partition_of(record.key, step.head.partitions)
            sent.append(await self._producer.send(self._source, **own, partition=to, timestamp_ms=record.timestamp))
        await asyncio.gather(*sent)

    def _log_redirected(self, step: StepToWrite) -> None:
        """Log records sent to other topics or partitions; after the commit, since a step that fails is repeated."""
        source_partition = self._source, self._partition
        if step.dead:
            first = step.dead[0]
            _LOG.warning(
                "%s/%d: %d bad records sent to %s, the first at offset %d: %s",
                *(*source_partition, len(step.dead), DEAD_LETTERS, first.record.offset, first.reason),
            )
        if step.strays:
            _LOG.warning(
                "%s/%d: %d records were in the wrong partition for their key and were sent to the right one, the first"
                " from offset %d: set their producer's partitioner to murmur2, as Kafka's own clients have it",
                *(*source_partition, len(step.strays), step.strays[0].offset),
            )

    def _dead_letter_record(self, letter: DeadLetter) -> dict[str, Any]:
        """Return the dead letter of a bad record: all of it, or its beginning where all would not fit into the topic.

        `pulssi-bytes` then holds the size of the whole value, which the source topic has. A record without a dead
        letter would block its partition for ever.
        """
        record = letter.record
        key, value, headers = record.key, record.value, list(record.headers)
        size = len(key or b"") + len(value or b"") + sum(len(name) + len(content) for name, content in headers)
        if size > LETTER_BYTES:
            headers = [("pulssi-bytes", b"%d" % len(value or b""))]
            key, value = (key or b"")[:CUT_BYTES], (value or b"")[:CUT_BYTES]
        origin_headers = (
            ("pulssi-topic", self._source.encode()),
            ("pulssi-partition", b"%d" % self._partition),
            ("pulssi-offset", b"%d" % record.offset),
            ("pulssi-code", letter.code.encode()),
            ("pulssi-reason", letter.reason.encode()),
        )
        return {"key": key, "value": value, "headers": [*headers, *origin_headers]}
