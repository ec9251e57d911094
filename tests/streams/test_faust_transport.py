"""Seeking while Faust rebalances: nothing that was fetched is cleared away, and no partition is forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

from faust.tables.recovery import Recovery
from faust.types import TP
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from streams.assignment.assigned_partitions import Position
from streams.kafka.faust_transport import BatchConsumer

PLACE = TP("contacts.chat", 2)


def _consumer(flow: FlowControlEvent, seek_to: Callable[[object], Awaitable[None]]) -> Any:  # noqa: ANN401 - Faust's parts are set one by one
    """Give a consumer with one partition assigned, and active none."""
    consumer = cast("Any", object.__new__(BatchConsumer))
    consumer.app = MagicMock(flow_control=flow, consumer=consumer, consumer_generation_id=7)
    consumer.app.partitions.assign = AsyncMock(return_value={})
    consumer.app.on_rebalance_complete.send = consumer.app._fetcher.maybe_start = AsyncMock()  # noqa: SLF001 - Faust's
    consumer.assignment = lambda: {PLACE}
    consumer.can_resume_flow, consumer.suspend_flow = asyncio.Event(), asyncio.Event()
    consumer._active_partitions, consumer._paused_partitions = set(), set()  # noqa: SLF001 - as above
    consumer._read_offset, consumer._committed_offset = {}, {}  # noqa: SLF001 - as above
    consumer._thread = SimpleNamespace(seek_to=seek_to)  # noqa: SLF001 - as above
    return consumer


async def test_a_partition_that_is_sought_is_fetched_again() -> None:
    """Faust takes one whose channel is full from those that it fetches, and may forget it there; not a foreign one."""
    consumer = _consumer(FlowControlEvent(), AsyncMock())
    await consumer.seek_to({PLACE: Position(7, 1), ("contacts.chat", 3): Position(9, 2)})
    assert consumer._active_partitions == {PLACE}  # noqa: SLF001 - as above


async def test_a_batch_that_is_fetched_before_the_flow_is_resumed_is_not_cleared_away() -> None:
    """A rebalance that begins while another ends finds the flow on: the other one has just resumed it.

    Faust seeks, then clears all channels and resumes; what came in between would be lost, and the consumer past it.
    """
    flow = FlowControlEvent(initially_suspended=False)
    channel = FlowControlQueue[str](4, flow_control=flow, clear_on_resume=True)

    async def seek_to(_: object) -> None:
        fetched.append(asyncio.create_task(channel.put("a batch")))
        await asyncio.sleep(0)  # the broker is quick

    fetched: list[asyncio.Task[None]] = []
    consumer = _consumer(flow, seek_to)
    recovery: Any = MagicMock(app=consumer.app, _is_changelog_tp=lambda _: False)
    recovery._wait = lambda seeking, **_: seeking  # noqa: SLF001 - as above
    await Recovery._resume_streams(recovery, 7)  # noqa: SLF001 - as above
    await asyncio.gather(*fetched)
    assert channel.get_nowait() == "a batch"
    assert consumer.flow_active
