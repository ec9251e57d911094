"""The panes of the last 26 hours, of all source partitions, added up by minute, channel and queue.

Journals bring a pane as an absolute value for its source partition and epoch; what it adds to the last value seen goes
into the minute and into the windows that hold it. The last values are kept as the journal's own bytes, which is a third
of what decoded ones take. A pane that is evicted from a worker's memory still counts.
"""

from datetime import tzinfo
from typing import Final

from schemas.journal import decode_any_pane_key, decode_pane, decode_tag_pane
from schemas.panes import PaneKey, TagPaneKey
from schemas.topics import SourcePartition
from streams.live.pane_sums import COUNTERS, GroupSums, add_counts
from streams.live.trends import Trends
from streams.live.windows import WINDOW_NAMES, Minute, Window, pane_of

#: As far back as today can reach: a day of 25 hours, and an hour for clocks that differ.
KEPT_MS: Final = 26 * 3_600_000

#: The samples that live figures are made of; panes of others are passed over.
LIVE_SAMPLES: Final = frozenset(
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
        self._prefixes: dict[SourcePartition, bytes] = {}
        self.minutes: dict[int, Minute] = {}
        #: In how many minutes each (channel, queue) has anything.
        self.queues: dict[tuple[str, str], int] = {}
        self.windows = {name: Window(name, zone) for name in WINDOW_NAMES}
        self.trends = Trends()
        #: Tags that the taxonomy knows, each with its newest pane's start: older than the panes, they are forgotten.
        self.known_tags: dict[str, int] = {}

    def advance(self, now_ms: int) -> bool:
        """Advance to `now_ms`: windows roll, panes that are too old are dropped. Returns whether a window rolled."""
        rolled = [window.advance(now_ms, self.minutes) for window in self.windows.values()]
        self._oldest = max(self._oldest, pane_of(now_ms - KEPT_MS))
        for start in [start for start in self._values if start < self._oldest]:
            del self._values[start]
            add_counts(self.queues, dict.fromkeys(self.minutes.pop(start, {}), 1), -1)
        self.trends.drop(self._oldest)
        if any(rolled):
            self.known_tags = {tag: start for tag, start in self.known_tags.items() if start >= self._oldest}
        return any(rolled)

    def update(self, partition: SourcePartition, channel: str, key: bytes, value: bytes) -> bool:
        """Apply the new value of a pane or a tag's pane; return whether it changed anything."""
        pane_key = decode_any_pane_key(key)
        if pane_key.start < self._oldest or (isinstance(pane_key, PaneKey) and pane_key.sample not in LIVE_SAMPLES):
            return False
        before = self._replace(partition, pane_key.start, key, value)
        if before == value:
            return False
        added = _sums_of(pane_key, value)
        if before is not None:
            added.add(_sums_of(pane_key, before), -1)
        self._add(pane_key.start, channel, pane_key.queue, added)
        return self._update_tag(pane_key, value) if isinstance(pane_key, TagPaneKey) else not added.is_empty()

    def _update_tag(self, pane_key: TagPaneKey, value: bytes) -> bool:
        if decode_tag_pane(value).known:
            self.known_tags[pane_key.tag] = max(pane_key.start, self.known_tags.get(pane_key.tag, 0))
        else:
            self.known_tags.pop(pane_key.tag, None)
        return True

    def retract(self, partition: SourcePartition, channel: str, epoch: int) -> None:
        """Subtract what a source partition's panes of an epoch added: its journal is read again."""
        prefix = self._prefixes.get(partition)
        if prefix is None:
            return
        for start, values in self._values.items():
            for prefixed in [prefixed for prefixed in values if prefixed.startswith(prefix)]:
                pane_key = decode_any_pane_key(prefixed[len(prefix) :])
                if pane_key.epoch == epoch:
                    retracted = GroupSums()
                    retracted.add(_sums_of(pane_key, values.pop(prefixed)), -1)
                    self._add(start, channel, pane_key.queue, retracted)

    def _replace(self, partition: SourcePartition, start: int, key: bytes, value: bytes) -> bytes | None:
        values = self._values.setdefault(start, {})
        prefixed = self._prefixes.setdefault(partition, len(self._prefixes).to_bytes(4, "big")) + key
        before = values.get(prefixed)
        values[prefixed] = value
        return before

    def _add(self, start: int, channel: str, queue: str, added: GroupSums) -> None:
        if added.is_empty():
            return
        minute = self.minutes.setdefault(start, {})
        sums = minute.get((channel, queue))
        if sums is None:
            sums = minute[channel, queue] = GroupSums()
            add_counts(self.queues, {(channel, queue): 1})
        sums.add(added)
        if sums.is_empty():
            del minute[channel, queue]
            add_counts(self.queues, {(channel, queue): 1}, -1)
        self.trends.add(start, channel, queue, added)
        for window in self.windows.values():
            if window.contains(start):
                window.add(channel, queue, added)


def _sums_of(pane_key: PaneKey | TagPaneKey, value: bytes) -> GroupSums:
    sums = GroupSums()
    if isinstance(pane_key, TagPaneKey):
        add_counts(sums.tags, {pane_key.tag: decode_tag_pane(value).n})
    else:
        pane = decode_pane(value)
        sums.add_sample(pane_key.sample, pane[:COUNTERS], pane.hist)
    return sums
