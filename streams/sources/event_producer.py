"""Events into Kafka: keyed, in order within a partition, acknowledged by all replicas; it waits for a lost broker.

After an outage exactly the records that were not acknowledged are sent again: a record may be in the topic twice, and
is never missing. It decides nothing about events: topic, key and bytes come from outside. Unlike the gateway's writes,
it lets its caller wait for room, gives up after a time, and fails at a record that Kafka refuses: an import can be run
again, a hook cannot.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Self

from aiokafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import SOURCES
from streams.kafka.batch_client import RETRY_S, BatchClient, BatchRefusedError, Headers
from streams.kafka.brokers import BrokerUnreachableError, partition_counts
from streams.kafka.partitioner import partition_of
from streams.times import now_ms

#: Records that wait here before `send` waits: enough for full batches, little enough to hold in memory.
BUFFERED: Final = 50_000
#: How long a record waits for others to fill its batch.
LINGER_S: Final = 0.005
#: An outage that lasts so long is reported.
REPORT_AFTER_S: Final = 3.0
_POLL_S: Final = 0.25
_REQUEST_TIMEOUT_S: Final = 10.0
_NO_HEADERS: Final[Headers] = []


class ProduceError(RuntimeError):
    """The broker refused a record, and would refuse it again."""


class _QueuedRecord(NamedTuple):
    key: bytes
    value: bytes
    timestamp_ms: int
    origin: str


class _PartitionQueue:
    def __init__(self) -> None:
        self.records: deque[_QueuedRecord] = deque()
        self.filled = asyncio.Event()


class EventProducer:
    """Sends events; `async with` connects and, at the end, waits until all is acknowledged.

    `report` gets a line when the broker stops answering and when it answers again. After `give_up_s` seconds without a
    broker BrokerUnreachableError is raised by whatever waits then.
    """

    def __init__(
        self, settings: Settings, report: Callable[[str], None], *, give_up_s: float = 60.0, client: str
    ) -> None:
        self.brokers = settings.kafka_brokers
        #: Whether the broker has answered at all.
        self.connected = False
        #: Records queued and not yet acknowledged.
        self.waiting = 0
        #: Acknowledged events by topic, and by the origin that `send` was given.
        self.sent: Counter[str] = Counter()
        self.sent_by_origin: Counter[str] = Counter()
        self._report = report
        self._give_up_s = give_up_s
        self._client = BatchClient(settings, client, _REQUEST_TIMEOUT_S)
        self._counts: Mapping[str, int] = {}
        self._queues: dict[tuple[str, int], _PartitionQueue] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._failure: Exception | None = None
        self._acknowledged_at = 0.0
        #: Whether an outage was reported, and its end not yet.
        self._outage_reported = False

    async def __aenter__(self) -> Self:
        started = time.monotonic()
        self._counts = await self._source_topics(started + self._give_up_s)
        left_s = max(_POLL_S, self._give_up_s - (time.monotonic() - started))
        try:
            await self._client.start(left_s)
        except (KafkaError, TimeoutError):
            raise BrokerUnreachableError(self.brokers, self._give_up_s) from None
        self.connected = True
        for topic, count in self._counts.items():
            for partition in range(count):
                queue = self._queues[topic, partition] = _PartitionQueue()
                self._tasks.append(asyncio.create_task(self._deliver(topic, partition, queue)))
        self._tasks.append(asyncio.create_task(self._watch_for_outage()))
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self.flush()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._client.stop()

    async def _source_topics(self, deadline: float) -> Mapping[str, int]:
        """Find the topics as soon as the broker is there; each attempt is short, so that a wait can be cancelled."""
        reported = False
        while True:
            with contextlib.suppress(BrokerUnreachableError):
                return await asyncio.to_thread(partition_counts, self.brokers, SOURCES, 0.5)
            if time.monotonic() >= deadline:
                raise BrokerUnreachableError(self.brokers, self._give_up_s)
            if not reported:
                reported = True
                self._report(f"waiting up to {self._give_up_s:g} s for Kafka at {self.brokers}")

    async def send(self, topic: str, key: bytes, value: bytes, origin: str = "") -> None:
        """Queue one record as of now; waits while too many are queued. Acknowledged, `sent_by_origin` counts it."""
        if self._failure is not None:
            raise self._failure
        queue = self._queues[topic, partition_of(key, self._counts[topic])]
        queue.records.append(_QueuedRecord(key, value, now_ms(), origin))
        queue.filled.set()
        if self.waiting == 0:
            self._acknowledged_at = time.monotonic()
        self.waiting += 1
        if self.waiting >= BUFFERED:
            await self.flush(BUFFERED // 2)

    async def send_all(self, records: Iterable[tuple[str, bytes, bytes]]) -> None:
        """Queue records (topic, key, value) in order, as `send` does, at a fraction of its cost for each."""
        if self._failure is not None:
            raise self._failure
        at, counts, queues, before = now_ms(), self._counts, self._queues, self.waiting
        for topic, key, value in records:
            queue = queues[topic, partition_of(key, counts[topic])]
            queue.records.append(_QueuedRecord(key, value, at, ""))
            self.waiting += 1
            if not queue.filled.is_set():
                queue.filled.set()
        if before == 0:
            self._acknowledged_at = time.monotonic()
        if self.waiting >= BUFFERED:
            await self.flush(BUFFERED // 2)

    async def flush(self, at_most: int = 0) -> None:
        """Return when all queued records but so many are acknowledged; raises the error that prevents it for good."""
        while self._failure is None and self.waiting > at_most:
            self._changed.clear()
            await self._changed.wait()
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        self._changed.set()

    async def _deliver(self, topic: str, partition: int, queue: _PartitionQueue) -> None:
        """Send the queued records of one partition, a batch at a time, until the producer is closed."""
        records = queue.records
        while True:
            await queue.filled.wait()
            await asyncio.sleep(LINGER_S)
            while records:
                batch = ((key, value, at, _NO_HEADERS) for key, value, at, _ in records)
                try:
                    count = await self._client.send(topic, partition, batch)
                except BatchRefusedError as error:
                    size = len(records[0].value)
                    self._fail(ProduceError(f"{topic}: Kafka refused a record of {size} bytes: {error}"))
                    return
                if count == 0:
                    await asyncio.sleep(RETRY_S)  # another task gives up when this takes too long
                    continue
                self.sent_by_origin.update(records.popleft().origin for _ in range(count))
                self.waiting -= count
                self.sent[topic] += count
                self._acknowledged_at = time.monotonic()
                if self._outage_reported:  # here, not in `_watch_for_outage`: this may have been the last batch
                    self._outage_reported = False
                    self._report("Kafka answers again: continuing with what is not acknowledged")
                self._changed.set()
            queue.filled.clear()

    async def _watch_for_outage(self) -> None:
        """Report that nothing is acknowledged any more, and give up after `give_up_s`."""
        while self._failure is None:
            await asyncio.sleep(_POLL_S)
            silent_s = time.monotonic() - self._acknowledged_at if self.waiting else 0.0
            if silent_s > self._give_up_s:
                self._fail(BrokerUnreachableError(self.brokers, self._give_up_s))
            elif silent_s > REPORT_AFTER_S and not self._outage_reported:
                self._outage_reported = True
                left_s = self._give_up_s - silent_s
                where = f"Kafka at {self.brokers} does not answer"
                self._report(f"{where}: {self.sent.total():,} events are acknowledged; waiting up to {left_s:.0f} s")
