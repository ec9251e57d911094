"""A worker that is killed, or told to stop, at any moment: nothing is lost and nothing counts twice."""

from __future__ import annotations

import itertools
import signal
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from schemas.settings import load
from streams.sources.simulator import Plan, simulate
from streams.topics import migrate_topics
from tests.kafka.server import KafkaServer
from tests.oracle.batch import batch
from tests.streams.flow import Feed, Journals, WorkerProcess

EVENTS: Final = 10_000
PER_SECOND: Final = 1_000
TIMES: Final = 5
#: 2026-03-02, a Monday, at 09:00 UTC.
MONDAY_MORNING: Final = 1_772_442_000_000


def simulated(number: int, seed: int) -> list[dict[str, Any]]:
    """Simulate so many events of contacts and agents."""
    plan = Plan(MONDAY_MORNING, rate=8.0, seed=seed)
    return [orjson.loads(emitted.value) for emitted in itertools.islice(simulate(plan), number)]


@pytest.mark.long
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to stop"])
async def test_difference_is_nothing(fresh_kafka: KafkaServer, by: signal.Signals, tmp_path: Path) -> None:
    """A worker ended five times while 10,000 events flow: every count and sum equals the batch fold of the events."""
    settings = load(fresh_kafka.settings_env())
    migrate_topics(settings)
    events = simulated(EVENTS, seed=int(by))
    feed = Feed(settings, events, PER_SECOND)
    with WorkerProcess(fresh_kafka.settings_env(), tmp_path / "worker.log") as worker:
        worker.start()
        feed.start()
        async with Journals(settings) as journals:
            for time in range(1, TIMES + 1):
                await journals.until(time * EVENTS // (TIMES + 1), worker)
                worker.end(by)
                worker.start()
            feed.join()
            await journals.until(EVENTS, worker)
            totals = journals.pane_totals()
    # One that is told to stop before it has looked at signals ends by the signal itself.
    assert set(worker.ended) <= ({0, -by} if by is signal.SIGTERM else {-by})
    assert totals == batch(events)
