"""What the fetching thread says and what it keeps to itself; and a rebalance in the middle of another's end."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock, MagicMock

from aiokafka import TopicPartition
from faust.tables.recovery import Recovery
from faust.types import TP
from mode.utils.queues import FlowControlEvent, FlowControlQueue

from streams.kafka.faust_transport import BatchConsumer, BatchThread

NOW_S = 1_000_000.0
PLACE = TP("contacts.chat", 2)


def _thread(*, last_fetch_s: float) -> tuple[BatchThread, list[str]]:
    """Give a thread that began long ago, has one record before it and saw none yet, and what it says."""
    said: list[str] = []
    state = SimpleNamespace(timestamp=last_fetch_s * 1000, highwater=1, position=0)
    assignment = SimpleNamespace(active=True, state_value={TopicPartition(*PLACE): state}.get)
    subscriptions = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    app = SimpleNamespace(
        monitor=SimpleNamespace(stream_inbound_time={}),
        topics=SimpleNamespace(acks_enabled_for=lambda _topic: True),
        conf=SimpleNamespace(stream_processing_timeout=300.0),
    )
    thread = cast("Any", object.__new__(BatchThread))
    thread.consumer = SimpleNamespace(app=app)
    thread.time_started = 0.0
    thread.tp_stream_timeout_secs = thread.tp_fetch_request_timeout_secs = 300.0
    thread.log = SimpleNamespace(error=lambda text, *values: said.append(text % values))
    thread._ensure_consumer = lambda: SimpleNamespace(_fetcher=SimpleNamespace(_subscriptions=subscriptions))  # noqa: SLF001 - in place of a connection
    return cast("BatchThread", thread), said


def test_a_first_record_after_a_quiet_time_is_no_fault() -> None:
    """A partition that waited ten minutes for its first record is not reported as hanging."""
    thread, said = _thread(last_fetch_s=NOW_S - 1)
    thread.verify_event_path(NOW_S, PLACE)
    assert said == []


def test_fetching_that_stopped_is_reported() -> None:
    """No fetch for longer than the limit is named with the partition."""
    thread, said = _thread(last_fetch_s=NOW_S - 301)
    thread.verify_event_path(NOW_S, PLACE)
    assert len(said) == 1
    assert "contacts.chat" in said[0]


def _consumer(flow: FlowControlEvent, seek_to: Callable[[object], Awaitable[None]]) -> Any:  # noqa: ANN401 - Faust's parts are set one by one
    """Give a consumer with one partition assigned, and active none."""
    consumer = cast("Any", object.__new__(BatchConsumer))
    consumer.app = MagicMock(flow_control=flow, consumer=consumer, consumer_generation_id=7)
    consumer.app.partitions.settle = AsyncMock(return_value={})
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
    await consumer.seek_to({PLACE: (7, 1), ("contacts.chat", 3): (9, 2)})
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
