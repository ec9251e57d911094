"""What the gateway writes to Kafka, why it is not taken, and the topics that it goes to."""

from typing import Final, NamedTuple

from schemas.topics import DEAD_LETTERS, SOURCES

TOPICS: Final = (*SOURCES, DEAD_LETTERS)


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
