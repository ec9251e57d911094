"""What goes into a step and what comes out of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from schemas.journal import Head

#: A journal record: key, and value or None for a tombstone.
Written = tuple[bytes, bytes | None]

#: The value of a record, which may have to be there.
_Value = TypeVar("_Value", bytes, bytes | None)

#: How much of a hash tells one record from another.
_HASH_BYTES: Final = 8


class Record(Protocol):
    """A record of a source topic, as aiokafka gives it."""

    @property
    def offset(self) -> int:
        """Where it stands in its partition."""
        ...

    @property
    def timestamp(self) -> int:
        """The record's own time, UTC milliseconds."""
        ...

    @property
    def key(self) -> bytes | None:
        """What partitions it."""
        ...

    @property
    def value(self) -> bytes | None:
        """The event, as it came."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Kafka's headers."""
        ...


class DeadLetter(NamedTuple):
    """A bad record, and why."""

    record: Any
    code: str
    reason: str


class Output(NamedTuple):
    """What a step writes: journal records with the head last, dead letters, and records that belong elsewhere."""

    records: list[tuple[bytes, bytes | None]]
    dead: list[DeadLetter]
    head: Head
    #: Records of keys that belong to another partition: they go there, and count there.
    strays: list[Any] = []  # noqa: RUF012 - never changed


def hash_of(record: Record) -> str:
    """Tell one source record from another that may stand at its offset some day."""
    digest = hashlib.blake2b(record.key or b"", digest_size=_HASH_BYTES)
    digest.update(record.value or b"")
    return digest.hexdigest()


def in_parts(records: Iterable[tuple[bytes, _Value]], limit: int) -> Iterator[list[tuple[bytes, _Value]]]:
    """Cut records so that keys and values of a part stay below a limit in bytes, but for a single one beyond it."""
    part: list[tuple[bytes, _Value]] = []
    size = 0
    for key, value in records:
        grows = len(key) + len(value or b"")
        if part and size + grows > limit:
            yield part
            part, size = [], 0
        part.append((key, value))
        size += grows
    if part:
        yield part
