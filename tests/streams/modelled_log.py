"""One journal partition as a broker keeps it, and aiokafka's consumer of it: in memory, and at a test's pace.

The newest producer fences the older ones, readers see committed records up to the first undecided one, markers and
aborted records leave holes, a transaction may stay open although its producer was told that it is committed, and the
log can be compacted.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError, ProducerFenced

from schemas.topics import journal_of
from streams.kafka.cluster import Cluster, TopicDescription
from streams.partition.step_to_write import JournalRecord

#: What may happen between two fetches.
Interruption = Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class LogRecord:
    """A record of the log, as aiokafka gives it, and whether its transaction was decided."""

    offset: int
    key: bytes
    value: bytes | None
    committed: bool = False


class Log:
    """The records of one partition, by offset, with holes."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        #: Offset behind all that was ever written.
        self.end = 0
        self.compacted = False
        self._undecided: list[LogRecord] = []
        #: Whether the undecided were left open: the coordinator calls them committed.
        self._left_open = False
        self._producer = 0

    @property
    def stable(self) -> int:
        """Offset up to which readers of what is committed may read."""
        return self._undecided[0].offset if self._undecided else self.end

    def producer(self) -> int:
        """Start a producer; that ends the older ones, and what they had under way as far as the coordinator knows."""
        if not self._left_open:
            self.abort()
        self._producer += 1
        return self._producer

    def begin(self, producer: int, written: Iterable[JournalRecord]) -> list[LogRecord]:
        """Have records land, undecided. Raises ProducerFenced."""
        if producer != self._producer:
            raise ProducerFenced
        self._left_open = False
        landed = []
        for key, value in written:
            landed.append(LogRecord(self.end, key, value))
            self.end += 1
        self.records += landed
        self._undecided += landed
        return landed

    def leave_open(self) -> None:
        """Tell the producer that its transaction is committed, and write no marker: the next one decides this too."""
        self._left_open = True

    def commit(self) -> None:
        """Decide for the transaction under way."""
        for record in self._undecided:
            record.committed = True
        self._decide()

    def abort(self) -> None:
        """Decide against the transaction under way, if there is one."""
        self._decide()

    def _decide(self) -> None:
        if self._undecided:
            self._undecided = []
            self.end += 1  # the marker

    def compact(self, below: int, tombstones_below: int) -> None:
        """Keep of each key the last committed record below an offset, and no tombstone that is old enough."""
        below = min(below, self.stable)
        last = {record.key: record.offset for record in self.records if record.offset < below and record.committed}
        kept = [
            record
            for record in self.records
            if record.offset >= below
            or (
                record.committed
                and last[record.key] == record.offset
                and (record.value is not None or record.offset >= tombstones_below)
            )
        ]
        self.compacted |= len(kept) < len(self.records)
        self.records = kept

    def visible(self, begin: int) -> list[LogRecord]:
        """List what a reader may see from a position on."""
        return [record for record in self.records if begin <= record.offset < self.stable and record.committed]


class Broker(Cluster):
    """Holds the journal, which may be recreated, and says what happens between fetches."""

    def __init__(self) -> None:
        self.log = Log()
        self.partitions = 1
        #: Which life of the journal, and of the source topic, this is.
        self.lives = [1, 1]
        self.interruptions: deque[Interruption | None] = deque()

    def recreate_journal(self) -> None:
        """Have the journal recreated."""
        self.log = Log()
        self.lives[0] += 1

    def recreate_source(self) -> None:
        """Have the source topic recreated."""
        self.lives[1] += 1

    async def topics(self) -> dict[str, TopicDescription]:
        """Describe both topics, as the cluster does."""
        source = "contacts.chat"
        return {
            journal_of(source): TopicDescription(f"journal {self.lives[0]}", self.partitions),
            source: TopicDescription(f"source {self.lives[1]}", self.partitions),
        }

    async def has_commits(self, group: str) -> bool:
        """Tell that somebody committed: only ClickHouse knows whether there was another journal."""
        return bool(group)

    async def stable(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
        """Tell up to where all is decided."""
        return dict.fromkeys(places, self.log.stable)

    async def stop(self) -> None:
        """Disconnect."""

    async def close(self) -> None:
        """Disconnect."""

    async def interrupt(self) -> None:
        """Let happen what is due before a fetch."""
        await asyncio.sleep(0)
        what = self.interruptions.popleft() if self.interruptions else None
        if what is not None:
            await what()


class Consumer:
    """What of aiokafka's consumer is used to read a journal; fetches bring `at_most` records."""

    _fetcher = None  # nothing is fetched ahead

    def __init__(self, broker: Broker, place: TopicPartition, at_most: int = 1_000) -> None:
        self._broker = broker
        self._place = place
        self._assigned = {place}
        self._position = 0
        self.at_most = at_most

    def assignment(self) -> set[TopicPartition]:
        """Name the partitions: the one that is modelled, and others, which stay empty."""
        return self._assigned

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Take partitions."""
        assert self._place in places
        self._assigned = set(places)

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go to an offset."""
        assert place in self._assigned
        if place == self._place:
            self._position = offset

    async def getmany(
        self, *_places: TopicPartition, timeout_ms: int = 0, max_records: int = 1_000
    ) -> dict[TopicPartition, list[LogRecord]]:
        """Fetch; an offset that the log does not have is refused."""
        del timeout_ms
        await self._broker.interrupt()
        log, at_most = self._broker.log, min(self.at_most, max_records)
        if self._position > log.end:
            raise OffsetOutOfRangeError({self._place: self._position})
        visible = log.visible(self._position)
        fetched = visible[:at_most]
        if fetched:
            self._position = fetched[-1].offset + 1
        if len(visible) <= at_most:
            self._position = max(self._position, log.stable)
        return {self._place: fetched} if fetched else {}

    async def position(self, place: TopicPartition) -> int:
        """Tell where reading goes on."""
        return self._position if place == self._place else self._broker.log.stable

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Tell where the log begins: compaction leaves that as it is."""
        return dict.fromkeys(places, 0)

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""


MORE_THAN_THERE_IS: Final = 1_000_000
