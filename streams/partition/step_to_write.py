"""The records that a step is made of, what it writes, and how a batch is cut so that a step is never too large."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from schemas.journal import Head

#: A journal record: key, and value or None for a tombstone.
JournalRecord = tuple[bytes, bytes | None]

#: A new event's share of its contact's record and panes, as a multiple of its own size, and a contact's fixed part.
_GROWTH: Final = 3
_FIXED_BYTES: Final = 1_000


class SourceRecord(Protocol):
    """A record of a source topic, as aiokafka returns it."""

    offset: int
    #: Its own time, UTC milliseconds.
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class DeadLetter(NamedTuple):
    """A bad record, and why."""

    record: Any
    code: str
    reason: str


class StepToWrite(NamedTuple):
    """What a step writes: journal records with the head last, dead letters, and records that belong elsewhere."""

    records: list[JournalRecord]
    dead: Sequence[DeadLetter]
    head: Head
    #: Records of keys that belong to another partition: they go there, and count there.
    strays: Sequence[SourceRecord] = ()


def cut_records(records: Iterable[tuple[bytes, bytes]], limit: int) -> Iterator[list[tuple[bytes, bytes]]]:
    """Cut journal records into parts with fewer bytes than a limit, except for a part of one record that is larger."""
    part: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in records:
        grows = len(key) + len(value)
        if part and size + grows > limit:
            yield part
            part, size = [], 0
        part.append((key, value))
        size += grows
    if part:
        yield part


def cut_batch(
    records: Sequence[SourceRecord], limit: int, bytes_of: Callable[[bytes], int]
) -> Iterator[Sequence[SourceRecord]]:
    """Cut a batch so that what a step writes stays below the limit; `bytes_of` tells what a key's record has now."""
    begin, size, seen = 0, 0, set[bytes]()
    for at, record in enumerate(records):
        key = record.key or b""
        grows = _GROWTH * len(record.value or b"")
        if key not in seen:
            grows += bytes_of(key) + _FIXED_BYTES
        if size + grows > limit and at > begin:
            yield records[begin:at]
            begin, size, seen = at, 0, set()
        size += grows
        seen.add(key)
    if begin < len(records):
        yield records[begin:]
