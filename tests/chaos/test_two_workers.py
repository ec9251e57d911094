"""Two workers on one Apache Kafka: one paused past its session, one killed, the broker killed under both."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Final

import pytest

from schemas.settings import load
from streams.topics import migrate_topics
from tests.chaos.test_worker_ends import simulated
from tests.kafka.server import KafkaServer
from tests.oracle.batch import batch
from tests.streams.flow import Feed, Journals, SupervisedWorker

EVENTS: Final = 20_000
PER_SECOND: Final = 600
#: Longer than a worker's session: the other one has its partitions when it wakes up.
PAUSE_S: Final = 9.0


@pytest.mark.slow
async def test_difference_is_nothing(fresh_kafka: KafkaServer, tmp_path: Path) -> None:
    """One wakes up with partitions that another has by now, the broker dies, the other dies: no difference."""
    if fresh_kafka.kind != "apache":
        pytest.skip("the embedded broker has one worker")
    environment = fresh_kafka.settings_env()
    settings = load(environment)
    migrate_topics(settings)
    events = simulated(EVENTS, seed=77)
    feed = Feed(settings, events, PER_SECOND)
    with (
        SupervisedWorker(environment, tmp_path / "one.log") as one,
        SupervisedWorker(environment, tmp_path / "two.log") as two,
    ):
        one.start()
        two.start()
        feed.start()
        async with Journals(settings) as journals:
            await journals.until(EVENTS // 10, one, two)
            one.send(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            one.send(signal.SIGCONT)
            await journals.until(EVENTS * 4 // 10, one, two)
            fresh_kafka.kill()
            fresh_kafka.start()
            await journals.until(EVENTS * 7 // 10, one, two)
            two.end(signal.SIGKILL)
            two.start()
            await journals.until(EVENTS, one, two)
            feed.join()
            totals = journals.pane_totals()
    assert totals == batch(events)
