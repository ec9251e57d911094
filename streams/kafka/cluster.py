"""What a Kafka cluster says of its topics and groups: their ids, their partitions, whether a group ever committed.

kafka-python's admin client blocks, so it has a thread of its own and a time limit. `ClusterUnavailableError` means that
nothing is known: it must never be taken for a recreated topic.
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar

from kafka.errors import KafkaError

from schemas.settings import Settings
from schemas.topics import SourcePartition
from streams.kafka.brokers import BrokerUnreachableError, admin_client

Answer = TypeVar("Answer")

#: How long the cluster may take to answer one question.
ANSWER_WITHIN_S: Final = 5.0


class ClusterUnavailableError(ConnectionError):
    """The cluster did not answer in time; says what was asked, in one line."""


class TopicDescription(NamedTuple):
    """A topic as the cluster describes it."""

    #: Kafka's own id (KIP-516); a topic that was deleted and created again has another one.
    id: str
    partitions: int


class Cluster:
    """An admin connection, kept open."""

    def __init__(self, settings: Settings, within_s: float = ANSWER_WITHIN_S) -> None:
        self._brokers = settings.kafka_brokers
        self._within_s = within_s
        self._thread = ThreadPoolExecutor(1, "cluster")
        self._connection = ExitStack()
        self._admin: Any = None
        self._stopped = False
        self._lock = asyncio.Lock()
        self._topics_as_of = 0.0
        self._topics: Mapping[str, TopicDescription] = {}

    async def topics(self) -> Mapping[str, TopicDescription]:
        """Describe every topic, as of a moment after this was called. Raises ClusterUnavailableError."""
        called_at = monotonic()
        async with self._lock:
            if self._topics_as_of <= called_at:  # callers that waited meanwhile take the same answer
                asked_at = monotonic()
                self._topics = await self._query("the topics", _topics)
                self._topics_as_of = asked_at
            return self._topics

    async def has_commits(self, group: str) -> bool:
        """Tell whether a consumer group has committed any offset that is still kept. Raises ClusterUnavailableError."""
        return bool(await self.group_offsets(group))

    async def group_offsets(self, group: str) -> Mapping[SourcePartition, tuple[int, str]]:
        """Return what a consumer group has committed, with the comments. Raises ClusterUnavailableError."""
        async with self._lock:
            found = await self._query(f"the offsets of group {group}", lambda admin: admin.list_group_offsets([group]))
        return {
            (tp.topic, tp.partition): (int(stored.offset), str(stored.metadata))
            for tp, stored in found[group].items()
            if stored.offset >= 0
        }

    async def members(self, group: str) -> int:
        """Count the members of a consumer group; 0 where there is no such group. Raises ClusterUnavailableError."""
        async with self._lock:
            found = await self._query(f"the group {group}", lambda admin: admin.describe_groups([group]))
        return len(found[group]["members"])

    async def stop(self) -> None:
        """Close the connection, unless the cluster hangs; a second call does nothing."""
        if not self._stopped:
            self._stopped = True
            self._thread.submit(self._disconnect)
            self._thread.shutdown(wait=False)

    async def _query(self, what: str, question: Callable[[Any], Answer]) -> Answer:
        try:
            async with asyncio.timeout(self._within_s):
                return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, question)
        except (KafkaError, BrokerUnreachableError, OSError, TimeoutError) as error:
            why = str(error) or f"no answer within {self._within_s:g} s"
            raise ClusterUnavailableError(f"Kafka at {self._brokers} does not describe {what}: {why}") from None

    def _run(self, question: Callable[[Any], Answer]) -> Answer:
        try:
            if self._admin is None:
                self._admin = self._connection.enter_context(admin_client(self._brokers))
            return question(self._admin)
        except BaseException:
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        self._admin = None
        self._connection.close()


def _topics(admin: Any) -> dict[str, TopicDescription]:  # noqa: ANN401 - kafka-python carries no types
    return {
        topic["name"]: TopicDescription(str(topic["topic_id"]), len(topic["partitions"]))
        for topic in admin.describe_topics()
        if not topic["error_code"]
    }
