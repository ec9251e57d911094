"""The source offsets that a partition set aside, in its journal until the sink has archived the records around them.

The records themselves are dead letters and strays: a step has them only until it is written.

Pure. The sink archives what the journal does not name, so it must never lack a record of them that it may still need.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.journal import Head, decode_set_aside, encode_set_aside
from streams.partition.step_to_write import JournalRecord


class _SetAsideRecord(NamedTuple):
    epoch: int
    step: int
    #: Source offset behind the last that was set aside.
    end: int


class SetAside:
    """The journal's records of set-aside offsets, by key."""

    def __init__(self) -> None:
        self._records: dict[bytes, _SetAsideRecord] = {}

    def __len__(self) -> int:
        return len(self._records)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Load a record from the journal."""
        if value is None:
            self._records.pop(key, None)
        else:
            epoch, step, ranges = decode_set_aside(key, value)
            self._records[key] = _SetAsideRecord(epoch, step, ranges[-1][1])

    def add(self, epoch: int, step: int, offsets: Iterable[int]) -> JournalRecord:
        """Return the record of what a step sets aside: at least one offset."""
        key, value = encode_set_aside(epoch, step, offsets)
        self.load(key, value)
        return key, value

    def evict(self, head: Head, sink_step: int) -> tuple[list[JournalRecord], int]:
        """Return tombstones, and the head's next `set_aside_from`; `sink_step` is the last step that the sink has.

        A tombstone comes a step after the head that covers it: compaction may end between a step's records and its
        head, and a reader must not miss a record that no head has told it to be without.
        """
        covered = head.set_aside_from
        covered_keys = [
            key for key, record in self._records.items() if record.epoch < head.epoch or record.end <= covered
        ]
        for key in covered_keys:
            del self._records[key]
        ends = [record.end for record in self._records.values() if record.step <= sink_step]
        return [(key, None) for key in covered_keys], max(ends, default=covered)
