"""Who may work at the engine at a time; no engine is needed to refuse."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import cast

import pytest

from deploy.embedded.clickhouse.asking import understand
from deploy.embedded.clickhouse.desk import Desk
from deploy.embedded.clickhouse.engine import Engine
from deploy.embedded.clickhouse.faults import Fault


async def test_a_request_without_a_place_is_told_to_come_again() -> None:
    """TOO_MANY_SIMULTANEOUS_QUERIES, as 503, which clients retry; its id and session are free again."""
    desk = Desk(cast("Engine", None), places=1, wait_s=0.01)
    first = understand("POST", [("query_id", "a"), ("session_id", "one")], {})
    second = understand("POST", [("query_id", "b"), ("session_id", "two")], {})
    work = await desk.take(first)
    with pytest.raises(Fault) as same_session:
        await desk.take(replace(first, query_id="c"))
    assert same_session.value.name == "SESSION_IS_LOCKED"
    with pytest.raises(Fault) as same_id:
        await desk.take(replace(second, query_id="a"))
    assert same_id.value.name == "QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING"
    for _ in range(2):
        with pytest.raises(Fault) as too_many:
            await desk.take(second)
        assert (too_many.value.code, too_many.value.status) == (202, 503)
    async with work:
        assert desk.running == 1
    async with await desk.take(second):
        assert desk.running == 1
    assert desk.running == 0


class _Ill:
    """An engine that answers with an error."""

    def answers(self) -> bool:
        """Fail as chDB does."""
        raise Fault(241, "Memory limit exceeded")


async def test_an_engine_that_does_not_answer_is_told_with_its_reason() -> None:
    """For whoever reads the health page: what the engine said, not only that it did not answer."""
    assert await Desk(cast("Engine", _Ill())).fault() == "Memory limit exceeded"


async def test_what_ends_a_task_of_the_server_is_logged_whole(caplog: pytest.LogCaptureFixture) -> None:
    """Putting a connection back goes on after its request: nobody awaits it, and its error is not lost."""

    async def fails() -> None:
        raise LookupError("planted")

    desk = Desk(cast("Engine", None))
    with pytest.raises(LookupError):
        await desk.spawn(fails())
    await asyncio.sleep(0)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.exc_info is not None
    assert "planted" in caplog.text
    assert "Traceback" in caplog.text
