"""Taking a source partition over: fence the former owner, recover its journal, check the topics, continue at the head.

The journal is read up to the opening's record, never to an end offset: an unfinished step of a dead owner is either
before that record or does not count. Nothing here begins a second epoch. Where the source topic or the journal is not
the one that was read, the partition is refused until an operator runs `pulssi epoch begin`.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Mapping
from typing import Final, NamedTuple

from schemas.exits import EndError, Exit
from schemas.journal import Head
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.assignment.recovery import ReleasedPartition, recover
from streams.clickhouse.archive import ArchiveUnavailableError, ClickHouseArchive
from streams.journal.writer import JournalWriter
from streams.kafka.cluster import Cluster, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Phase, doing
from streams.partition.state import PartitionState
from streams.tasks import run_to_completion

#: How long a log must end below the head before the partition is refused: a new leader needs a moment to know its end.
LOG_SHORT_FOR_S: Final = 10.0
ASK_AGAIN_S: Final = 0.5
#: How long ClickHouse is asked what it knows of a journal that is empty.
ASK_WITHIN_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)


class RefusedError(EndError):
    """A partition that must not be read until an operator has acted; the message says why and names the command."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Exit.NO)
        #: The journal offset of the opening that was refused; -1: the journal was not opened.
        self.opening_offset = -1
        #: Source topic and journal then.
        self.topics: tuple[TopicDescription, ...] = ()


class TopicNotDescribedError(ConnectionError):
    """The cluster does not describe a topic; that says nothing about it."""


class TakeoverServices(NamedTuple):
    """What an opening asks: ClickHouse, and Kafka for its topics and for where logs end."""

    archive: ClickHouseArchive
    cluster: Cluster
    log_ends: LogEnds


def worker_name() -> str:
    """Name this process for people who read a journal."""
    return f"{socket.gethostname()}/{os.getpid()}"


async def take_over(
    settings: Settings,
    rules: Rules,
    partition: SourcePartition,
    services: TakeoverServices,
    *,
    released: ReleasedPartition | None = None,
) -> tuple[PartitionState, JournalWriter]:
    """Fence, recover and check; return the partition as of its head, and the writer to continue with.

    With `released`, the partition as this worker closed it, only what was written since is read.
    Raises RefusedError; KafkaError, OSError (ArchiveUnavailableError and ClusterUnavailableError are two) and
    TimeoutError, after which it may be tried again. A writer that was started is stopped then.
    """
    doing(Phase.TOPICS)
    check_journal(partition[0], await services.cluster.topics())  # before the journal's partition is written to
    doing(Phase.FENCING)
    writer = JournalWriter(settings, *partition)
    try:
        opening_offset = await writer.open(worker_name())
        doing(Phase.TOPICS)
        topic, journal = source_and_journal(await services.cluster.topics(), partition[0])
        state, found = await recover(settings, rules, partition, opening_offset, released, journal.id)
        doing(Phase.LOG_ENDS)
        if found:
            first = await check_source(partition, state.head, topic, services.log_ends)
            if first > state.head.next:
                log_deleted_events(partition, state.head.next, first)
        else:
            await _check_is_new(settings, partition, services)
        state.begin(opening_offset, state.head.epoch, topic.partitions, (topic.id, journal.id))
    except BaseException as error:
        if isinstance(error, RefusedError):
            error.opening_offset, error.topics = opening_offset, (topic, journal)
        doing(Phase.STOPPING)
        await run_to_completion(writer.stop())
        raise
    _LOG.info(
        "%s/%d: open, %d contacts, %d agents, %d panes, continuing at offset %d",
        *(*partition, len(state.contacts), len(state.agents), len(state.panes), state.head.next),
    )
    return state, writer


def source_and_journal(
    topics: Mapping[str, TopicDescription], source: str
) -> tuple[TopicDescription, TopicDescription]:
    """Return a source topic and its journal. Raises TopicNotDescribedError."""
    missing = [name for name in (source, journal_of(source)) if name not in topics]
    if missing:
        raise TopicNotDescribedError(f"Kafka has no topic {', '.join(missing)}, or does not answer for it")
    return topics[source], topics[journal_of(source)]


def check_journal(source: str, topics: Mapping[str, TopicDescription]) -> None:
    """Refuse a source topic that has more partitions than its journal, which was made with as many.

    Raises RefusedError, and TopicNotDescribedError.
    """
    topic, journal = source_and_journal(topics, source)
    if topic.partitions > journal.partitions:
        refused = RefusedError(
            f"{source} has {topic.partitions} partitions, its journal {journal_of(source)} has {journal.partitions}."
            f" {_new_journal(source)}"
        )
        refused.topics = topic, journal
        raise refused


def _new_journal(source: str) -> str:
    """Say how a topic goes on with another number of partitions."""
    return (
        f"Let the sink write all of the journal, delete the topic {journal_of(source)}, run `pulssi migrate`, then"
        f" `pulssi epoch begin {source}`"
    )


async def check_source(partition: SourcePartition, head: Head, topic: TopicDescription, log_ends: LogEnds) -> int:
    """Return the first offset of a source partition; 0 where nothing of it was counted yet.

    Raises RefusedError where the topic is not the one that the head names, or its log stays shorter than the head;
    TopicNotDescribedError, KafkaError, OSError and TimeoutError where Kafka does not answer.
    """
    source, number = partition
    if head.partitions and topic.partitions != head.partitions:
        raise RefusedError(
            f"{source} has {topic.partitions} partitions, and had {head.partitions} when its journal was written."
            f" {_new_journal(source)}"
        )
    if head.topic not in {"", topic.id}:
        raise RefusedError(
            f"{source} was recreated (its id is {topic.id}, the journal was written for {head.topic}): run"
            f" `pulssi epoch begin {source}`"
        )
    deadline = asyncio.get_running_loop().time() + LOG_SHORT_FOR_S
    while head.next:
        found = (await log_ends.bounds([partition])).get(partition)
        if found is None:
            raise TopicNotDescribedError(f"Kafka does not return the end offset of {source}/{number}")
        first, end = found
        if end >= head.next:
            return first
        if asyncio.get_running_loop().time() >= deadline:
            raise RefusedError(
                f"{source}/{number} ends at offset {end}, and was read up to {head.next}: records were lost. Run"
                f" `pulssi epoch begin {source}`"
            )
        await asyncio.sleep(ASK_AGAIN_S)
    return 0


def log_deleted_events(partition: SourcePartition, begin: int, end: int) -> None:
    """Log the offsets of events that retention deleted before they were counted: `begin` up to, but not, `end`."""
    _LOG.error(
        "%s/%d: offsets %d to %d were deleted by retention before they were counted: import these events again from"
        " their source, and raise retention_days",
        *(*partition, begin, end - 1),
    )


async def _check_is_new(settings: Settings, partition: SourcePartition, services: TakeoverServices) -> None:
    """Refuse an empty journal of a partition that ClickHouse has an epoch of.

    While ClickHouse is away, Kafka decides: the partition is new if its first offset is 0 and this installation's sink
    has committed no offset. Raises RefusedError, and ArchiveUnavailableError where Kafka shows an earlier reader.
    """
    source, number = partition
    doing(Phase.LOOKING_UP)
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            epoch = await services.archive.epoch(source, number)
    except (ArchiveUnavailableError, TimeoutError) as error:
        doing(Phase.LOG_ENDS)
        why = str(error) or "no answer"
        first, _ = (await services.log_ends.bounds([partition])).get(partition, (1, 1))
        if first == 0 and not await services.cluster.has_commits(f"{settings.application}-sink"):
            _LOG.warning("%s/%d: new to Kafka, epoch 1 begins without ClickHouse (%s)", source, number, why)
            return
        unknown = "its journal is empty, and only ClickHouse knows whether it is new or lost"
        raise ArchiveUnavailableError(f"{unknown}: {why}") from None
    if epoch:
        raise RefusedError(
            f"{journal_of(source)}/{number} is empty, and ClickHouse knows epoch {epoch} of {source}/{number}: the"
            f" journal is missing. Run `pulssi epoch begin {source}`"
        )
