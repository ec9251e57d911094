"""What is kept of deliveries: written in order, and proof that nobody else writes it by now."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, Final, cast

import pytest
from aiokafka.errors import ProducerFenced

from schemas.alerts import STATE_KEY
from schemas.settings import Settings
from sinks.hooks.delivery_log import CERTAIN_FOR_S, STUCK_AFTER_S, DeliveryLog

AT_MS: Final = 1_772_440_200_000


class _Topic:
    def __init__(self, *_: Any) -> None:  # noqa: ANN401 - as the real one
        self.written: list[list[bytes]] = []
        self.is_fenced = False
        self.hangs = asyncio.Event()
        self.hangs.set()
        self.has_written = asyncio.Event()

    async def write(self, records: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Write, unless another one has opened the topic."""
        await self.hangs.wait()
        if self.is_fenced:
            raise ProducerFenced
        self.written.append([key for key, _ in records])
        self.has_written.set()


class _Clocks:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monotonic_s, self.wall_ms = 1_000.0, AT_MS
        monkeypatch.setattr("sinks.hooks.delivery_log.time", SimpleNamespace(monotonic=lambda: self.monotonic_s))
        monkeypatch.setattr("sinks.hooks.delivery_log.now_ms", lambda: self.wall_ms)


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> _Clocks:
    """Have clocks that the test moves."""
    return _Clocks(monkeypatch)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> tuple[DeliveryLog, _Topic]:
    """Make a log with a topic that is modelled."""
    monkeypatch.setattr("sinks.hooks.delivery_log.FencedTopic", _Topic)
    made = DeliveryLog(cast("Settings", None))
    return made, cast("_Topic", made._topic)  # noqa: SLF001 - the model


@pytest.mark.parametrize("clock", ["monotonic", "wall", "wall, set back"])
async def test_whose_turn_it_is_is_asked_once_it_is_not_certain(
    log: tuple[DeliveryLog, _Topic], clocks: _Clocks, clock: str
) -> None:
    """Right after a write nothing is asked; after a while, by whatever clock runs, a write proves it."""
    made, topic = log
    async with asyncio.TaskGroup() as tasks:
        writes = tasks.create_task(made.write(lambda: b"state"))
        await made.certify()
        await made.certify()
        assert topic.written == [[STATE_KEY]]
        if clock == "monotonic":
            clocks.monotonic_s += CERTAIN_FOR_S
        else:
            clocks.wall_ms += int(CERTAIN_FOR_S * 1_000) * (-1 if "back" in clock else 1)
        await made.certify()
        assert topic.written == [[STATE_KEY], [STATE_KEY]]
        writes.cancel()


async def test_one_that_was_fenced_is_never_certain(log: tuple[DeliveryLog, _Topic], clocks: _Clocks) -> None:
    """Whoever asks learns nothing more, and the task that writes ends with the error."""
    made, topic = log
    writes = asyncio.ensure_future(made.write(lambda: b"state"))
    await made.certify()
    clocks.monotonic_s += CERTAIN_FOR_S
    topic.is_fenced = True
    asks = asyncio.ensure_future(made.certify())
    with pytest.raises(ProducerFenced):
        await writes
    assert not asks.done()
    asks.cancel()


async def test_a_write_that_does_not_end_is_stuck(log: tuple[DeliveryLog, _Topic], clocks: _Clocks) -> None:
    """And is not any more once it has ended."""
    made, topic = log
    topic.hangs.clear()
    async with asyncio.TaskGroup() as tasks:
        writes = tasks.create_task(made.write(lambda: b"state"))
        asks = tasks.create_task(made.certify())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert made.stuck() is None
        clocks.monotonic_s += STUCK_AFTER_S + 1
        assert "does not end" in str(made.stuck())
        topic.hangs.set()
        await topic.has_written.wait()
        clocks.monotonic_s -= STUCK_AFTER_S + 1
        await asks
        assert made.stuck() is None
        writes.cancel()
