"""Readiness and a few log lines show that a server does not answer, and that it answers again."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dashboards.wallboard.service import Wallboard
from sinks.sink_health import SinkHealth
from streams.configuration.environment import load_settings
from streams.configuration.reloading import WatchedRules
from streams.journal.tail import JournalTail
from streams.kafka.cluster import ClusterUnavailableError
from streams.live.live_view import LiveView
from streams.monitoring import worker_health
from streams.monitoring.activities import Phase
from streams.monitoring.outage import Outage
from tests.streams.stand_ins import OTHER, Clock, StandInCluster, Worker


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test moves."""
    return Clock()


def _fail(outage: Outage) -> None:
    with pytest.raises(ClusterUnavailableError), outage.asking():
        raise ClusterUnavailableError("no answer")


def test_an_outage_is_a_line_a_minute_and_one_when_it_is_over(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    """However often the server is asked, from the first question that it did not answer on."""
    outage = Outage("Kafka", clock)
    for _ in range(107):
        _fail(outage)
        clock.now += 1
    assert outage.unready() == "Kafka has not answered for 107 s"
    for _ in range(2):
        with outage.asking():
            pass
    assert outage.unready(0.0) is None
    assert caplog.messages == [
        "Kafka has not answered for 0 s, trying again, nothing is lost: no answer",
        "Kafka has not answered for 60 s, trying again, nothing is lost: no answer",
        "Kafka answers again after 107 s",
    ]


async def test_a_worker_is_not_ready_without_kafka(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: Clock
) -> None:
    """Nor unhealthy, for a restart would not help; its log has one line for each minute."""
    caplog.set_level(logging.INFO)
    cluster = StandInCluster(None)
    worker = Worker(monkeypatch, cluster=cluster, now=clock)
    await worker.assign(OTHER)
    for _ in range(2):
        await worker.partitions.topics.check()
        assert worker_health._unready(worker.partitions, clock.now) is None  # noqa: SLF001 - what `/readyz` answers
        clock.now += 10
    assert worker_health._unready(worker.partitions, clock.now) == "Kafka has not answered for 20 s"  # noqa: SLF001 - as above
    assert worker_health._stuck(worker.partitions, clock.now) is None  # noqa: SLF001 - what `/healthz` answers
    assert [line for line in caplog.messages if "Kafka" in line] == [
        "Kafka has not answered for 0 s, trying again, nothing is lost: no answer"
    ]
    cluster.described = {}
    await worker.partitions.topics.check()
    assert worker_health._unready(worker.partitions, clock.now) is None  # noqa: SLF001 - as above
    await worker.partitions.close()


def test_a_sink_is_not_ready_without_kafka(clock: Clock) -> None:
    """Its journals' reader asks."""
    sink_health = SinkHealth(clock)
    sink_health.waiting_for = None
    tail = JournalTail(load_settings({}), kafka=sink_health.kafka)
    _fail(tail.kafka)
    assert sink_health._unready() is None  # noqa: SLF001 - what `/readyz` answers
    clock.now += 16
    assert (sink_health._unready(), sink_health._stuck()) == ("Kafka has not answered for 16 s", None)  # noqa: SLF001 - as above


def test_a_sink_is_not_ready_while_an_insert_is_stuck(clock: Clock) -> None:
    """Long before the client gives up: it says where it stands."""
    sink_health = SinkHealth(clock)
    sink_health.waiting_for = None
    with sink_health.activities.during(Phase.INSERTING, "the sink"):
        assert sink_health._unready() is None  # noqa: SLF001 - what `/readyz` answers
        clock.now += 16
        assert "the sink is stuck writing to ClickHouse: 16 s so far" in (sink_health._unready() or "")  # noqa: SLF001 - as above
    assert sink_health._unready() is None  # noqa: SLF001 - as above


async def test_a_wallboard_is_not_ready_without_kafka(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """Its page was live before."""
    settings = load_settings({})
    board = Wallboard(settings, WatchedRules(None), LiveView(settings.time_zone, lambda: 0))
    board.journals.connected = True
    board.journals.tail.kafka = Outage("Kafka", clock)
    monkeypatch.setattr(board.journals.tail, "caught_up", lambda: True)

    async def topics(_: Any) -> None:  # noqa: ANN401 - a cluster
        raise ClusterUnavailableError("no answer")

    monkeypatch.setattr("streams.kafka.cluster.Cluster.topics", topics)
    await board.journals.tail._fetch_topic_ids()  # noqa: SLF001 - asked now and then while it reads
    assert board.journals.unready() is None
    clock.now += 16
    assert board.journals.unready() == "Kafka has not answered for 16 s"
    await board.journals.tail.stop()
