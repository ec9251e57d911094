"""Apache Kafka as three KRaft nodes on this machine, each broker and controller, each topic on all of them.

Two of the three are enough for everything: a controller is elected, a write is acknowledged by two, transactions and
groups go on. So a test may end any one node, whichever way, and start it again.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from kafka.errors import KafkaError

from deploy.embedded.kafka.node import Node
from streams.kafka.brokers import BrokerUnreachableError, admin_client
from tests.kafka.apache import ApacheKafka
from tests.kafka.server import KafkaServer

NODES: Final = 3
IN_SYNC_WITHIN_S: Final = 60.0
#: Every topic of the broker's own, too, is on all nodes, and a write to it is acknowledged by two.
REPLICATED: Final = {
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
}


class ClusterNode(ApacheKafka):
    """One of the nodes; it answers only where another one runs."""

    def __init__(self, folder: Path, number: int, but: set[int]) -> None:
        super().__init__(folder, but)
        self.number = number
        self.voters = ""

    @property
    def ports(self) -> set[int]:
        """The ports that are its own."""
        return {self._port, self._controller}

    @property
    def node(self) -> Node:
        """The node among the others."""
        own = super().node
        settings = {**own.settings, **REPLICATED}
        return replace(own, number=self.number, voters=self.voters, settings=settings)


class ApacheCluster(KafkaServer):
    """Three nodes; its topics outlive whatever happens to one of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.nodes: dict[int, ClusterNode] = {}
        taken: set[int] = set()
        for number in range(1, NODES + 1):
            self.nodes[number] = ClusterNode(folder / f"node-{number}", number, taken)
            taken |= self.nodes[number].ports
        for node in self.nodes.values():
            node.voters = ",".join(each.node.voter for each in self.nodes.values())

    @property
    def bootstrap(self) -> str:
        """host:port of each node."""
        return ",".join(node.bootstrap for node in self.nodes.values())

    def start(self) -> None:
        """Start what does not run, and return when all answer."""
        with ThreadPoolExecutor(NODES) as threads:
            list(threads.map(ClusterNode.launch, self.nodes.values()))
        for node in self.nodes.values():
            node.await_answer()

    def stop(self) -> None:
        """End all of them; together, for the last ones have no quorum to say goodbye to."""
        self.kill()

    def kill(self) -> None:
        """End all of them with SIGKILL."""
        for node in self.nodes.values():
            node.kill()

    def settings_env(self) -> dict[str, str]:
        """Return the environment that points Pulssi at this cluster, each topic on every node."""
        return {**super().settings_env(), "PULSSI_REPLICATION": str(NODES)}

    # What a test of several nodes asks.

    def partitions(self, topic: str) -> list[dict[str, Any]]:
        """Describe a topic's partitions: `leader_id`, `replica_nodes` and `isr_nodes` of each, by their numbers."""
        with admin_client(self.bootstrap, wait_s=IN_SYNC_WITHIN_S) as admin:
            (told,) = admin.describe_topics([topic])
        return sorted(told["partitions"], key=lambda each: int(each["partition_index"]))

    def leader(self, topic: str, partition: int) -> ClusterNode:
        """Give the node that leads a partition."""
        return self.nodes[self.partitions(topic)[partition]["leader_id"]]

    def await_in_sync(self) -> None:
        """Return when each node has all of every topic, the broker's own too."""
        deadline = time.monotonic() + IN_SYNC_WITHIN_S
        while behind := self._behind():
            if time.monotonic() > deadline:
                raise AssertionError(f"not on {NODES} nodes after {IN_SYNC_WITHIN_S:g} s: {behind}")
            time.sleep(0.2)

    def _behind(self) -> list[str]:
        try:
            with admin_client(self.bootstrap) as admin:
                return [
                    f"{topic['name']}/{each['partition_index']}"
                    for topic in admin.describe_topics()
                    for each in topic["partitions"]
                    if len(each["isr_nodes"]) < NODES
                ]
        except (BrokerUnreachableError, KafkaError) as error:
            return [str(error)]
