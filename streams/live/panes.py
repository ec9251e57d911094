"""The panes of the last 26 hours, of all source partitions, added up by minute, channel and queue.

Journals bring a pane as an absolute value for its source partition and epoch; what it adds to the last value seen goes
into the minute and into the windows that hold it. The last values are kept as the journal's own bytes, which is a third
of what decoded ones take. A pane that is evicted from a worker's memory still counts.
"""

from __future__ import annotations

from collections.abc import Container
from datetime import tzinfo
from typing import Final

from schemas.journal import TAG_PANE, decode_pane, decode_pane_key, decode_tag_pane, decode_tag_pane_key
from streams.live.totals import COUNTERS, Totals, add_counts, change
from streams.live.windows import Minute, Window, firsts, pane_of

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

    def __init__(self, zone: tzinfo, samples: Container[str] = SAMPLES) -> None:
        self._samples = samples
        self._oldest = 0
        #: By pane start: the last value of each (source partition, key), as bytes.
        self._values: dict[int, dict[bytes, bytes]] = {}
        self._lanes: dict[tuple[str, int], bytes] = {}
        self.minutes: dict[int, Minute] = {}
        #: In how many minutes each (channel, queue) has anything.
        self.queues: dict[tuple[str, str], int] = {}
        self.windows = {name: Window(first_of) for name, first_of in firsts(zone).items()}
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
        """Take a pane's new value in; `lane` is its source partition. Tells whether it changed anything."""
        pane = decode_pane_key(key)
        if pane.sample not in self._samples or pane.start < self._oldest:
            return False
        before = self._replace(lane, pane.start, key, value)
        if before == value:
            return False
        counters, hist = change(decode_pane(before) if before else None, decode_pane(value))
        added = Totals()
        added.add_sample(pane.sample, counters, hist)
        self._add(pane.start, channel, pane.queue, added)
        return not added.empty()

    def put_tag(self, lane: tuple[str, int], channel: str, key: bytes, value: bytes) -> bool:
        """Take a tag pane's new value in."""
        pane = decode_tag_pane_key(key)
        if pane.start < self._oldest:
            return False
        before = self._replace(lane, pane.start, key, value)
        if before == value:
            return False
        after = decode_tag_pane(value)
        if after.known:
            self.known_tags[pane.tag] = max(pane.start, self.known_tags.get(pane.tag, 0))
        else:
            self.known_tags.pop(pane.tag, None)
        added = Totals()
        if difference := after.n - (decode_tag_pane(before).n if before else 0):
            added.tags[pane.tag] = difference
        self._add(pane.start, channel, pane.queue, added)
        return True

    def void(self, lane: tuple[str, int], channel: str, epoch: int) -> None:
        """Take back what a source partition's panes of an epoch added: its journal is read again."""
        mark = self._lanes.get(lane)
        if mark is None:
            return
        for start, values in self._values.items():
            for marked in [marked for marked in values if marked.startswith(mark)]:
                key = marked[len(mark) :]
                taken = Totals()
                if key[:1] == TAG_PANE:
                    tag = decode_tag_pane_key(key)
                    of, queue = tag.epoch, tag.queue
                    taken.tags[tag.tag] = -decode_tag_pane(values[marked]).n
                else:
                    pane = decode_pane_key(key)
                    of, queue = pane.epoch, pane.queue
                    value = decode_pane(values[marked])
                    taken.add_sample(pane.sample, value[:COUNTERS], value.hist, -1)
                if of == epoch:
                    del values[marked]
                    self._add(start, channel, queue, taken)

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
