"""What the fetching thread says, and what it keeps to itself."""

from types import SimpleNamespace
from typing import Any, cast

from aiokafka import TopicPartition
from faust.types import TP

from streams.kafka.faust_transport import BatchThread

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
