"""What a worker does on which exception: one table, which every place that catches one asks.

An exception without a row is a bug: it is raised on, and the process ends. docs/failures.md shows the table, and a test
compares both.
"""

from __future__ import annotations

import logging
import os
import traceback
from enum import StrEnum
from typing import Final, NamedTuple

from aiokafka.errors import KafkaError

from schemas.exits import Exit
from schemas.journal import JournalVersionError
from schemas.topics import SourcePartition, journal_of
from streams.assignment.opening import RefusedError
from streams.clickhouse.history import HistoryAwayError
from streams.journal.assembly import RecreatedError
from streams.journal.writing import StepTooLargeError
from streams.kafka.cluster import ClusterAwayError
from streams.partition.bad_record_limit import BadRecordLimitError

_LOG: Final = logging.getLogger(__name__)


class Action(StrEnum):
    """What is done, as docs/failures.md says it."""

    #: The same is tried again; nothing else stops.
    RETRY = "tries again"
    #: What is in memory may be ahead of the journal: it is dropped, and the partition opened again.
    REOPEN = "opens the partition again"
    #: The partition stays closed, all others go on.
    RELEASE = "leaves the partition closed"
    END = "ends"


class During(StrEnum):
    """What a worker was doing, as docs/failures.md says it."""

    OPENING = "opening a partition"
    CANCELLING = "cancelling an opening"
    STEP = "writing a step"
    RECORD = "writing a step of one record"
    LOOK_UP = "looking up a batch's contacts"
    TENDING = "asking ClickHouse between batches"
    TOPIC_IDS = "asking Kafka for topic ids"
    LOG_ENDS = "asking Kafka where journals end"
    GONE = "asking Kafka why offsets are missing"
    CLOSING = "closing a partition"
    STOPPING = "stopping the worker"
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


class Reaction(NamedTuple):
    """What to do, and what was logged."""

    action: Action
    line: str


#: From aiokafka; it asserts where its state is bad. TimeoutError and the errors of lost connections are OSErrors.
_KAFKA: Final = (KafkaError, OSError, AssertionError)

TABLE: Final = (
    Failure(
        During.OPENING,
        (RefusedError,),
        Action.RELEASE,
        logging.ERROR,
        "%(partition)s: refused, other partitions continue: %(error)s",
    ),
    Failure(
        During.OPENING,
        (JournalVersionError,),
        Action.END,
        logging.CRITICAL,
        "the worker ends: %(journal)s: %(error)s",
        Exit.NO,
    ),
    Failure(
        During.OPENING,
        (HistoryAwayError, RecreatedError, *_KAFKA),
        Action.RETRY,
        logging.WARNING,
        "%(partition)s: cannot be opened yet: %(error)s",
    ),
    Failure(
        During.CANCELLING,
        (TimeoutError,),
        Action.END,
        logging.CRITICAL,
        "%(partition)s: its opening cannot be cancelled: the worker ends (exit 71), nothing is lost",
        Exit.STUCK,
    ),
    Failure(
        During.STEP,
        (BadRecordLimitError,),
        Action.END,
        logging.CRITICAL,
        "the worker stops, nothing is lost: %(error)s",
        Exit.NO,
    ),
    Failure(
        During.STEP,
        (StepTooLargeError,),
        Action.REOPEN,
        logging.WARNING,
        "%(partition)s: a step was too large for a Kafka batch: writing smaller steps",
    ),
    Failure(
        During.STEP,
        _KAFKA,
        Action.REOPEN,
        logging.WARNING,
        "%(partition)s: the step at offset %(offset)s was not written, reopening the partition, no event is lost:"
        " %(error)s",
    ),
    Failure(
        During.RECORD,
        (StepTooLargeError,),
        Action.REOPEN,
        logging.ERROR,
        "%(partition)s: blocked at offset %(offset)s: %(error)s",
    ),
    Failure(
        During.LOOK_UP,
        (HistoryAwayError, TimeoutError),
        Action.RETRY,
        logging.WARNING,
        "%(partition)s: ClickHouse does not answer: %(error)s",
    ),
    Failure(
        During.TENDING,
        (HistoryAwayError, TimeoutError),
        Action.RETRY,
        logging.INFO,
        "%(partition)s: parked events and eviction wait for ClickHouse: %(error)s",
    ),
    Failure(
        During.TOPIC_IDS,
        (ClusterAwayError,),
        Action.RETRY,
        logging.DEBUG,  # `Outage` says it once a minute
        "Kafka did not tell the topic ids, trying again: %(error)s",
    ),
    Failure(
        During.LOG_ENDS,
        _KAFKA,
        Action.RETRY,
        logging.INFO,
        "Kafka did not tell the ends of journals, trying again: %(error)s",
    ),
    Failure(
        During.GONE,
        _KAFKA,
        Action.RETRY,
        logging.INFO,
        "%(partition)s: offsets after %(offset)s are missing, Kafka did not tell why: %(error)s",
    ),
    Failure(
        During.CLOSING,
        (TimeoutError,),
        Action.END,
        logging.CRITICAL,
        "%(partition)s: its producer does not stop: the worker ends (exit 71), nothing is lost",
        Exit.STUCK,
    ),
    Failure(
        During.CLOSING,
        _KAFKA,
        Action.RELEASE,
        logging.WARNING,
        "%(partition)s: stopping its producer failed: %(error)s",
    ),
    Failure(
        During.STOPPING,
        (TimeoutError,),
        Action.END,
        logging.CRITICAL,
        "the worker does not stop: it ends (exit 71), nothing is lost",
        Exit.STUCK,
    ),
    Failure(
        During.WATCHING,
        (TimeoutError,),
        Action.END,
        logging.CRITICAL,
        "%(error)s: the process ends (exit 71), nothing is lost",
        Exit.STUCK,
    ),
    Failure(
        During.ANYTHING,
        (BaseException,),
        Action.END,
        logging.CRITICAL,
        "a bug: the worker ends, nothing is lost\n%(trace)s",
        Exit.BUG,
    ),
)


def failure_of(during: During, error: BaseException) -> Failure:
    """Give an error's row, that of a bug where it has none."""
    return next(row for row in TABLE if row.during in {during, During.ANYTHING} and isinstance(error, row.errors))


def react(
    during: During, error: BaseException, partition: SourcePartition | None = None, *, offset: int = 0
) -> Reaction:
    """Log an error's line and say what to do; END ends the process here. An error without a row is raised on."""
    row = failure_of(during, error)
    if row.during is not during:
        raise error
    topic, number = partition or ("", 0)
    line = row.line % {
        "partition": f"{topic}/{number}",
        "journal": f"{journal_of(topic)}/{number}",
        "offset": offset,
        "error": described_error(error),
        "trace": "".join(traceback.format_exception(error)) if "%(trace)s" in row.line else "",
    }
    _LOG.log(row.level, "%s", line)
    if row.code is not None:
        logging.shutdown()
        os._exit(row.code)
    return Reaction(row.action, line)


def described_error(error: BaseException) -> str:
    """Say an error in one line: our own as it is, any other with its type."""
    text = str(error)
    if isinstance(error, TimeoutError):
        return text or "no answer in time"
    if type(error).__module__.startswith(("schemas.", "streams.")):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
