"""The panes of the last 26 hours, of all source partitions, added up by minute, channel and queue.

Journals bring a pane as an absolute value for its source partition and epoch; what it adds to the last value seen goes
into the minute and into the windows that hold it. The last values are kept as the journal's own bytes, which is a third
of what decoded ones take. A pane that is evicted from a worker's memory still counts.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Final

from schemas.journal import TAG_PANE, decode_pane, decode_pane_key, decode_tag_pane, decode_tag_pane_key
from schemas.panes import PaneKey, TagPaneKey
from streams.live.totals import COUNTERS, Totals, add_counts
from streams.live.windows import NAMES, Minute, Window, pane_of

#: As far back as today can reach: a day of 25 hours, and an hour for clocks that differ.
KEPT_MS: Final = 26 * 3_600_000

#: The samples that live figures are made of; panes of others are passed over.
SAMPLES: Final = frozenset(
    {
        *("offered", "entered", "first_response", "next_response", "abandoned", "handle", "resolution", "rated"),
        "bot_contained",
    }
)


class LivePanes:
    """Panes by minute, and the windows over them."""

    def __init__(self, zone: tzinfo) -> None:
        self._oldest = 0
        #: By pane start: the last value of each (source partition, key), as bytes.
        self._values: dict[int, dict[bytes, bytes]] = {}
        self._lanes: dict[tuple[str, int], bytes] = {}
        self.minutes: dict[int, Minute] = {}
        #: In how many minutes each (channel, queue) has anything.
        self.queues: dict[tuple[str, str], int] = {}
        self.windows = {name: Window(name, zone) for name in NAMES}
        #: Tags that the taxonomy knows, each with its newest pane's start: older than the panes, they are forgotten.
        self.known_tags: dict[str, int] = {}

    def move(self, now_ms: int) -> bool:
        """Go on to `now_ms`: windows roll, what is too old is forgotten. Tells whether anything rolled."""
        rolled = [window.move(now_ms, self.minutes) for window in self.windows.values()]
        self._oldest = max(self._oldest, pane_of(now_ms - KEPT_MS))
        for start in [start for start in self._values if start < self._oldest]:
            del self._values[start]
            add_counts(self.queues, dict.fromkeys(self.minutes.pop(start, {}), 1), -1)
        if any(rolled):
            self.known_tags = {tag: start for tag, start in self.known_tags.items() if start >= self._oldest}
        return any(rolled)

    def put(self, lane: tuple[str, int], channel: str, key: bytes, value: bytes) -> bool:
        """Take the new value of a pane or a tag's pane in; `lane` is its source partition.

        Tells whether it changed anything.
        """
        of = _key(key)
        if of.start < self._oldest or (isinstance(of, PaneKey) and of.sample not in SAMPLES):
            return False
        before = self._replace(lane, of.start, key, value)
        if before == value:
            return False
        added = _totals(of, value)
        if before is not None:
            added.add(_totals(of, before), -1)
        self._add(of.start, channel, of.queue, added)
        return self._note_tag(of, value) if isinstance(of, TagPaneKey) else not added.empty()

    def _note_tag(self, of: TagPaneKey, value: bytes) -> bool:
        if decode_tag_pane(value).known:
            self.known_tags[of.tag] = max(of.start, self.known_tags.get(of.tag, 0))
        else:
            self.known_tags.pop(of.tag, None)
        return True

    def void(self, lane: tuple[str, int], channel: str, epoch: int) -> None:
        """Take back what a source partition's panes of an epoch added: its journal is read again."""
        mark = self._lanes.get(lane)
        if mark is None:
            return
        for start, values in self._values.items():
            for marked in [marked for marked in values if marked.startswith(mark)]:
                of = _key(marked[len(mark) :])
                if of.epoch == epoch:
                    taken = Totals()
                    taken.add(_totals(of, values.pop(marked)), -1)
                    self._add(start, channel, of.queue, taken)

    def _replace(self, lane: tuple[str, int], start: int, key: bytes, value: bytes) -> bytes | None:
        mark = self._lanes.get(lane)
        if mark is None:
            mark = self._lanes[lane] = len(self._lanes).to_bytes(4, "big")
        values = self._values.setdefault(start, {})
        marked = mark + key
        before = values.get(marked)
        values[marked] = value
        return before

    def _add(self, start: int, channel: str, queue: str, added: Totals) -> None:
        if added.empty():
            return
        minute = self.minutes.setdefault(start, {})
        own = minute.get((channel, queue))
        if own is None:
            own = minute[channel, queue] = Totals()
            add_counts(self.queues, {(channel, queue): 1})
        own.add(added)
        if own.empty():
            del minute[channel, queue]
            add_counts(self.queues, {(channel, queue): 1}, -1)
        for window in self.windows.values():
            if window.holds(start):
                window.add(channel, queue, added)


def _key(key: bytes) -> PaneKey | TagPaneKey:
    return decode_tag_pane_key(key) if key[:1] == TAG_PANE else decode_pane_key(key)


def _totals(of: PaneKey | TagPaneKey, value: bytes) -> Totals:
    totals = Totals()
    if isinstance(of, TagPaneKey):
        add_counts(totals.tags, {of.tag: decode_tag_pane(value).n})
    else:
        pane = decode_pane(value)
        totals.add_sample(of.sample, pane[:COUNTERS], pane.hist)
    return totals
