"""A worker that is killed, or told to stop, at any moment: nothing is lost and nothing counts twice."""

import signal
from pathlib import Path
from typing import Final

import pytest

from tests.chaos.feed import Feed
from tests.chaos.records import PlannedRecord
from tests.kafka.server import KafkaServer
from tests.oracle.batch import batch
from tests.streams.flow import Journals, keyed, simulated, worker_process

EVENTS: Final = 10_000
PER_SECOND: Final = 1_000
TIMES: Final = 5


@pytest.mark.long
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to stop"])
async def test_difference_is_nothing(fresh_kafka: KafkaServer, by: signal.Signals, tmp_path: Path) -> None:
    """A worker ended five times while 10,000 events flow: every count and sum equals the batch fold of the events."""
    settings = fresh_kafka.with_topics()
    events = simulated(EVENTS, rate=8.0, seed=int(by))
    feed = Feed(settings, [PlannedRecord(*record) for record in keyed(events)], PER_SECOND)
    with worker_process(fresh_kafka.settings_env(), tmp_path / "worker.log") as worker:
        worker.start()
        feed.allow(EVENTS)
        feed.start()
        async with Journals(settings) as journals:
            for time in range(1, TIMES + 1):
                await journals.until(time * EVENTS // (TIMES + 1), worker)
                worker.end(by)
                worker.start()
            feed.join()
            feed.flush()
            await journals.until(EVENTS, worker)
            totals = journals.pane_totals()
    # One that is told to stop before it has looked at signals ends by the signal itself.
    assert set(worker.ended) <= ({0, -by} if by is signal.SIGTERM else {-by})
    assert totals == batch(events)
