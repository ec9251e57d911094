"""Contacts that arrived, and contacts that a tag was put on, by minute, and their sums over the windows of surge rules.

As in `counters`, a pane comes as an absolute value for its source partition and epoch, and what it adds to the last
value seen counts. Windows are in clock time, and end with the minute that is still filling.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import orjson

from schemas.alert_rules import SURGE_WINDOW_MS
from schemas.journal import PANE, PANES, decode_any_pane_key
from schemas.panes import PANE_MS, TagPaneKey
from schemas.topics import SourcePartition
from streams.live.windows import pane_of

#: What is counted: channel, queue, and the tag, which is empty for arrivals.
Counted = tuple[str, str, str]

#: Panes are kept for a minute more than windows reach, for clocks that differ.
_KEPT_MS: Final = SURGE_WINDOW_MS[1] + PANE_MS
#: How the key of a pane of arrivals ends: others need not be read.
_OFFERED: Final = b'"offered"]'

_NONE: Final[Mapping[Counted, int]] = MappingProxyType({})


class _Window:
    """The sums over one length of time."""

    def __init__(self, length_ms: int) -> None:
        self._length_ms = length_ms
        self.begin = self.end = 0
        self.sums: dict[Counted, int] = {}

    def advance(self, now: int, minutes: Mapping[int, Mapping[Counted, int]]) -> None:
        before, self.end = (self.begin, self.end), pane_of(now) + PANE_MS
        self.begin = self.end - self._length_ms
        if (self.begin, self.end) == before:
            return
        for start, counts in minutes.items():
            sign = (self.begin <= start < self.end) - (before[0] <= start < before[1])
            if sign:
                for counted, n in counts.items():
                    _add(self.sums, counted, sign * n)


class Arrivals:
    """The counts of the last hours."""

    def __init__(self) -> None:
        self._now = 0
        #: By pane start: the last value of each (source partition, key), and what it counts.
        self._values: dict[int, dict[tuple[SourcePartition, bytes], tuple[Counted, int]]] = {}
        self._minutes: dict[int, dict[Counted, int]] = {}
        self._windows: dict[int, _Window] = {}

    def use(self, lengths_ms: Iterable[int]) -> None:
        """Add up over windows of these lengths from now on, what was counted before included."""
        self._windows = {length_ms: _Window(length_ms) for length_ms in lengths_ms}
        self.advance(self._now)

    def advance(self, now: int) -> None:
        """Advance to a time, never back: windows roll, and old panes are dropped."""
        self._now = max(self._now, now)
        for window in self._windows.values():
            window.advance(self._now, self._minutes)
        for start in [start for start in self._values if start < self._now - _KEPT_MS]:
            del self._values[start]
            self._minutes.pop(start, None)

    def update(self, partition: SourcePartition, channel: str, key: bytes, value: bytes) -> None:
        """Apply the new value of a pane or a tag's pane."""
        kind = key[:1]
        if kind not in PANES or (kind == PANE and not key.endswith(_OFFERED)):
            return
        pane_key = decode_any_pane_key(key)
        start = pane_key.start
        counted = channel, pane_key.queue, pane_key.tag if isinstance(pane_key, TagPaneKey) else ""
        if start < self._now - _KEPT_MS:
            return
        values = self._values.setdefault(start, {})
        _, before = values.get((partition, key), (counted, 0))
        n = orjson.loads(value)[0]
        values[partition, key] = counted, n
        self._count(start, counted, n - before)

    def retract(self, partition: SourcePartition, epoch: int) -> None:
        """Subtract what a source partition's panes of an epoch added: its journal is read again."""
        for start, values in self._values.items():
            for of in [of for of in values if of[0] == partition]:
                if decode_any_pane_key(of[1]).epoch == epoch:
                    counted, n = values.pop(of)
                    self._count(start, counted, -n)

    def sums(self, length_ms: int) -> Mapping[Counted, int]:
        """Give the counts over the window of a length, as of the last `advance`; what has none is left out."""
        window = self._windows.get(length_ms)
        return _NONE if window is None else window.sums

    def _count(self, start: int, counted: Counted, n: int) -> None:
        if not n:
            return
        _add(self._minutes.setdefault(start, {}), counted, n)
        for window in self._windows.values():
            if window.begin <= start < window.end:
                _add(window.sums, counted, n)


def _add(counts: dict[Counted, int], counted: Counted, n: int) -> None:
    left = counts.get(counted, 0) + n
    if left:
        counts[counted] = left
    else:
        counts.pop(counted, None)
