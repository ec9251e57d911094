"""Beginning an epoch: an operator's act, after a source topic was recreated or a journal went missing.

An epoch is one life of a source partition: offsets begin again, and everything that is keyed by them carries its
number. No epoch begins where the topics are those that the journal names. The beginning is one Kafka transaction: if
the command dies before its commit, nothing has changed, and it is run again.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt

from schemas.journal import HEAD_KEY, Head, JournalVersionError, decode_head
from schemas.policies import Rules
from schemas.settings import Settings
from schemas.topics import SourcePartition, journal_of
from streams.assignment.recovery import NO_RECORD_FOR_S, recover
from streams.assignment.takeover import RefusedError, check_journal, check_source, source_and_journal, worker_name
from streams.clickhouse.archive import ClickHouseArchive
from streams.journal.step_assembly import RecreatedError
from streams.journal.writer import JournalWriter, StepTooLargeError
from streams.kafka.cluster import Cluster, TopicDescription
from streams.kafka.consumer_end import stop_consumer
from streams.kafka.log_ends import LogEnds, committed_consumer
from streams.partition.archived_history import EndedEpochs
from streams.partition.state import PartitionState
from streams.times import now_ms

#: How long the transaction that begins an epoch may take: it can hold every open contact.
BEGIN_WITHIN_MS: Final = 300_000
#: How long the broker may take to let a producer in.
OPEN_WITHIN_S: Final = 60.0
#: How often to try where a worker opens the partition meanwhile, and so ends our transaction.
ATTEMPTS: Final = 5
#: How long the sink may take to write the steps that a worker wrote after the survey.
SINK_WITHIN_S: Final = 60.0
ASK_SINK_S: Final = 0.5
_POLL_MS: Final = 200

_LOG: Final = logging.getLogger(__name__)


class SurveyedPartition(NamedTuple):
    """A source partition, its last epoch, and why it is refused, if it is."""

    partition: SourcePartition
    #: The last head in its journal; None: the journal has no step.
    head: Head | None
    #: Why it is refused now; None: its epoch continues, or it is new.
    refused: str | None


@contextmanager
def _refusing(partition: SourcePartition) -> Iterator[None]:
    """Refuse what cannot be read or written, in a line that names the partition and what to do."""
    source, number = partition
    try:
        yield
    except JournalVersionError as error:
        raise RefusedError(f"{journal_of(source)}/{number}: {error}") from None
    except RecreatedError:
        raise RefusedError(
            f"{journal_of(source)}/{number} was recreated while it was read: run `pulssi epoch begin {source}` again"
        ) from None
    except StepTooLargeError as error:
        raise RefusedError(
            f"{source}/{number}: {error}, which no journal takes: delete that contact's rows from `contacts_rows` and"
            f" `events_rows` in ClickHouse, then run `pulssi epoch begin {source}` again"
        ) from None


async def survey(
    settings: Settings, source: str, known_epochs: Mapping[int, int], heads: Mapping[int, Head] | None = None
) -> list[SurveyedPartition]:
    """Look at every partition of a source topic, changing nothing.

    `known_epochs` has the last epoch that ClickHouse knows, by partition. With `heads`, those of a survey a moment ago,
    the journals are not read.
    Raises RefusedError where the number of partitions changed, which an epoch alone does not mend, or a journal cannot
    be read; KafkaError, OSError and TimeoutError where Kafka does not answer.
    """
    cluster, log_ends = Cluster(settings), LogEnds(settings)
    try:
        topics = await cluster.topics()
        check_journal(source, topics)
        topic, journal = source_and_journal(topics, source)
        partitions = [(source, number) for number in range(topic.partitions)]
        if heads is None:
            stable = await log_ends.stable([(journal_of(source), number) for _, number in partitions])
            heads = await _heads(settings, source, stable, journal.id)
        reasons = await asyncio.gather(
            *(
                _refusal_reason(partition, heads.get(partition[1]), topic, log_ends, known_epochs)
                for partition in partitions
            ),
            return_exceptions=True,
        )
    finally:
        await cluster.stop()
        await log_ends.close()
    found = []
    for partition, reason in zip(partitions, reasons, strict=True):
        if isinstance(reason, BaseException):
            raise reason
        found.append(SurveyedPartition(partition, heads.get(partition[1]), reason))
    return found


async def _refusal_reason(
    partition: SourcePartition,
    head: Head | None,
    topic: TopicDescription,
    log_ends: LogEnds,
    known_epochs: Mapping[int, int],
) -> str | None:
    epoch = known_epochs.get(partition[1], 0)
    if head is None:
        return f"its journal is missing, and ClickHouse knows epoch {epoch}" if epoch else None
    try:
        await check_source(partition, head, topic, log_ends)
    except RefusedError as error:
        if head.partitions not in {0, topic.partitions}:
            raise
        return str(error)
    # Claimed, and this command died; or counted by another cluster. The sink archives no other epoch than the last.
    return f"its journal has epoch {head.epoch}, and ClickHouse knows epoch {epoch}" if epoch > head.epoch else None


async def _heads(settings: Settings, source: str, stable: dict[SourcePartition, int], journal: str) -> dict[int, Head]:
    """Read the last head of each journal partition that names this journal."""
    consumer = committed_consumer(settings)
    heads: dict[int, Head] = {}
    try:
        async with asyncio.timeout(NO_RECORD_FOR_S) as no_record:
            await consumer.start()
            unread = {TopicPartition(*partition): end for partition, end in stable.items() if end}
            consumer.assign(list(unread))
            for tp, begin in (await consumer.beginning_offsets(list(unread))).items() if unread else ():
                consumer.seek(tp, begin)
            while unread:
                fetched = await consumer.getmany(*unread, timeout_ms=_POLL_MS)
                if fetched:
                    no_record.reschedule(asyncio.get_running_loop().time() + NO_RECORD_FOR_S)
                for tp, records in fetched.items():
                    for record in records:
                        if record.key == HEAD_KEY and record.value is not None:
                            with _refusing((source, tp.partition)):
                                head = decode_head(record.value)
                            if head.journal in {"", journal}:
                                heads[tp.partition] = head
                for tp in [tp for tp, end in unread.items() if await consumer.position(tp) >= end]:
                    del unread[tp]
    finally:
        await stop_consumer(consumer)
    return heads


async def begin(
    settings: Settings, rules: Rules, found: SurveyedPartition, epoch: int, archive: ClickHouseArchive, cluster: Cluster
) -> PartitionState:
    """Begin an epoch of one partition, which continues with what its journal has, or else with what ClickHouse has.

    Raises RefusedError, KafkaError, OSError (ArchiveUnavailableError is one) and TimeoutError; then nothing was begun.
    """
    with _refusing(found.partition):
        return await AsyncRetrying(
            retry=retry_if_exception_type((KafkaError, RecreatedError)),
            stop=stop_after_attempt(ATTEMPTS),
            before_sleep=lambda state: _LOG.info(
                "%s/%d: trying again: %r", *found.partition, state.outcome and state.outcome.exception()
            ),
            reraise=True,
        )(_begin_once, settings, rules, found, epoch, archive, cluster)


async def _begin_once(
    settings: Settings, rules: Rules, found: SurveyedPartition, epoch: int, archive: ClickHouseArchive, cluster: Cluster
) -> PartitionState:
    partition = found.partition
    topic, journal = source_and_journal(await cluster.topics(), partition[0])
    carried = (
        EndedEpochs() if found.head is not None else await archive.ended_epochs(*partition, topic.partitions, now_ms())
    )
    writer = JournalWriter(settings, *partition, BEGIN_WITHIN_MS)
    try:
        async with asyncio.timeout(OPEN_WITHIN_S):
            opening_offset = await writer.open(worker_name())
        state, _ = await recover(settings, rules, partition, opening_offset, None, journal.id)
        if _life(state.head) == (epoch, topic.id, journal.id):
            return state  # an earlier attempt was written, though Kafka's answer did not arrive
        if _life(state.head) != _life(found.head or Head()):
            raise RefusedError(f"{partition[0]}/{partition[1]}: its journal changed meanwhile: run the command again")
        if found.head is not None:
            await _await_sink(partition, state.head, archive)
        state.begin(opening_offset, epoch, topic.partitions, (topic.id, journal.id))
        steps = state.carry_over(carried)
        await writer.append(await asyncio.to_thread(next, steps))  # it may read millions of ids
        next(steps, None)
    finally:
        await writer.stop()
    return state


def _life(head: Head) -> tuple[int, str, str]:
    """Name the life of a source partition that a head belongs to: its epoch, and the ids of its topics."""
    return head.epoch, head.topic, head.journal


async def _await_sink(partition: SourcePartition, head: Head, archive: ClickHouseArchive) -> None:
    """Wait until the sink has written all steps: a worker may have written one after the survey, before it was fenced.

    Raises RefusedError after `SINK_WITHIN_S`, and ArchiveUnavailableError.
    """
    deadline = asyncio.get_running_loop().time() + SINK_WITHIN_S
    while (written := await archive.last_step_in_sink(*partition, head.epoch)) < head.step:
        if asyncio.get_running_loop().time() >= deadline:
            raise RefusedError(
                f"{partition[0]}/{partition[1]}: the sink has written {max(written, 0)} of {head.step} steps: let it"
                " run until it has written all, then run this command again"
            )
        await asyncio.sleep(ASK_SINK_S)
