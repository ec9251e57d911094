"""Which contacts were ever evicted: Bloom filters, so that a new contact need not be looked up in the archive.

They may say yes for a contact that was not evicted, which costs one needless lookup, and never say no for one that was.
A full filter is not changed any more and the next one begun, so that little is written where few are evicted. Memory is
bounded: beyond `FILTERS_AT_MOST` the oldest filter is dropped, and from then on the answer is yes for everybody.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from rbloom import Bloom

from schemas.journal import EVICTED

#: How many ids the first filters take; each later one takes as many as the last of these.
_SIZES: Final = (1_000, 10_000, 50_000)
#: The share of other contacts for which one filter says yes.
_FALSE_POSITIVES: Final = 1e-6
_COUNT_BYTES: Final = 4
#: Filters kept, of 50,000 ids each: 20 million contacts, 72 MB.
FILTERS_AT_MOST: Final = 400


def _hash(contact_id: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(contact_id, digest_size=16).digest(), "big", signed=True)


class EvictedIds:
    """The filters of one source partition, and which of them changed since `records`."""

    def __init__(self) -> None:
        #: By number; the first ones are missing once there were too many.
        self._filters: dict[int, Bloom] = {}
        self._counts: dict[int, int] = {}
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return sum(self._counts.values())

    def __contains__(self, contact_id: bytes) -> bool:
        if not self._filters:
            return False
        if 0 not in self._filters:
            return True
        hashed = _hash(contact_id)
        return any(hashed in each for each in self._filters.values())

    def add(self, contact_ids: Iterable[bytes]) -> None:
        """Note contacts as evicted; one that is noted already changes nothing."""
        last = max(self._filters, default=-1)
        for contact_id in contact_ids:
            hashed = _hash(contact_id)
            if any(hashed in each for each in self._filters.values()):
                continue
            if last < 0 or self._counts[last] >= _size(last):
                last += 1
                self._filters[last], self._counts[last] = Bloom(_size(last), _FALSE_POSITIVES, int), 0
                if self._filters.pop(dropped := last - FILTERS_AT_MOST, None) is not None:
                    del self._counts[dropped]
                    self._changed.add(dropped)  # its journal record becomes a tombstone
            self._filters[last].add(hashed)
            self._counts[last] += 1
            self._changed.add(last)

    def load(self, key: bytes, value: bytes | None) -> None:
        """Load a filter from its journal record; None: it was dropped."""
        number = int(key[len(EVICTED) :])
        if value is None:
            self._filters.pop(number, None)
            self._counts.pop(number, None)
            return
        self._counts[number] = int.from_bytes(value[:_COUNT_BYTES], "big")
        self._filters[number] = Bloom.load_bytes(value[_COUNT_BYTES:], int)

    def records(self) -> Iterator[tuple[bytes, bytes | None]]:
        """Give the journal records of what changed since the last call."""
        for number in sorted(self._changed):
            if number not in self._filters:
                yield EVICTED + b"%d" % number, None
                continue
            count = self._counts[number].to_bytes(_COUNT_BYTES, "big")
            yield EVICTED + b"%d" % number, count + self._filters[number].save_bytes()
        self._changed = set()


def _size(number: int) -> int:
    return _SIZES[min(number, len(_SIZES) - 1)]
