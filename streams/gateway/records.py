"""The records that the gateway writes to Kafka, their topics, and the errors if they cannot be written."""

from typing import Final, NamedTuple

from schemas.topics import DEAD_LETTERS, SOURCES

TOPICS: Final = (*SOURCES, DEAD_LETTERS)


class NotTakenError(RuntimeError):
    """Nothing can be written now; says why."""


class RecordRefusedError(RuntimeError):
    """Kafka refused a record, and would refuse it again."""


class Record(NamedTuple):
    """A record to write."""

    topic: str
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def size(self) -> int:
        """The memory that it takes, in bytes."""
        return len(self.key) + len(self.value) + sum(len(name) + len(value) for name, value in self.headers)
