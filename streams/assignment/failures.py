"""What a worker does on which exception: one table, which every place that catches one asks.

An exception without a row is a bug: it is raised on, and the process ends. docs/failures.md shows the table, and a test
compares both.
"""

import logging
import os
import traceback
from enum import StrEnum
from logging import CRITICAL, DEBUG, ERROR, INFO, WARNING
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from schemas.exits import Exit
from schemas.journal import JournalVersionError
from schemas.topics import SourcePartition, journal_of
from streams.assignment.takeover import RefusedError
from streams.clickhouse.archive import ArchiveUnavailableError
from streams.journal.step_assembly import RecreatedError
from streams.journal.writer import StepTooLargeError
from streams.kafka.cluster import ClusterUnavailableError
from streams.kafka.static_membership import NameTakenError
from streams.monitoring.activities import note_failure
from streams.partition.bad_record_limit import BadRecordLimitError

_LOG: Final = logging.getLogger(__name__)


class Action(StrEnum):
    """What is done, as docs/failures.md says it."""

    #: The same is tried again; nothing else stops.
    RETRY = "tries again"
    #: What is in memory may be ahead of the journal: it is dropped, and the partition opened again.
    REOPEN = "opens the partition again"
    #: The partition stays closed; all others continue.
    RELEASE = "leaves the partition closed"
    END = "ends"


class During(StrEnum):
    """What a worker was doing, as docs/failures.md says it."""

    OPENING = "opening a partition"
    CANCELLING = "cancelling an opening"
    STEP = "writing a step"
    RECORD = "writing a step of one record"
    LOOK_UP = "looking up a batch's contacts"
    MAINTENANCE = "asking ClickHouse between batches"
    TOPIC_IDS = "asking Kafka for topic ids"
    LOG_ENDS = "asking Kafka where journals end"
    MISSING_OFFSETS = "asking Kafka why offsets are missing"
    CLOSING = "closing a partition"
    STOPPING = "stopping the worker"
    MEMBERSHIP = "being a member of the group"
    WATCHING = "anything, for longer than every time limit"
    ANYTHING = "anything else"


class Failure(NamedTuple):
    """A row: of the rows of one activity, the first whose error it is decides."""

    during: During
    errors: tuple[type[BaseException], ...]
    action: Action
    level: int
    #: With the names that `react` fills in.
    line: str
    code: Exit | None = None


#: From aiokafka; it asserts where its state is bad. TimeoutError and the errors of lost connections are OSErrors.
_KAFKA: Final = (KafkaError, OSError, AssertionError)
_CLICKHOUSE: Final = (ArchiveUnavailableError, TimeoutError)
_UNOPENED: Final = (ArchiveUnavailableError, RecreatedError, *_KAFKA)

RETRY, REOPEN, RELEASE, END = Action


def _ends(during: During, error: type[BaseException], code: Exit, line: str) -> Failure:
    return Failure(during, (error,), END, CRITICAL, line, code)


TABLE: Final = (
    Failure(
        During.OPENING, (RefusedError,), RELEASE, ERROR, "{partition}: refused, other partitions continue: {error}"
    ),
    _ends(During.OPENING, JournalVersionError, Exit.NO, "the worker ends: {journal}: {error}"),
    Failure(During.OPENING, _UNOPENED, RETRY, WARNING, "{partition}: cannot be opened yet: {error}"),
    _ends(
        During.CANCELLING,
        TimeoutError,
        Exit.STUCK,
        "{partition}: its opening cannot be cancelled: the worker ends (exit 71), nothing is lost",
    ),
    _ends(During.STEP, BadRecordLimitError, Exit.NO, "the worker stops, nothing is lost: {error}"),
    Failure(
        During.STEP,
        (StepTooLargeError,),
        REOPEN,
        WARNING,
        "{partition}: a step was too large for a Kafka batch: writing smaller steps",
    ),
    Failure(
        During.STEP,
        _KAFKA,
        REOPEN,
        WARNING,
        "{partition}: the step at offset {offset} was not written, reopening the partition, no event is lost: {error}",
    ),
    Failure(During.RECORD, (StepTooLargeError,), REOPEN, ERROR, "{partition}: blocked at offset {offset}: {error}"),
    Failure(During.LOOK_UP, _CLICKHOUSE, RETRY, WARNING, "{partition}: ClickHouse does not answer: {error}"),
    Failure(
        # `Outage` says it once a minute, here and in the next row.
        During.MAINTENANCE,
        _CLICKHOUSE,
        RETRY,
        DEBUG,
        "{partition}: parked events and eviction wait for ClickHouse: {error}",
    ),
    Failure(
        During.TOPIC_IDS,
        (ClusterUnavailableError,),
        RETRY,
        DEBUG,
        "Kafka did not tell the topic ids, trying again: {error}",
    ),
    Failure(During.LOG_ENDS, _KAFKA, RETRY, INFO, "Kafka did not tell the ends of journals, trying again: {error}"),
    Failure(
        During.MISSING_OFFSETS,
        _KAFKA,
        RETRY,
        INFO,
        "{partition}: offsets after {offset} are missing, Kafka did not tell why: {error}",
    ),
    _ends(
        During.CLOSING,
        TimeoutError,
        Exit.STUCK,
        "{partition}: its producer does not stop: the worker ends (exit 71), nothing is lost",
    ),
    Failure(During.CLOSING, _KAFKA, RELEASE, WARNING, "{partition}: stopping its producer failed: {error}"),
    _ends(During.STOPPING, TimeoutError, Exit.STUCK, "the worker does not stop: it ends (exit 71), nothing is lost"),
    _ends(During.MEMBERSHIP, NameTakenError, Exit.NO, "the worker ends, nothing is lost: {error}"),
    _ends(During.WATCHING, TimeoutError, Exit.STUCK, "{error}: the process ends (exit 71), nothing is lost"),
    _ends(During.ANYTHING, BaseException, Exit.BUG, "a bug: the worker ends, nothing is lost\n{trace}"),
)


def failure_of(during: During, error: BaseException) -> Failure:
    """Give an error's row, that of a bug where it has none."""
    return next(row for row in TABLE if row.during in {during, During.ANYTHING} and isinstance(error, row.errors))


def react(during: During, error: BaseException, partition: SourcePartition | None = None, *, offset: int = 0) -> str:
    """Log an error's line and return it; END ends the process here. An error without a row is raised on."""
    row = failure_of(during, error)
    if row.during is not during:
        raise error
    note_failure()
    topic, number = partition or ("", 0)
    line = row.line.format(
        partition=f"{topic}/{number}",
        journal=f"{journal_of(topic)}/{number}",
        offset=offset,
        error=described_error(error),
        trace="".join(traceback.format_exception(error)) if "{trace}" in row.line else "",
    )
    _LOG.log(row.level, "%s", line)
    if row.code is not None:
        logging.shutdown()
        os._exit(row.code)
    return line


def described_error(error: BaseException) -> str:
    """Say an error in one line: our own as it is, any other with its type."""
    text = str(error)
    if isinstance(error, TimeoutError):
        return text or "no answer in time"
    if type(error).__module__.startswith(("schemas.", "streams.")):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
