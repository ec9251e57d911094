"""Whether source topics and journals are still those that were read; asked every few seconds while partitions are open.

An opened partition whose topic or journal was recreated is closed and opened again, which refuses it. A refused one is
opened again once its topics, or its journal, have changed. No answer from Kafka changes nothing.
"""

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from schemas.topics import SourcePartition, journal_of
from streams.assignment.failures import During, react
from streams.assignment.opened_partition import OpenedPartition
from streams.assignment.takeover import RefusedError
from streams.kafka.cluster import Cluster, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Activities, Phase
from streams.monitoring.outage import Outage
from streams.tasks import BackgroundTasks

#: Batches are processed only if the cluster confirmed within this time that the topic was not recreated: a recreated
#: topic may already have grown past the offset where reading continues.
CONFIRMED_WITHIN_S: Final = 20.0
#: From an opening's record to the journal's end once another opening came and wrote a step: two records, a head, and
#: their three markers. With less, `pulssi epoch begin` may be at work: opening the partition would fence it.
OPENING_AND_STEP: Final = 6


@dataclass(eq=False)
class TopicChecks:
    """The topics of a worker's opened and refused partitions, as the cluster last described them."""

    cluster: Cluster
    log_ends: LogEnds
    activities: Activities
    background: BackgroundTasks
    #: A monotonic clock, in seconds.
    now: Callable[[], float]
    opened: Mapping[SourcePartition, OpenedPartition]
    #: Has a partition read again from its head.
    resume: Callable[[SourcePartition, OpenedPartition], Coroutine[Any, Any, None]]
    #: Opens a partition again that is closed, or was refused.
    reopen: Callable[[SourcePartition], None]
    #: Why partitions are refused, each with its topics then, and where its journal ended.
    refused: dict[SourcePartition, RefusedError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with no partition confirmed."""
        #: Whether Kafka answers.
        self.kafka = Outage("Kafka", self.now)
        self._confirmed_at: dict[SourcePartition, float] = {}

    def confirm(self, partition: SourcePartition, at: float) -> None:
        """Note that the topics of a partition were those that are read, at a time by the clock of `now`."""
        self._confirmed_at[partition] = at

    def is_confirmed(self, partition: SourcePartition) -> bool:
        """Tell whether that was confirmed a short time ago."""
        return self.now() - self._confirmed_at.get(partition, 0.0) <= CONFIRMED_WITHIN_S

    async def check(self) -> None:
        """Ask the cluster for the topics' ids, and close, resume or reopen the partitions that this concerns."""
        asked_at = self.now()
        try:
            with self.activities.during(Phase.TOPICS, "the worker"), self.kafka.asking():
                topics = await self.cluster.topics()
        except Exception as error:  # noqa: BLE001 - what is none of the table's is raised on
            react(During.TOPIC_IDS, error)
            return
        for partition, opened in list(self.opened.items()):
            topic, journal, head = topics.get(partition[0]), topics.get(journal_of(partition[0])), opened.state.head
            if opened.closed or topic is None:
                continue
            partitions = head.partitions or topic.partitions
            other_journal = journal is not None and head.journal not in {"", journal.id}
            if not other_journal and (topic.id, topic.partitions) == (head.topic, partitions):
                self.confirm(partition, asked_at)
                if opened.waits_for_kafka and self.opened.get(partition) is opened:
                    await self.resume(partition, opened)
            elif opened.lock.locked():  # by a step, which may hang: the check of the others must not wait for it
                self.background.start(("recreated", partition), partial(self._close, partition, opened))
            else:
                await self._close(partition, opened)
        await self._check_refused(topics)

    async def _close(self, partition: SourcePartition, opened: OpenedPartition) -> None:
        """Close a partition whose topic was recreated, after the step under way, and open it again."""
        with self.activities.during(Phase.LOCK, partition):
            async with opened.lock:
                opened.closed = True
        if self.opened.get(partition) is opened:
            self.reopen(partition)

    async def _check_refused(self, topics: Mapping[str, TopicDescription]) -> None:
        """Open refused partitions again whose topics, their counts of partitions, or the journal's steps are others."""
        if not self.refused:
            return
        try:
            with self.activities.during(Phase.LOG_ENDS, "the worker"):
                ends = await self.log_ends.stable([(journal_of(name), number) for name, number in self.refused])
        except Exception as error:  # noqa: BLE001 - as in `check`
            react(During.LOG_ENDS, error)
            return
        for partition, refused in list(self.refused.items()):
            journal = journal_of(partition[0])
            now = tuple(topics[name] for name in (partition[0], journal) if name in topics)
            since = ends.get((journal, partition[1]), 0) - refused.opening_offset
            has_grown = refused.opening_offset >= 0 and since >= OPENING_AND_STEP
            if len(now) > 1 and (now != refused.topics or has_grown):
                self.reopen(partition)

    def refusals(self, assigned: Collection[SourcePartition]) -> list[str]:
        """Say why assigned partitions are refused: a line for each topic and reason, with the partitions' numbers."""
        numbers: dict[tuple[str, str], list[str]] = {}
        for (topic, number), why in sorted(self.refused.items()):
            if (topic, number) in assigned:
                numbers.setdefault((topic, str(why)), []).append(str(number))
        return [f"{topic}/{','.join(each)}: refused: {why}" for (topic, why), each in numbers.items()]
