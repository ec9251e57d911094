"""What the gateway writes to Kafka, why it is not taken, and the topics that it goes to."""

from typing import Final, NamedTuple

from schemas.topics import DEAD_LETTERS, SOURCES
from streams.kafka.brokers import TopicsMissingError, admin_client

TOPICS: Final = (*SOURCES, DEAD_LETTERS)
_WAIT_S: Final = 0.5


class NotTakenError(RuntimeError):
    """Nothing can be written now; says why."""


class RecordRefusedError(RuntimeError):
    """Kafka refused a record, and would refuse it again."""


class Record(NamedTuple):
    """What is written."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """What it takes of the memory, in bytes."""
        return len(self.key) + len(self.value) + sum(len(name) + len(value) for name, value in self.headers)


def partition_counts(brokers: str) -> dict[str, int]:
    """Count each topic's partitions; makes no topic. Raises BrokerUnreachableError, or TopicsMissingError."""
    with admin_client(brokers, _WAIT_S) as admin:
        found = {
            topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics() if not topic["error_code"]
        }
    missing = [name for name in TOPICS if name not in found]
    if missing:
        raise TopicsMissingError(brokers, missing)
    return {name: found[name] for name in TOPICS}
