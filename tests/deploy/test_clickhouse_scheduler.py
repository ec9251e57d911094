"""Which queries may run at a time; no engine is needed to refuse."""

import asyncio
import logging
import threading
from typing import cast

import pytest

from deploy.embedded.clickhouse.engine import Engine
from deploy.embedded.clickhouse.errors import ClickHouseError
from deploy.embedded.clickhouse.query import Query
from deploy.embedded.clickhouse.request import parse_request
from deploy.embedded.clickhouse.scheduler import Scheduler


class _Engine:
    """An engine that answers with an error, and knows what it was told to cancel."""

    def __init__(self) -> None:
        self.killed: list[str] = []

    def answers(self) -> bool:
        raise ClickHouseError(241, "Memory limit exceeded")

    def close(self) -> None:
        """Nothing is open."""

    def kill(self, query_id: str) -> None:
        self.killed.append(query_id)


def query(query_id: str) -> Query:
    """Make a query of that id."""
    return Query(parse_request("POST", [("query_id", query_id)], {}))


async def test_a_query_without_a_place_is_told_to_come_again() -> None:
    """TOO_MANY_SIMULTANEOUS_QUERIES, as 503, which clients retry; its id and the slot are free again afterwards."""
    scheduler = Scheduler(cast("Engine", _Engine()), slots=1, wait_s=0.01)
    go_on = threading.Event()
    first = asyncio.create_task(scheduler.run(query("a"), go_on.wait))
    await asyncio.sleep(0)
    with pytest.raises(ClickHouseError) as same_id:
        await scheduler.run(query("a"), go_on.wait)
    assert same_id.value.name == "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"
    for _ in range(2):
        with pytest.raises(ClickHouseError) as too_many:
            await scheduler.run(query("b"), go_on.wait)
        assert (too_many.value.code, too_many.value.status, scheduler.running) == (202, 503, 1)
    go_on.set()
    assert await first
    assert await scheduler.run(query("b"), go_on.wait)
    assert scheduler.running == 0


async def test_an_engine_that_does_not_answer_is_told_with_its_reason() -> None:
    """For whoever reads the health page: what the engine said, not only that it did not answer."""
    assert await Scheduler(cast("Engine", _Engine())).fault() == "Memory limit exceeded"


@pytest.mark.parametrize("cancellable", [True, False])
async def test_a_query_whose_client_went_away(caplog: pytest.LogCaptureFixture, *, cancellable: bool) -> None:
    """It is cancelled unless it writes, keeps its slot until its thread ended, and a bug in it is logged whole."""
    engine, go_on = _Engine(), threading.Event()

    def fails() -> None:
        go_on.wait()
        raise LookupError("planted")

    scheduler, left = Scheduler(cast("Engine", engine)), query("left")
    left.cancellable = cancellable
    running = asyncio.create_task(scheduler.run(left, fails))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert scheduler.running == 1
    go_on.set()
    assert await scheduler.close()
    await asyncio.sleep(0)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "planted" in caplog.text
    assert engine.killed == (["left"] if cancellable else [])
