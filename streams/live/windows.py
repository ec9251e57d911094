"""The rolling windows: the last 5, 15, 30 and 60 panes, the one still filling included, and today where the centre is.

A window's sums are kept by adding the minute that enters and subtracting the one that leaves, so its cost does not
depend on its length. At 12:00:30 "5 minutes" is 11:56 to 12:00.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Final

from schemas.panes import PANE_MS
from streams.live.pane_sums import Group, GroupSums, groups_of

#: A queue's sums of one minute, by (channel, queue).
Minute = dict[tuple[str, str], GroupSums]

#: The windows of fixed length: name and panes.
WINDOW_PANES: Final[Mapping[str, int]] = {"5m": 5, "15m": 15, "30m": 30, "60m": 60}
TODAY: Final = "today"
WINDOW_NAMES: Final = (*WINDOW_PANES, TODAY)


def pane_of(at_ms: int) -> int:
    """Return the start of the pane that a time lies in."""
    return at_ms - at_ms % PANE_MS


def midnight(at_ms: int, zone: tzinfo) -> int:
    """Return when the day of a time began in a zone, in UTC milliseconds; where the clock skips midnight, after it."""
    local = datetime.fromtimestamp(at_ms / 1000, zone)
    start = datetime(local.year, local.month, local.day, tzinfo=zone)
    return round(start.astimezone(UTC).timestamp() * 1000)


class Window:
    """One window's sums by group, and a revision of each, which is another one once its sums have changed."""

    def __init__(self, name: str, zone: tzinfo) -> None:
        self._panes = WINDOW_PANES.get(name)
        self._zone = zone
        #: Starts of its first pane and of the one behind its last; empty until moved for the first time.
        self.first = 0
        self.end = 0
        self.sums: dict[Group, GroupSums] = {}
        #: What is not here is empty.
        self.revisions: dict[Group, int] = {}
        self._revision = 0

    def contains(self, start: int) -> bool:
        """Return whether a pane is in the window."""
        return self.first <= start < self.end

    def advance(self, now_ms: int, minutes: Mapping[int, Minute]) -> bool:
        """Set the range for `now_ms`, which may be earlier than before; return whether it changed."""
        filling = pane_of(now_ms)
        first = filling - (self._panes - 1) * PANE_MS if self._panes else pane_of(midnight(filling, self._zone))
        end = filling + PANE_MS
        if (first, end) == (self.first, self.end):
            return False
        self._add_between(self.first, min(self.end, first), minutes, -1)
        self._add_between(max(self.first, end), self.end, minutes, -1)
        self._add_between(first, min(end, self.first), minutes, 1)
        self._add_between(max(first, self.end), end, minutes, 1)
        self.first, self.end = first, end
        return True

    def _add_between(self, first: int, end: int, minutes: Mapping[int, Minute], sign: int) -> None:
        for start in range(first, end, PANE_MS) if end - first < len(minutes) * PANE_MS else list(minutes):
            if first <= start < end and start in minutes:
                for (channel, queue), sums in minutes[start].items():
                    self.add(channel, queue, sums, sign)

    def add(self, channel: str, queue: str, sums: GroupSums, sign: int = 1) -> None:
        """Add a queue's sums to it, its channel and the centre."""
        self._revision += 1
        for group in groups_of(channel, queue):
            group_sums = self.sums.get(group)
            if group_sums is None:
                group_sums = self.sums[group] = GroupSums()
            group_sums.add(sums, sign)
            if group_sums.is_empty():
                del self.sums[group]
                self.revisions.pop(group, None)
            else:
                self.revisions[group] = self._revision
