"""What a worker does on which exception: the table, its page in the documents, and who asks it."""

import importlib
import logging
import pkgutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from aiokafka.errors import KafkaError

import streams
from schemas.exits import Exit
from schemas.journal import JournalVersionError
from schemas.topics import journal_of
from streams.assignment.failures import TABLE, During, Failure, react
from streams.assignment.takeover import RefusedError
from streams.kafka.cluster import TopicDescription
from streams.kafka.faust_transport import Fetch
from streams.monitoring.worker_health import BatchMetrics
from streams.partition.bad_record_limit import BadRecordLimitError
from streams.worker import _agent_of
from tests.streams.stand_ins import OTHER, RECORDS, StandInCluster, Worker

PAGE: Final = Path(__file__).parents[2] / "docs" / "failures.md"
ROOMS: Final = ("assignment", "clickhouse", "journal", "kafka", "partition")
#: Never leave the function that connects at the start, which waits for as long as it takes; and a command's.
ELSEWHERE: Final = {"TopicsMissingError", "AddressError", "BatchRefusedError"}


def _row(row: Failure) -> str:
    errors = ", ".join(f"`{error.__name__}`" for error in row.errors)
    line, more, _ = row.line.partition("\n")
    for name, shown in (("partition", "TOPIC/N"), ("journal", "TOPIC.journal/N"), ("offset", "…"), ("error", "…")):
        line = line.replace(f"{{{name}}}", shown)
    ends = "" if row.code is None else f" with {row.code:d}"
    level = logging.getLevelName(row.level).lower()
    return f"| {row.during} | {errors} | {row.action}{ends} | {level}: `{line}`{more and ', then the stack trace'} |\n"


def test_the_documents_have_the_table() -> None:
    """Row by row, in the order in which it decides."""
    assert "".join(_row(row) for row in TABLE) in PAGE.read_text(encoding="utf-8")


def _errors() -> Iterator[type[Exception]]:
    for room in ROOMS:
        package = importlib.import_module(f"{streams.__name__}.{room}")
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            module = importlib.import_module(found.name)
            for each in vars(module).values():
                if isinstance(each, type) and issubclass(each, Exception) and each.__module__ == found.name:
                    yield each


def test_every_exception_of_a_workers_rooms_has_a_row() -> None:
    """Its own, or that of what it is; all that has none ends the worker as a bug."""
    rows = tuple(error for row in TABLE if row.during is not During.ANYTHING for error in row.errors)
    found = {each.__name__ for each in _errors() if not issubclass(each, rows)}
    assert found == ELSEWHERE


@pytest.mark.parametrize("row", [row for row in TABLE if row.code], ids=lambda row: f"{row.during} {row.code}")
def test_what_ends_a_process_ends_it_with_its_code(
    row: Failure, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And says why before."""
    ends: list[int] = []
    monkeypatch.setattr("os._exit", ends.append)
    react(row.during, row.errors[0]("for this reason"), OTHER)
    assert ends == [row.code]
    assert caplog.records[-1].levelno == logging.CRITICAL


@pytest.mark.parametrize("during", [each for each in During if each is not During.ANYTHING])
def test_an_error_without_a_row_is_raised_on(during: During) -> None:
    """Nothing treats a bug as what it knows."""
    with pytest.raises(LookupError, match="a bug"):
        react(during, LookupError("a bug"), OTHER)


async def test_a_bug_in_a_batch_ends_the_worker_with_its_trace(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not only the error: also the function that raised it."""

    def folds_wrongly(*_: object) -> None:
        raise LookupError("no such queue")

    worker = Worker(monkeypatch)
    _, session = (await worker.assign(OTHER))[OTHER]
    monkeypatch.setattr("streams.partition.state.PartitionState.steps", folds_wrongly)

    async def events() -> AsyncIterator[Any]:
        message = SimpleNamespace(key=Fetch(session, 0, 0.0, 0), topic=OTHER[0], partition=OTHER[1], value=RECORDS)
        yield SimpleNamespace(message=message)

    await _agent_of(worker.partitions, BatchMetrics())(SimpleNamespace(events=events))
    assert worker.ends == [Exit.BUG]
    assert "a bug: the worker ends, nothing is lost\nTraceback" in caplog.text
    assert "in folds_wrongly" in caplog.text
    await worker.partitions.close()


@pytest.mark.parametrize("error", [KafkaError("gone"), TimeoutError(), AssertionError()], ids=repr)
async def test_a_client_in_a_bad_state_between_batches_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    """The same errors as when a step is written: aiokafka asserts where its state is bad."""

    async def fails(*_: object) -> None:
        raise error

    topics = {name: TopicDescription("t", 2) for name in (OTHER[0], journal_of(OTHER[0]))}
    worker = Worker(monkeypatch, cluster=StandInCluster(topics))
    worker.partitions.topics.refused[OTHER] = RefusedError("recreated")
    monkeypatch.setattr("streams.kafka.log_ends.LogEnds.stable", fails)
    caplog.set_level(logging.INFO)
    await worker.partitions.topics.check()
    assert "Kafka did not tell the ends of journals, trying again" in caplog.text


def test_what_is_logged_names_the_partition_and_the_reason(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Our own errors say it themselves, others with their type, and a time limit in words."""
    monkeypatch.setattr("os._exit", lambda _: None)
    gone = f"KafkaError: {KafkaError('gone')}"
    react(During.STEP, KafkaError("gone"), OTHER, offset=7)
    react(During.LOOK_UP, TimeoutError(), OTHER)
    react(During.OPENING, JournalVersionError("a newer Pulssi"), OTHER)
    react(During.STEP, BadRecordLimitError("too many"), OTHER)
    assert [record.getMessage() for record in caplog.records] == [
        f"contacts.chat/1: the step at offset 7 was not written, reopening the partition, no event is lost: {gone}",
        "contacts.chat/1: ClickHouse does not answer: no answer in time",
        "the worker ends: contacts.chat.journal/1: a newer Pulssi",
        "the worker stops, nothing is lost: too many",
    ]
