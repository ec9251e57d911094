"""Which partitions topics have, asked of the broker, without making a topic."""

from collections.abc import Iterable
from typing import Any

from aiokafka import TopicPartition

from streams.kafka.brokers import TopicsMissingError


async def known_partitions(consumer: Any) -> dict[str, frozenset[int]]:  # noqa: ANN401 - aiokafka carries no types
    """Give the partitions of every topic that there is. Raises KafkaError.

    It asks for all topics: asking for one by name may make it, with another count. A consumer that has no partitions
    yet knows of no topic: its own `partitions_for_topic` gives none.
    """
    cluster = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - `topics()` keeps the partitions to itself
    return {topic: frozenset(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}


async def partitions_of(consumer: Any, topics: Iterable[str], brokers: str) -> list[TopicPartition]:  # noqa: ANN401 - aiokafka carries no types
    """List the topics' partitions, in order. Raises KafkaError, and TopicsMissingError."""
    known = await known_partitions(consumer)
    partitions = {topic: known.get(topic, frozenset()) for topic in topics}
    if missing := [topic for topic, numbers in partitions.items() if not numbers]:
        raise TopicsMissingError(brokers, missing)
    return [TopicPartition(topic, number) for topic, numbers in partitions.items() for number in sorted(numbers)]
