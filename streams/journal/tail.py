"""Follows the journals: whole steps of every partition, as they are committed, for the sink and the live view.

A reader never sees half a step, an aborted one, or one of a worker that had lost the partition. A journal that was
recreated is read from its beginning, and the step says so.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Container, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from schemas.journal import Head
from schemas.settings import Settings
from schemas.topics import SOURCES, SourcePartition, journal_of
from streams.journal.step_assembly import RecreatedError, Step, StepAssembly
from streams.kafka.brokers import TopicsMissingError
from streams.kafka.cluster import Cluster, ClusterUnavailableError
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer
from streams.kafka.topic_partitions import partitions_of
from streams.monitoring.outage import Outage
from streams.tasks import cancel

#: What one fetch brings of one partition at most; a batch above it still comes whole.
FETCH_BYTES: Final = 2 * 1024 * 1024
#: And of all partitions together: a fetch is copied a few times in memory until it is read.
FETCH_ALL_BYTES: Final = 2 * FETCH_BYTES
#: How long a fetch waits at the broker for records.
FETCH_WAIT_MS: Final = 100
#: How often the journals' topic ids are checked: a journal that was recreated and is as long as before gives no record
#: and no error that would show it.
CHECK_IDS_EVERY_S: Final = 5.0
#: A commit only shows lag to others: not worth a longer wait.
COMMIT_WITHIN_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)


def _log_wait(state: RetryCallState) -> None:
    """Log what a retry waits for, at the first attempt and at every 15th."""
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 or state.attempt_number % 15 == 0:
        _LOG.warning("waiting for Kafka: %s", error)


def _retry_forever() -> AsyncRetrying:
    """Try again while the broker is away or the topics are missing, and say so."""
    return AsyncRetrying(
        wait=wait_exponential(multiplier=0.1, max=2.0),
        retry=retry_if_exception_type((KafkaError, OSError, TimeoutError, TopicsMissingError)),
        before_sleep=_log_wait,
        reraise=True,
    )


async def show_lag(consumer: AIOKafkaConsumer, offsets: Mapping[TopicPartition, Any]) -> None:
    """Commit how far a reader is, for others to see; it is never read back, and a failure is logged."""
    try:
        await asyncio.wait_for(consumer.commit(offsets), COMMIT_WITHIN_S)
    except (KafkaError, TimeoutError) as error:
        _LOG.info(
            "the consumer group's offsets were not committed; they only show lag, nothing is lost: %s",
            str(error) or "no answer in time",
        )


@_retry_forever().wraps
async def connect(settings: Settings, topics: tuple[str, ...], group: str | None = None) -> AIOKafkaConsumer:
    """Start a consumer of all partitions of the topics, without positions; waits for broker and topics, and says so."""
    consumer = committed_consumer(
        settings,
        group_id=group,
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_bytes=FETCH_ALL_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        try:
            await consumer.start()
        except KafkaError as error:
            raise ConnectionError(f"no Kafka broker answers at {settings.kafka_brokers}") from error
        consumer.assign(await partitions_of(consumer, topics, settings.kafka_brokers))
    except BaseException:
        await stop_consumer(consumer)
        raise
    return consumer


class JournalTail:
    """All partitions of all journals, or of those of `sources`; one reader, one task."""

    def __init__(
        self,
        settings: Settings,
        *,
        group: str | None = None,
        sources: tuple[str, ...] = SOURCES,
        cluster: Cluster | None = None,
        ends: LogEnds | None = None,
        kafka: Outage | None = None,
    ) -> None:
        self._settings = settings
        self._group = group
        self._source_of = {journal_of(source): source for source in sources}
        self._cluster = cluster or Cluster(settings)
        self._ends = ends or LogEnds(settings)
        self.kafka = kafka or Outage("Kafka")
        self._consumer: Any = None
        self._assemblies: dict[TopicPartition, StepAssembly] = {}
        #: End offsets when reading began, of the partitions that are not read up to them yet.
        self._catch_up_targets: dict[TopicPartition, int] = {}
        #: What others were shown last: offset and comment.
        self._shown: dict[TopicPartition, tuple[int, str]] = {}
        #: Topic ids of the journals and of their source topics.
        self._ids: dict[str, str] = {}
        #: How many partitions the journals have.
        self._counts: dict[str, int] = {}
        self._id_request: asyncio.Task[dict[str, str] | None] | None = None
        self._ids_checked_at = 0.0

    async def start(
        self,
        positions: Mapping[SourcePartition, int] | None = None,
        heads: Mapping[SourcePartition, Head] | None = None,
    ) -> None:
        """Connect, waiting for broker and topics, and go to the positions: journal offsets by (source, partition).

        A partition without one is read from its beginning. `heads` are the last ones applied; with them a journal that
        was recreated meanwhile is noticed even where it has grown past the position.
        """
        positions, heads = positions or {}, heads or {}
        self._consumer = await connect(self._settings, tuple(self._source_of), self._group)
        self._ids = await self._fetch_topic_ids() or {}
        self._ids_checked_at = time.monotonic()
        recreated = []
        for tp in self.partitions:
            partition, journal = (self._source_of[tp.topic], tp.partition), self._ids.get(tp.topic, "")
            at, last_head = positions.get(partition), heads.get(partition)
            self._assemblies[tp] = StepAssembly(*partition)
            if not at or (journal and last_head is not None and last_head.journal not in {"", journal}):
                recreated.append(tp)
                continue
            self._assemblies[tp].resume(at, last_head, journal)
            self._shown[tp] = at, ""
            self._consumer.seek(tp, at)
        await self._set_targets(self.partitions)
        await self._rewind(recreated)

    @property
    def partitions(self) -> list[TopicPartition]:
        """The journals' partitions, in order."""
        return sorted(self._consumer.assignment())

    async def _rewind(self, tps: list[TopicPartition], certain: Container[str] = ()) -> None:
        """Read partitions from their beginning; `certain` are the topics whose ids were asked for since."""
        if not tps:
            return
        beginnings: dict[TopicPartition, int] = await _retry_forever()(self._consumer.beginning_offsets, tps)
        for tp in tps:
            self._assemblies[tp].restart(self._ids.get(tp.topic, ""), certain=tp.topic in certain)
            self._consumer.seek(tp, beginnings[tp])

    async def _set_targets(self, tps: list[TopicPartition]) -> None:
        """Note where the partitions end now: read up to there, they are caught up."""
        stable: dict[SourcePartition, int] = await _retry_forever()(
            self._ends.stable, [(tp.topic, tp.partition) for tp in tps]
        )
        self._catch_up_targets |= {tp: stable.get((tp.topic, tp.partition), 0) for tp in tps}

    async def steps(self, timeout_ms: int = 200, max_records: int = 20_000) -> list[Step]:
        """Return the steps that are whole by now, in order per partition; none where it is idle or the broker away.

        Raises JournalVersionError where another version of Pulssi wrote the journal.
        """
        await self._restart_recreated(await self._recreated_partitions())
        await self._read_added()
        try:
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except OffsetOutOfRangeError as error:
            await self._restart_recreated(list(error.args[0]))
            return []
        except KafkaError as error:
            _LOG.warning("reading the journals failed, trying again: %s", error)
            await asyncio.sleep(timeout_ms / 1000)
            return []
        steps: list[Step] = []
        await self._restart_recreated([tp for tp, records in fetched.items() if not self._assemble(tp, records, steps)])
        for tp, target in list(self._catch_up_targets.items()):
            if await self._consumer.position(tp) >= target:
                del self._catch_up_targets[tp]
        return steps

    def _assemble(self, tp: TopicPartition, records: list[Any], steps: list[Step]) -> bool:
        """Add what is whole to `steps`; False where the journal was recreated."""
        feed = self._assemblies[tp].feed
        try:
            for record in records:
                step = feed(record.offset, record.key or b"", record.value)
                if step is not None:
                    steps.append(step)
        except RecreatedError:
            return False
        return True

    async def _recreated_partitions(self) -> list[TopicPartition]:
        """Return the partitions whose topic has another id than before; asks now and then, and never waits for it."""
        if self._id_request is None:
            if time.monotonic() - self._ids_checked_at >= CHECK_IDS_EVERY_S:
                self._id_request = asyncio.ensure_future(self._fetch_topic_ids())
            return []
        if not self._id_request.done():
            return []
        found, self._id_request, self._ids_checked_at = self._id_request.result(), None, time.monotonic()
        before, self._ids = self._ids, self._ids | (found or {})
        return [tp for tp in self.partitions if before.get(tp.topic) and before[tp.topic] != self._ids[tp.topic]]

    async def _fetch_topic_ids(self) -> dict[str, str] | None:
        """Fetch the topics' ids; None where the cluster does not answer."""
        try:
            with self.kafka.asking():
                topics = await self._cluster.topics()
        except ClusterUnavailableError:
            return None
        self._counts = {name: topics[name].partitions for name in self._source_of if name in topics}
        ours = self._source_of.keys() | self._source_of.values()
        return {name: topic.id for name, topic in topics.items() if name in ours}

    async def is_recreated(self, source: str, topic: str) -> bool:
        """Tell whether a source topic is not the one that a head names by its id; not where Kafka does not say."""
        if not topic or self._ids.get(source, topic) == topic:
            return False
        found = (await self._fetch_topic_ids() or {}).get(source, topic)
        self._ids[source] = found
        return found != topic

    async def _restart_recreated(self, tps: list[TopicPartition]) -> None:
        for tp in tps:
            _LOG.warning("%s/%d: the journal was recreated: reading it from its beginning", tp.topic, tp.partition)
        if tps:
            found = await self._fetch_topic_ids() or {}
            self._ids |= {tp.topic: found.get(tp.topic, "") for tp in tps}
            await self._rewind(tps, found.keys())
            await self._set_targets(tps)

    async def _read_added(self) -> None:
        """Read partitions, too, that a journal was given since, such as with a source that was given more."""
        journals = [TopicPartition(name, each) for name, count in self._counts.items() for each in range(count)]
        added = [tp for tp in journals if tp not in self._assemblies]
        if not added:
            return
        positions = {tp: await self._consumer.position(tp) for tp in self.partitions}
        self._consumer.assign([*positions, *added])
        for tp, position in positions.items():
            self._consumer.seek(tp, position)
        for tp in added:
            _LOG.info("%s/%d: the journal has a new partition: reading it from its beginning", tp.topic, tp.partition)
            self._assemblies[tp] = StepAssembly(self._source_of[tp.topic], tp.partition)
        await self._rewind(added)
        await self._set_targets(added)

    def caught_up(self) -> bool:
        """Tell whether every partition was read to its end once since `start`, or since it was recreated."""
        return self._consumer is not None and not self._catch_up_targets

    async def commit(self, ends: Mapping[SourcePartition, tuple[int, str]]) -> None:
        """Show others how far this reader is: (journal offset, comment) by (source, partition)."""
        offsets = {
            TopicPartition(journal_of(source), partition): OffsetAndMetadata(end, comment)
            for (source, partition), (end, comment) in ends.items()
        }
        self._shown |= {tp: (each.offset, each.metadata) for tp, each in offsets.items()}
        await show_lag(self._consumer, offsets)

    async def show_alive(self, at: int, *, idle: bool) -> None:
        """Commit positions again with a time, UTC milliseconds: others see that this reader is there.

        `idle`: all that was read is dealt with, also what belongs to no step, such as openings.
        """
        shown = self._shown or {self.partitions[0]: (0, "")}
        if idle:
            shown = {tp: (await self._consumer.position(tp), self._shown.get(tp, (0, ""))[1]) for tp in self.partitions}
        await show_lag(
            self._consumer,
            {tp: OffsetAndMetadata(end, f"{comment} alive at {at}".strip()) for tp, (end, comment) in shown.items()},
        )

    async def stop(self) -> None:
        """Close the connection; a second call does nothing."""
        consumer, self._consumer = self._consumer, None
        id_request, self._id_request = self._id_request, None
        if id_request is not None:
            await cancel(id_request)
        await self._ends.close()
        await self._cluster.stop()
        if consumer is not None:
            with contextlib.suppress(KafkaError):
                await stop_consumer(consumer)
