"""Following the journals: whole steps of every partition, as they are committed, for the sink and the live view.

A reader never sees half a step, an aborted one, or one of a worker that had lost the partition. Where a journal was
made anew (the embedded broker forgets, a cluster is replaced), it is read from its beginning, and the step says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential

from schemas.journal import HEAD_KEY, Head, decode_head
from schemas.settings import Settings
from schemas.topics import SOURCES, journal_of
from streams.journal.assembly import Assembly, Step, SuspectError

__all__ = ["JournalTail", "Partition", "Step", "connect"]

#: A source topic and a partition of it.
Partition = tuple[str, int]

#: What one fetch brings of one partition at most; a batch above it still comes whole.
FETCH_BYTES: Final = 2 * 1024 * 1024
#: How soon the broker answers where there is nothing.
FETCH_WAIT_MS: Final = 100
#: How long the last step is looked for where the journal may have been made anew.
LOOK_MS: Final = 2_000
#: How often one of the quiet partitions is looked at, in turn: one made anew that is as long as before says nothing.
LOOK_EVERY_S: Final = 0.25
#: A commit only shows lag to others: not worth a longer wait.
COMMIT_WITHIN_S: Final = 5.0
_RETRY: Final = wait_exponential(multiplier=0.1, max=2.0)

_LOG: Final = logging.getLogger(__name__)


class TopicsMissingError(Exception):
    """Not all topics are there yet."""


def _say(state: RetryCallState) -> None:
    """Tell once, and then every so often, what is waited for."""
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 or state.attempt_number % 15 == 0:
        _LOG.warning("waiting: %s", error)


async def connect(settings: Settings, topics: tuple[str, ...], group: str | None = None) -> AIOKafkaConsumer:
    """Return a started consumer of every partition of the topics, without positions yet.

    Waits for the broker and the topics for as long as it takes, and says so.
    """
    async for attempt in AsyncRetrying(
        wait=_RETRY,
        retry=retry_if_exception_type((KafkaError, OSError, TopicsMissingError)),
        before_sleep=_say,
        reraise=True,
    ):
        with attempt:
            return await _connect(settings, topics, group)
    raise AssertionError  # the loop above only ends by returning


async def _connect(settings: Settings, topics: tuple[str, ...], group: str | None) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_brokers,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        isolation_level="read_committed" if settings.kafka_kind == "apache" else "read_uncommitted",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=FETCH_WAIT_MS,
    )
    try:
        try:
            await consumer.start()
        except KafkaError as error:
            raise ConnectionError(f"no Kafka broker answers at {settings.kafka_brokers}") from error
        consumer.assign(await _partitions(consumer, topics))
    except BaseException:
        await consumer.stop()
        raise
    return consumer


async def _partitions(consumer: AIOKafkaConsumer, topics: tuple[str, ...]) -> list[TopicPartition]:
    """List the topics' partitions. Asks for all topics: asking for one by name may make it, with another count."""
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - `topics()` keeps the partitions to itself
    partitions = {topic: cluster.partitions_for_topic(topic) or () for topic in topics}
    missing = sorted(topic for topic, numbers in partitions.items() if not numbers)
    if missing:
        raise TopicsMissingError(f"no topic {', '.join(missing)} on the broker yet: `pulssi migrate` makes them")
    return [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in sorted(numbers)]


class JournalTail:
    """All partitions of all journals, or of those of `sources`; one reader, one task."""

    def __init__(self, settings: Settings, *, group: str | None = None, sources: tuple[str, ...] = SOURCES) -> None:
        self._settings = settings
        self._group = group
        self._source_of = {journal_of(source): source for source in sources}
        self._consumer: Any = None
        self._assemblies: dict[TopicPartition, Assembly] = {}
        self._behind: set[TopicPartition] = set()
        #: Partitions whose last step may not be where it was: the connection was lost since.
        self._unsure: set[TopicPartition] = set()
        self._connections: list[Any] = []
        self._quiet: deque[TopicPartition] = deque()
        self._looked = 0.0

    async def start(
        self,
        positions: Mapping[Partition, int] | None = None,
        heads: Mapping[Partition, Head] | None = None,
    ) -> None:
        """Connect, waiting for broker and topics, and go to the positions: journal offsets by (source, partition).

        A partition without one is read from its beginning. `heads` are the last ones applied; with them a journal that
        was made anew meanwhile is noticed even where it has grown past the position.
        """
        positions, heads = positions or {}, heads or {}
        self._consumer = await connect(self._settings, tuple(self._source_of), self._group)
        for tp in self.partitions:
            place = self._place(tp)
            at = positions.get(place)
            self._assemblies[tp] = Assembly(*place, whole=self._settings.kafka_kind == "embedded")
            if at:
                self._assemblies[tp].resume(at, heads.get(place))
                self._consumer.seek(tp, at)
                if place in heads:
                    self._unsure.add(tp)  # it may have been made anew while nobody read it
        self._behind = set(self.partitions)
        self._quiet = deque(self.partitions)
        self._connections = list(self._consumer._client._conns.values())  # noqa: SLF001 - told nowhere else
        await self._rewind([tp for tp in self.partitions if not positions.get(self._place(tp))])

    @property
    def partitions(self) -> list[TopicPartition]:
        """The journals' partitions, in order."""
        return sorted(self._consumer.assignment())

    def _place(self, tp: TopicPartition) -> Partition:
        return self._source_of[tp.topic], tp.partition

    async def _rewind(self, tps: list[TopicPartition]) -> None:
        if not tps:
            return
        beginnings = {}
        async for attempt in AsyncRetrying(
            wait=_RETRY, retry=retry_if_exception_type((KafkaError, OSError)), before_sleep=_say, reraise=True
        ):
            with attempt:
                beginnings = await self._consumer.beginning_offsets(tps)
        for tp in tps:
            self._assemblies[tp].restart()
            self._unsure.discard(tp)
            self._behind.add(tp)
            self._consumer.seek(tp, beginnings[tp])

    async def steps(self, timeout_ms: int = 200, max_records: int = 20_000) -> list[Step]:
        """Return the steps that are whole by now, in order per partition; none where it is idle or the broker away.

        Raises JournalVersionError where a newer Pulssi wrote the journal.
        """
        try:
            fetched = await self._consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
        except OffsetOutOfRangeError as error:
            await self._made_anew(list(error.args[0]))
            return []
        except KafkaError as error:
            _LOG.warning("reading the journals: %s", error)
            await asyncio.sleep(timeout_ms / 1000)
            return []
        for tp in self._doubted() & fetched.keys():
            del fetched[tp]  # it may be of another journal, and is read again once that was looked into
        steps: list[Step] = []
        suspects = {tp for tp, records in fetched.items() if not self._assemble(tp, records, steps)}
        anew = await self._look(suspects | self._doubtful(fetched), suspects)
        anew += await self._check_ends(suspects | set(anew))
        await self._made_anew(anew)
        return steps

    def _doubted(self) -> set[TopicPartition]:
        """Name the partitions whose records may be another journal's by now: the connection was made anew.

        They go on behind the last step, once it was looked at; where there is none, at the beginning.
        """
        connections = list(self._consumer._client._conns.values())  # noqa: SLF001 - as in `start`
        if connections != self._connections:
            self._connections = connections
            self._unsure = set(self.partitions)
            self._looked = -math.inf
        doubted = set(self._unsure)
        for tp in doubted:
            assembly = self._assemblies[tp]
            if assembly.known is None:  # openings may have been read, and count for this journal alone
                assembly.restart()
                self._unsure.discard(tp)
                self._behind.add(tp)
            assembly.drop()
            self._consumer.seek(tp, assembly.end)
        return doubted

    def _doubtful(self, fetched: Collection[TopicPartition]) -> set[TopicPartition]:
        """Pick partitions to look at: those that are doubted, else now and then one that is quiet.

        A journal made anew that is as long as the old one was gives no record, and no error, that would tell.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_EVERY_S or not self._connections:
            return set()
        self._looked = now
        if self._unsure:
            return set(self._unsure)
        self._quiet.rotate()
        return {tp for tp in (self._quiet[0],) if tp not in fetched and self._assemblies[tp].known is not None}

    def _assemble(self, tp: TopicPartition, records: list[Any], steps: list[Step]) -> bool:
        """Add what is whole to `steps`; False where the journal may have been made anew."""
        feed = self._assemblies[tp].feed
        try:
            for record in records:
                step = feed(record.offset, record.key or b"", record.value)
                if step is not None:
                    steps.append(step)
        except SuspectError:
            return False
        return True

    async def _look(self, tps: set[TopicPartition], suspects: set[TopicPartition]) -> list[TopicPartition]:
        """Look whether the last steps' heads are still where they were; where they are, go on behind them.

        Returns the partitions that were made anew. A suspect without an answer is taken for one; others are looked at
        again.
        """
        if not tps:
            return []
        for tp in tps:
            self._consumer.seek(tp, max(self._assemblies[tp].end - 1, 0))
        anew, open_ = set[TopicPartition](), set(tps)
        try:
            async with asyncio.timeout(LOOK_MS / 1000):
                while open_:
                    for tp, records in (await self._first_of(open_, anew)).items():
                        if not self._is_as_it_was(tp, records[0]):
                            anew.add(tp)
                        elif tp in suspects:
                            self._assemblies[tp].believe()
                        open_.discard(tp)
                    open_ -= anew
        except (KafkaError, TimeoutError):
            anew |= open_ & suspects
        self._unsure -= tps - open_
        for tp in tps - anew:
            self._assemblies[tp].drop()
            self._consumer.seek(tp, self._assemblies[tp].end)
        return list(anew)

    async def _first_of(self, tps: set[TopicPartition], anew: set[TopicPartition]) -> dict[TopicPartition, list[Any]]:
        """Fetch what stands first at the positions; a position that the broker does not know goes to `anew`."""
        try:
            fetched: dict[TopicPartition, list[Any]] = await self._consumer.getmany(*tps, timeout_ms=FETCH_WAIT_MS)
        except OffsetOutOfRangeError as error:
            anew.update(tps & error.args[0].keys())
            return {}
        return fetched

    def _is_as_it_was(self, tp: TopicPartition, record: Any) -> bool:  # noqa: ANN401 - aiokafka's record
        """Tell whether the record is the last step's head, or one behind it, for compaction takes heads away."""
        assembly = self._assemblies[tp]
        known = assembly.known
        if record.offset != assembly.end - 1 or known is None:
            return record.offset >= assembly.end and tp not in self._unsure
        if record.key != HEAD_KEY:
            return False
        head = decode_head(record.value)
        return (head.step, head.epoch, head.open) == (known.step, known.epoch, known.open)

    async def _check_ends(self, excluded: set[TopicPartition]) -> list[TopicPartition]:
        """Compare positions with log ends as fetches tell them; returns partitions that end before their position."""
        short = []
        committed = self._settings.kafka_kind == "apache"
        for tp in self.partitions:
            end = self._consumer.highwater(tp)
            if end is None or end < 0 or tp in excluded:
                continue
            at = await self._consumer.position(tp)
            if at > end:
                short.append(tp)
            stable = self._consumer.last_stable_offset(tp) if committed else end
            if stable is not None and at >= stable:
                self._behind.discard(tp)
        return short

    async def _made_anew(self, tps: list[TopicPartition]) -> None:
        # The embedded broker forgets at each start; anywhere else somebody should know why.
        level = logging.INFO if self._settings.kafka_kind == "embedded" else logging.WARNING
        for tp in tps:
            _LOG.log(level, "%s %d was made anew: reading it from its beginning", tp.topic, tp.partition)
        await self._rewind(tps)

    def caught_up(self) -> bool:
        """Tell whether every partition was read to its end once since `start`, or since it was made anew."""
        return self._consumer is not None and not self._behind and not self._unsure

    async def commit(self, ends: Mapping[Partition, tuple[int, str]]) -> None:
        """Show others how far this reader is: (journal offset, a word about it) by (source, partition).

        For lag only, and never relied on: the embedded broker keeps no such word, and forgets. Failures pass.
        """
        offsets = {
            TopicPartition(journal_of(source), partition): OffsetAndMetadata(end, word)
            for (source, partition), (end, word) in ends.items()
        }
        try:
            await asyncio.wait_for(self._consumer.commit(offsets), COMMIT_WITHIN_S)
        except (KafkaError, TimeoutError) as error:
            _LOG.info("offsets were not committed: %r", error)

    async def stop(self) -> None:
        """Close the connection; a second call does nothing."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            with contextlib.suppress(KafkaError):
                await consumer.stop()
