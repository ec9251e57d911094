"""Errors of tasks that nobody awaits are logged whole, and every error of several is kept."""

import asyncio
import gc
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from schemas.exits import EndError, Exit
from schemas.journal import JournalVersionError
from schemas.policies import Rules
from sinks import sink
from sinks.pipeline import Pipeline
from streams.configuration.environment import load_settings
from streams.configuration.reloading import WatchedRules, follow
from streams.tasks import UNHANDLED, cancel, log_unhandled, wait_for_all
from tests.sinks.memory_store import MemoryStore


async def fails_deep_inside(error: BaseException) -> None:
    """Raise an error from a function whose name must stand in the trace."""
    raise error


async def test_an_error_that_nobody_awaits_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    """The stable words, the error and the function that raised it; a request of aiokafka's gets one line."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_unhandled)
    task = asyncio.ensure_future(fails_deep_inside(LookupError("which")))
    await asyncio.wait([task])
    del task
    gc.collect()
    assert UNHANDLED in caplog.text
    assert "in fails_deep_inside" in caplog.text
    assert "LookupError: which" in caplog.text
    caplog.clear()
    caplog.set_level(logging.INFO)
    future = loop.create_future()
    future.set_exception(KafkaError("gone"))
    del future
    gc.collect()
    assert (UNHANDLED in caplog.text, len(caplog.text.splitlines())) == (False, 1)


async def test_only_a_commit_of_aiokafkas_may_fail_unseen(caplog: pytest.LogCaptureFixture) -> None:
    """A shielded commit may fail after its caller has ended: harmless. The same error in our own task is logged."""

    async def gone(_: object) -> None:
        raise KafkaError("gone")

    caplog.set_level(logging.INFO)
    asyncio.get_running_loop().set_exception_handler(log_unhandled)
    coordinator: Any = SimpleNamespace(group_id="g", generation=1, member_id="m", coordinator_id=0, _send_req=gone)
    offsets = {TopicPartition("t", 0): OffsetAndMetadata(1, "")}
    for failing, told in ((GroupCoordinator._do_commit_offsets(coordinator, None, offsets), False), (gone(0), True)):  # noqa: SLF001 - as above
        caplog.clear()
        task = asyncio.ensure_future(failing)
        await asyncio.wait([task])
        del task
        gc.collect()
        assert (UNHANDLED in caplog.text, "gone" in caplog.text) == (told, True)


async def test_a_task_that_fails_while_it_is_ended_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Ending does not hide what a task raises instead of being cancelled."""

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await fails_deep_inside(LookupError("late"))

    task = asyncio.ensure_future(stubborn())
    await asyncio.sleep(0)
    await cancel(task)
    assert UNHANDLED in caplog.text
    assert "in fails_deep_inside" in caplog.text


async def test_every_error_of_several_is_kept() -> None:
    """One alone is raised as it is; several come as a group."""
    with pytest.raises(LookupError, match="one"):
        await wait_for_all([fails_deep_inside(LookupError("one"))])
    with pytest.raises(BaseExceptionGroup) as caught:
        await wait_for_all([fails_deep_inside(LookupError("one")), fails_deep_inside(OSError("two"))])
    assert [str(error) for error in caught.value.exceptions] == ["one", "two"]


async def test_polling_the_configuration_goes_on_after_an_error_and_logs_the_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A later change is applied all the same."""
    applied: asyncio.Queue[Rules] = asyncio.Queue()

    class Fails(WatchedRules):
        polls = 0

        def poll(self, *, refused: Callable[[list[str]], None]) -> Rules | None:
            del refused
            self.polls += 1
            if self.polls == 1:
                raise LookupError("the first poll")
            return Rules(version="later")

    following = asyncio.ensure_future(follow(Fails(None), applied.put_nowait, every_s=0.001))
    try:
        assert (await asyncio.wait_for(applied.get(), 10)).version == "later"
    finally:
        await cancel(following)
    assert "could not be read" in caplog.text
    assert "LookupError: the first poll" in caplog.text


@pytest.fixture
def failing_sink(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the sink's tasks fail with the given errors, all at once."""

    def fail(*errors: Exception) -> None:
        async def start(_: Any) -> None: ...  # noqa: ANN401 - a pipeline

        async def run(_: Any) -> None:  # noqa: ANN401 - as above
            raise ExceptionGroup("tasks", list(errors))

        monkeypatch.setattr(Pipeline, "start", start)
        monkeypatch.setattr(Pipeline, "run", run)
        monkeypatch.setattr(sink, "ClickHouseStore", lambda _: MemoryStore())

    return fail


def test_the_sink_tells_every_error_that_ended_it(failing_sink: Callable[..., None]) -> None:
    """Two tasks that failed are both raised, for the log; a journal of another version alone is one line."""
    settings = load_settings({"PULSSI_SINK_PORT": "0"})
    failing_sink(LookupError("one"), OSError("two"))
    with pytest.raises(ExceptionGroup) as both:
        asyncio.run(sink._run(settings))  # noqa: SLF001 - the process without its settings of gc
    assert [repr(error) for error in both.value.exceptions] == ["LookupError('one')", "OSError('two')"]
    failing_sink(JournalVersionError("a newer Pulssi"), JournalVersionError("a newer Pulssi"))
    with pytest.raises(EndError, match="the sink ends: a newer Pulssi") as ended:
        asyncio.run(sink._run(settings))  # noqa: SLF001 - as above
    assert ended.value.code == Exit.NO
    failing_sink(JournalVersionError("a newer Pulssi"), LookupError("and this"))
    with pytest.raises(ExceptionGroup) as both:
        asyncio.run(sink._run(settings))  # noqa: SLF001 - as above
    assert repr(both.value.exceptions[1]) == "LookupError('and this')"


def test_an_error_at_the_wallboards_start_is_told_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as a bad time zone, which the settings refuse before."""
    from dashboards.wallboard import service  # noqa: PLC0415 - the layer above

    async def follow_journals(_: Any) -> None:  # noqa: ANN401 - a wallboard
        await fails_deep_inside(ValueError("not about time"))

    caplog.set_level(logging.INFO)
    monkeypatch.setattr("streams.live.journal_follower.JournalFollower.follow", follow_journals)
    assert service.run(load_settings({"PULSSI_WALLBOARD_PORT": "0"})) == Exit.BUG
    assert "ValueError: not about time" in caplog.text
    assert "in fails_deep_inside" in caplog.text
