"""Objectives in ClickHouse: as they are now, and over time, whatever is read or written twice."""

import asyncio
from typing import Any, Final

import pytest

from schemas.objectives import Objective, ObjectiveKey, encode_objective_key
from schemas.settings import Settings
from sinks.objective_archive import objective_rows
from sinks.store_protocol import Batch
from streams.alert_engine.alert_log import AlertLog, reported_objectives
from streams.alerts.objective_reports import Due
from streams.clickhouse.connection import connect
from streams.kafka.topic_reader import TopicRecord
from tests.sinks.rows import write
from tests.sinks.running_sink import WITHIN_S, sink

#: 2026-03-02 09:00 UTC.
AT: Final = 1_772_442_000_000
HOUR: Final = 3_600_000


def _objective(at: int = AT, **fields: Any) -> Objective:  # noqa: ANN401 - as it has them
    given: dict[str, Any] = {
        "policy": "call-20s",
        "channel": "call",
        "queue": "sales",
        "segment": "vip",
        "metric": "first_response",
        "window_ms": HOUR,
        "at": at,
        "n": 20,
        "attained": 0.75,
        "attained_live": 0.7,
        "objective": 0.8,
        "burn_rate": 1.5,
        "state": "missed",
    }
    return Objective(**given | fields)


def _record(at: int, objective: Objective | None, offset: int = 0) -> TopicRecord:
    key = encode_objective_key(ObjectiveKey("call-20s", "call", "sales", HOUR))
    return TopicRecord(offset, at, key, None if objective is None else objective.model_dump_json().encode())


def _ask(settings: Settings, query: str) -> list[tuple[Any, ...]]:
    with connect(settings) as client:
        return [tuple(row) for row in client.query(query).result_rows]


def test_the_newest_record_counts_and_each_five_minutes_have_one(database: Settings) -> None:
    """Written twice and in any order; a tombstone takes it out of the present alone."""
    with connect(database) as client:
        client.command("TRUNCATE TABLE objective_history_rows SYNC")
    course = [
        _record(AT, _objective(AT, n=1)),
        _record(AT + 60_000, _objective(AT + 60_000, n=2)),
        _record(AT + 300_000, _objective(AT + 300_000, n=3, attained=None, attained_live=None, burn_rate=None)),
    ]
    for records in (course, course[:1], course[1:]):
        write(database, Batch(objectives=objective_rows(records)))
    now = "SELECT policy, dimensions, window, n, attained, state, toUnixTimestamp64Milli(at) FROM objectives"
    where = {"channel": "call", "queue": "sales", "segment": "vip"}
    assert _ask(database, now) == [("call-20s", where, "1h", 3, None, "missed", AT + 300_000)]
    history = "SELECT n, objective, burn_rate FROM objective_history ORDER BY at"
    assert _ask(database, history) == [(2, 0.8, 1.5), (3, 0.8, None)]
    write(database, Batch(objectives=objective_rows([_record(AT + 301_000, None)])))
    assert _ask(database, now) == []
    assert len(_ask(database, history)) == 2


def test_how_windows_are_written(database: Settings) -> None:
    """In their largest whole unit; a day is 24 hours, as far as windows reach back."""
    lengths = {300_000: "5m", 1_800_000: "30m", HOUR: "1h", 24 * HOUR: "24h", 28 * 24 * HOUR: "28d", 90_000: "90s"}
    keys = [encode_objective_key(ObjectiveKey("p", "call", "q", length)) for length in lengths]
    values = [_objective(policy="p", queue="q", window_ms=length).model_dump_json().encode() for length in lengths]
    records = [TopicRecord(0, AT, key, value) for key, value in zip(keys, values, strict=True)]
    write(database, Batch(objectives=objective_rows(records)))
    assert dict(_ask(database, "SELECT window_ms, window FROM objectives")) == lengths


def test_a_record_that_is_not_readable_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """It is named by its offset; the opening of a writer is none of them."""
    records = [
        TopicRecord(3, AT, b"opening", b"engine"),
        TopicRecord(4, AT, b"7", b"{}"),
        _record(AT, _objective())._replace(value=b"{}", offset=5),
        _record(AT, _objective()),
    ]
    assert len(objective_rows(records)) == 1
    assert "objectives: the record at offset 4" in caplog.text
    assert "objectives: the record at offset 5" in caplog.text


async def test_from_the_engines_topic_into_clickhouse(settings: Settings) -> None:
    """What an engine writes with its alerts arrives, and what it takes out goes; the keys can be read back."""
    log = AlertLog(settings)
    await log.open("engine")
    key = encode_objective_key(ObjectiveKey("call-20s", "call", "sales", HOUR))
    async with sink(settings):
        await log.write([], objectives=Due((_objective(), _objective(policy="other"))))
        await _count(settings, 2)
        assert min(await reported_objectives(settings)) == key
        await log.write([], objectives=Due((), (key,)))
        await _count(settings, 1)
    await log.stop()
    assert len(await reported_objectives(settings)) == 1


async def _count(settings: Settings, wanted: int) -> None:
    async with asyncio.timeout(WITHIN_S):
        while len(await asyncio.to_thread(_ask, settings, "SELECT policy FROM objectives")) != wanted:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
