"""Which contacts were ever evicted: Bloom filters, so that a new contact need not be looked up in the archive.

They may say yes for a contact that was not evicted, which costs a look in vain, never no for one that was. A filter
that is full is left as it is and the next one begun, so that little is written where few are evicted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Final

from rbloom import Bloom

from schemas.journal import EVICTED

#: How many ids the first filters take; each later one takes as many as the last of these.
_SIZES: Final = (1_000, 10_000, 50_000)
#: How often one filter says yes in vain.
_IN_VAIN: Final = 1e-6
_COUNT_BYTES: Final = 4


def _as_it_is(number: int) -> int:
    return number


def _number(contact_id: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(contact_id, digest_size=16).digest(), "big", signed=True)


class Evicted:
    """The filters of one source partition, and which of them changed since `records`."""

    def __init__(self) -> None:
        self._filters: list[Bloom] = []
        self._counts: list[int] = []
        self._changed: set[int] = set()

    def __len__(self) -> int:
        return sum(self._counts)

    def __contains__(self, contact_id: bytes) -> bool:
        if not self._filters:
            return False
        number = _number(contact_id)
        return any(number in each for each in self._filters)

    def add(self, contact_ids: Iterable[bytes]) -> None:
        """Note contacts as evicted; one that is noted already changes nothing."""
        for contact_id in contact_ids:
            number = _number(contact_id)
            if any(number in each for each in self._filters):
                continue
            if not self._filters or self._counts[-1] >= _size(len(self._filters) - 1):
                self._filters.append(Bloom(_size(len(self._filters)), _IN_VAIN, _as_it_is))
                self._counts.append(0)
            self._filters[-1].add(number)
            self._counts[-1] += 1
            self._changed.add(len(self._filters) - 1)

    def load(self, key: bytes, value: bytes) -> None:
        """Take a filter from its journal record."""
        place = int(key[len(EVICTED) :])
        while len(self._filters) <= place:
            self._filters.append(Bloom(_size(len(self._filters)), _IN_VAIN, _as_it_is))
            self._counts.append(0)
        self._counts[place] = int.from_bytes(value[:_COUNT_BYTES], "big")
        self._filters[place] = Bloom.load_bytes(value[_COUNT_BYTES:], _as_it_is)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the journal records of what changed since the last call."""
        for place in sorted(self._changed):
            count = self._counts[place].to_bytes(_COUNT_BYTES, "big")
            yield EVICTED + b"%d" % place, count + self._filters[place].save_bytes()
        self._changed = set()


def _size(place: int) -> int:
    return _SIZES[min(place, len(_SIZES) - 1)]
