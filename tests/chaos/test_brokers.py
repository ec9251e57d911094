"""Three brokers, of which one after the other goes while events flow: nothing is lost and nothing counts twice."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from schemas.topics import CONTACTS, journal_of
from streams.kafka.topic_migration import required_topics
from tests.chaos.feed import Feed
from tests.chaos.installation import Installation
from tests.chaos.records import MINUTE_MS, arriving
from tests.chaos.verdict import dead_letter_faults, differences
from tests.kafka.cluster import NODES, ApacheCluster, ClusterNode
from tests.oracle.centre import Centre
from tests.streams.flow import simulated

EVENTS: Final = 5_000
PER_SECOND: Final = 600.0
SEED: Final = 11
JOURNAL: Final = journal_of(CONTACTS["chat"])


def check_copies(cluster: ApacheCluster, installation: Installation) -> None:
    """Every topic is on every node."""
    for topic in required_topics(installation.settings):
        assert topic.config["min.insync.replicas"] == "2"
        assert {len(each["replica_nodes"]) for each in cluster.partitions(topic.name)} == {NODES}, topic.name


@pytest.mark.long
@pytest.mark.apache
def test_a_broker_killed_and_another_stopped(kafka_cluster: ApacheCluster, tmp_path: Path) -> None:
    """The leader of a journal is killed, comes back, and another one is stopped: no number differs from the batch."""
    events = simulated(EVENTS, rate=4.0, seed=SEED)
    records = arriving(events, SEED, late_ms=40 * MINUTE_MS)
    ended: list[ClusterNode] = []

    def end(how: Callable[[ClusterNode], None]) -> None:
        leader = kafka_cluster.leader(JOURNAL, 0)
        assert leader not in ended
        how(leader)
        ended.append(leader)

    with Installation(kafka_cluster, tmp_path / "pulssi", workers=2, centre="") as installation:
        check_copies(kafka_cluster, installation)
        feed = Feed(installation.settings, records, PER_SECOND)
        installation.await_ready(*installation.workers)
        feed.start()

        def flow(share: float) -> None:
            feed.allow(int(share * len(records)))
            feed.until(int(share * len(records)))
            installation.check()

        try:
            flow(0.2)
            feed.allow(int(0.5 * len(records)))
            end(ClusterNode.kill)
            flow(0.5)
            ended[0].start()
            kafka_cluster.await_in_sync()
            flow(0.7)
            feed.allow(len(records))
            end(ClusterNode.stop)
            flow(1.0)
            feed.flush()
            installation.pulssi("drain", "--timeout", "120", within_s=150)
        finally:
            feed.stop()
        assert len(ended) == 2
        assert differences(installation.rows, (events, Centre())) == {}
        repeated, wrong = dead_letter_faults(installation, feed)
        assert (repeated, wrong) == (0, [])
        assert {status for part in (*installation.workers, installation.sink) for status in part.ended} == set()
