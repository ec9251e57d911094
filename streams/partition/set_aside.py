"""The source offsets that a partition set aside, in its journal until the sink has archived the records around them.

Pure. The sink archives what the journal does not name, so it must never lack a record of them that it may still need.
"""

from collections.abc import Iterable
from typing import NamedTuple

from schemas.journal import Head, decode_set_aside, encode_set_aside
from streams.partition.steps import Written


class _Noted(NamedTuple):
    epoch: int
    step: int
    #: Source offset behind the last that was set aside.
    end: int


class SetAside:
    """What the journal has of them."""

    def __init__(self) -> None:
        self._noted: dict[bytes, _Noted] = {}

    def __len__(self) -> int:
        return len(self._noted)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Take a record from the journal."""
        if value is None:
            self._noted.pop(key, None)
        else:
            epoch, step, ranges = decode_set_aside(key, value)
            self._noted[key] = _Noted(epoch, step, ranges[-1][1])

    def add(self, epoch: int, step: int, offsets: Iterable[int]) -> Written:
        """Return the record of what a step sets aside: at least one offset."""
        key, value = encode_set_aside(epoch, step, offsets)
        self.load(key, value)
        return key, value

    def evict(self, head: Head, passed: int) -> tuple[list[Written], int]:
        """Return tombstones, and the head's next `set_aside_from`; `passed` is the last step that the sink has.

        A tombstone comes a step after the head that covers it: compaction may end between a step's records and its
        head, and a reader must not miss a record that no head has told it to be without.
        """
        covered = head.set_aside_from
        gone = [key for key, noted in self._noted.items() if noted.epoch < head.epoch or noted.end <= covered]
        for key in gone:
            del self._noted[key]
        ends = [noted.end for noted in self._noted.values() if noted.step <= passed]
        return [(key, None) for key in gone], max(ends, default=covered)
