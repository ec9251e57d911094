"""Opening a source partition: fence the former owner, read its journal up to our own opening, continue at the head.

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
from streams.clickhouse.history import ClickHouseHistory, HistoryAwayError
from streams.journal.writer import JournalWriter
from streams.kafka.cluster import Cluster, TopicDescription
from streams.kafka.log_ends import LogEnds
from streams.monitoring.activities import Phase, doing
from streams.partition.state import PartitionState
from streams.tasks import to_its_end

#: How long a log must end below the head before the partition is refused: a new leader needs a moment to know its end.
SHORT_FOR_S: Final = 10.0
ASK_AGAIN_S: Final = 0.5
#: How long ClickHouse is asked what it knows of a journal that is empty.
ASK_WITHIN_S: Final = 5.0

_LOG: Final = logging.getLogger(__name__)


class RefusedError(EndError):
    """A partition that must not be read until an operator has acted; the message says why and names the command."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Exit.NO)
        #: The journal offset of the opening that was refused, and the ids of source topic and journal then.
        self.opened = -1
        self.ids: tuple[str, ...] = ()


class NotDescribedError(ConnectionError):
    """The cluster does not describe a topic; that says nothing about it."""


class OpeningServices(NamedTuple):
    """Whom an opening asks."""

    archive: ClickHouseHistory
    cluster: Cluster
    logs: LogEnds


def worker_name() -> str:
    """Name this process for people who read a journal."""
    return f"{socket.gethostname()}/{os.getpid()}"


async def take_over(
    settings: Settings,
    rules: Rules,
    partition: SourcePartition,
    services: OpeningServices,
    *,
    released: ReleasedPartition | None = None,
) -> tuple[PartitionState, JournalWriter]:
    """Fence, read, and return the partition as of its head with the writer to continue with.

    With `released`, what this worker had in memory when it closed the partition, only what was written since is read.
    Raises RefusedError; aiokafka's KafkaError, OSError (HistoryAwayError and ClusterAwayError are some) and
    TimeoutError, after which it may be tried again. A writer that was started is stopped then.
    """
    writer = JournalWriter(settings, *partition)
    try:
        opened = await writer.open(worker_name())
        doing(Phase.TOPICS)
        topic, journal = described(await services.cluster.topics(), partition[0])
        state, found = await recover(settings, rules, partition, opened, released, journal.id)
        doing(Phase.LOG_ENDS)
        if found:
            first = await check(partition, state.head, topic, services.logs)
            if first > state.head.next:
                say_gone(partition, state.head.next, first)
        else:
            await _check_is_new(settings, partition, services)
        state.begin(opened, state.head.epoch, topic.partitions, (topic.id, journal.id))
    except BaseException as error:
        if isinstance(error, RefusedError):
            error.opened, error.ids = opened, (topic.id, journal.id)
        doing(Phase.STOPPING)
        await to_its_end(writer.stop())
        raise
    _LOG.info(
        "%s/%d: open, %d contacts, %d agents, %d panes, continuing at offset %d",
        *(*partition, len(state.contacts), len(state.agents), len(state.panes), state.head.next),
    )
    return state, writer


def described(topics: Mapping[str, TopicDescription], source: str) -> tuple[TopicDescription, TopicDescription]:
    """Return a source topic and its journal. Raises NotDescribedError."""
    missing = [name for name in (source, journal_of(source)) if name not in topics]
    if missing:
        raise NotDescribedError(f"Kafka has no topic {', '.join(missing)}, or does not answer for it")
    return topics[source], topics[journal_of(source)]


async def check(partition: SourcePartition, head: Head, topic: TopicDescription, logs: LogEnds) -> int:
    """Return the first offset of a source partition, 0 where none of it was read.

    Raises RefusedError where the topic is not the one that the head names, or its log stays shorter than what was read;
    NotDescribedError, KafkaError, OSError and TimeoutError where Kafka does not answer.
    """
    source, number = partition
    if head.partitions and topic.partitions != head.partitions:
        raise RefusedError(
            f"{source} has {topic.partitions} partitions, and had {head.partitions} when its journal was written. Let"
            f" the sink write all of the journal, delete the topic {journal_of(source)}, run `pulssi migrate`, then"
            f" `pulssi epoch begin {source}`"
        )
    if head.topic not in {"", topic.id}:
        raise RefusedError(
            f"{source} was recreated (its id is {topic.id}, the journal was written for {head.topic}): run"
            f" `pulssi epoch begin {source}`"
        )
    deadline = asyncio.get_running_loop().time() + SHORT_FOR_S
    while head.next:
        found = (await logs.bounds([partition])).get(partition)
        if found is None:
            raise NotDescribedError(f"Kafka does not return the end offset of {source}/{number}")
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


def say_gone(partition: SourcePartition, begin: int, end: int) -> None:
    """Name the events that retention took before they were counted."""
    _LOG.error(
        "%s/%d: offsets %d to %d were deleted by retention before they were counted: import these events again from"
        " their source, and raise retention_days",
        *(*partition, begin, end - 1),
    )


async def _check_is_new(settings: Settings, partition: SourcePartition, services: OpeningServices) -> None:
    """Refuse an empty journal of a partition that ClickHouse has an epoch of.

    While ClickHouse is away, Kafka decides: the partition is new if its first offset is 0 and this installation's sink
    has committed no offset. Raises RefusedError, and HistoryAwayError where Kafka shows that something was read before.
    """
    source, number = partition
    doing(Phase.LOOKING_UP)
    try:
        async with asyncio.timeout(ASK_WITHIN_S):
            epoch = await services.archive.epoch(source, number)
    except (HistoryAwayError, TimeoutError) as error:
        doing(Phase.LOG_ENDS)
        why = str(error) or "no answer"
        first, _ = (await services.logs.bounds([partition])).get(partition, (1, 1))
        if first == 0 and not await services.cluster.has_commits(f"{settings.application}-sink"):
            _LOG.warning("%s/%d: new to Kafka, epoch 1 begins without ClickHouse (%s)", source, number, why)
            return
        unknown = "its journal is empty, and only ClickHouse knows whether it is new or lost"
        raise HistoryAwayError(f"{unknown}: {why}") from None
    if epoch:
        raise RefusedError(
            f"{journal_of(source)}/{number} is empty, and ClickHouse knows epoch {epoch} of {source}/{number}: the"
            f" journal is missing. Run `pulssi epoch begin {source}`"
        )
