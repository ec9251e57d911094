"""Writes records to Kafka; each call returns a future that is done when Kafka has acknowledged all of its records.

A record that was taken is sent until Kafka has it, even if nobody waits for it any more: so the gateway notices that
Kafka is back, and a record that is in a topic twice does no harm. Memory is bounded: beyond a limit, and while Kafka
does not answer, no record is taken. An `EventProducer` lets its caller wait instead; here nobody can wait, because a
vendor's hook has a deadline, and is sent again.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from schemas.settings import Settings
from streams.gateway.records import TOPICS, NotTakenError, Record, RecordRefusedError
from streams.kafka.batch_client import RETRY_S, BatchClient, BatchRefusedError
from streams.kafka.brokers import BrokerUnreachableError, TopicsMissingError, partition_counts
from streams.kafka.partitioner import partition_of
from streams.monitoring.activities import UNHEALTHY_AFTER_S
from streams.tasks import cancel
from streams.times import now_ms

#: What waits for Kafka, in bytes of keys, values and headers, and in records.
BYTES_AT_MOST: Final = 64 * 1024 * 1024
RECORDS_AT_MOST: Final = 50_000
#: Kafka that has acknowledged nothing for so long, although something waits, is away.
SILENT_AFTER_S: Final = 3.0
#: How long a record waits for others to fill its batch.
LINGER_S: Final = 0.003
_REQUEST_TIMEOUT_S: Final = 5.0
_PROBE_S: Final = 0.5

_LOG: Final = logging.getLogger(__name__)


class _Write:
    __slots__ = ("done", "left")

    def __init__(self, left: int, done: asyncio.Future[None]) -> None:
        self.left = left
        self.done = done


class _Waiting(NamedTuple):
    record: Record
    timestamp_ms: int
    of: _Write


class _Partition:
    def __init__(self, topic: str, number: int) -> None:
        self.topic = topic
        self.number = number
        self.records: deque[_Waiting] = deque()
        self.filled = asyncio.Event()
        #: When something was last acknowledged, or first waited, by the monotonic clock.
        self.moved_at = 0.0
        #: When the batch that is on its way was sent; None: there is none.
        self.sent_at: float | None = None

    @property
    def silent(self) -> bool:
        """Whether what waits has waited for long without any answer."""
        return bool(self.records) and time.monotonic() - self.moved_at > SILENT_AFTER_S


class AcknowledgedWrites:
    """Writes to all topics of events and to the dead letters; `run` connects, and sends for ever."""

    def __init__(self, settings: Settings, client: str) -> None:
        self._brokers = settings.kafka_brokers
        self._client = BatchClient(settings, client, _REQUEST_TIMEOUT_S)
        self._partitions: Mapping[str, Sequence[_Partition]] = {}
        self._silence = f"Kafka at {self._brokers} does not answer"
        self._not_connected: str | None = f"Kafka at {self._brokers} has not answered yet"
        #: Records and bytes that wait for Kafka.
        self.waiting = 0
        self.bytes = 0
        #: Acknowledged records by topic.
        self.acknowledged: Counter[str] = Counter()

    def unready(self) -> str | None:
        """Say why Kafka takes nothing now; None where it does."""
        if self._not_connected is not None:
            return self._not_connected
        return self._silence if any(each.silent for each in self._all()) else None

    def stuck(self) -> str | None:
        """Say what hangs although it has a time limit; None where nothing does. Kafka that is away is no reason."""
        now = time.monotonic()
        for partition in self._all():
            if partition.sent_at is not None and now - partition.sent_at > UNHEALTHY_AFTER_S:
                return f"a write to {partition.topic}/{partition.number} does not end"
        return None

    def write(self, records: Sequence[Record]) -> asyncio.Future[None]:
        """Take records; the future ends when all are acknowledged, or with RecordRefusedError. Raises NotTakenError."""
        if self._not_connected is not None:
            raise NotTakenError(self._not_connected)
        size = sum(record.size for record in records)
        if self.waiting + len(records) > RECORDS_AT_MOST or self.bytes + size > BYTES_AT_MOST:
            raise NotTakenError("too much waits for Kafka")
        targets = [self._partition_of(record) for record in records]
        if any(partition.silent for partition in targets):
            raise NotTakenError(self._silence)
        write = _Write(len(records), asyncio.get_running_loop().create_future())
        at = now_ms()
        self.waiting += len(records)
        self.bytes += size
        for partition, record in zip(targets, records, strict=True):
            if not partition.records:
                partition.moved_at = time.monotonic()
                partition.filled.set()
            partition.records.append(_Waiting(record, at, write))
        return write.done

    def _partition_of(self, record: Record) -> _Partition:
        of_topic = self._partitions[record.topic]
        return of_topic[partition_of(record.key, len(of_topic))]

    def _all(self) -> Iterable[_Partition]:
        return (each for of_topic in self._partitions.values() for each in of_topic)

    async def run(self) -> None:
        """Connect as soon as Kafka is there, and send what is taken until this is cancelled."""
        counts = await self._connect()
        self._partitions = {name: [_Partition(name, each) for each in range(counts[name])] for name in TOPICS}
        sending = [asyncio.create_task(self._send(each)) for of_topic in self._partitions.values() for each in of_topic]
        self._not_connected = None
        try:
            await asyncio.gather(*sending)
        finally:
            await cancel(*(task for task in sending if not task.done()))
            await self._client.stop()

    async def _connect(self) -> dict[str, int]:
        while True:
            try:
                counts = await asyncio.to_thread(partition_counts, self._brokers, TOPICS, _PROBE_S)
                await self._client.start(_REQUEST_TIMEOUT_S)
            except TopicsMissingError as error:
                self._not_connected = str(error)
            except (BrokerUnreachableError, KafkaError, TimeoutError):
                self._not_connected = f"Kafka at {self._brokers} has not answered yet"
            else:
                return counts
            await asyncio.sleep(RETRY_S)

    async def _send(self, partition: _Partition) -> None:
        """Send what is taken for one partition, a batch at a time."""
        records, at_once = partition.records, RECORDS_AT_MOST
        while True:
            await partition.filled.wait()
            await asyncio.sleep(LINGER_S)  # others come meanwhile
            while records:
                batch = ((of.key, of.value, at, list(of.headers)) for of, at, _ in records)
                partition.sent_at = time.monotonic()
                try:
                    count = await self._client.send(partition.topic, partition.number, batch, at_once)
                except BatchRefusedError as error:
                    at_once = 1  # Kafka refuses one of the batch: send each record alone to find it
                    if error.count == 1:
                        self._refuse(records.popleft(), error)
                    continue
                finally:
                    partition.sent_at = None
                if count == 0:
                    await asyncio.sleep(RETRY_S)
                    continue
                partition.moved_at = time.monotonic()
                self._acknowledge(partition.topic, (records.popleft() for _ in range(count)), count)
                at_once = RECORDS_AT_MOST
            partition.filled.clear()

    def _acknowledge(self, topic: str, sent: Iterable[_Waiting], count: int) -> None:
        self.acknowledged[topic] += count
        for record, _, write in sent:
            self._leave(record)
            write.left -= 1
            if write.left == 0 and not write.done.done():
                write.done.set_result(None)

    def _refuse(self, waiting: _Waiting, error: BatchRefusedError) -> None:
        record, _, write = waiting
        self._leave(record)
        _LOG.error("%s: Kafka refused a record of %d bytes: %s", record.topic, record.size, error.kind)
        if not write.done.done():
            write.done.set_exception(RecordRefusedError(f"Kafka refused a record: {error.kind}"))

    def _leave(self, record: Record) -> None:
        self.waiting -= 1
        self.bytes -= record.size
