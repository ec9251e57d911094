"""Who may work at the engine at a time; no engine is needed to refuse."""

from __future__ import annotations

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
