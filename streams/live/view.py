"""The live view: fed with steps of the journals, read as figures and gauges of this moment.

A step that was read before changes nothing; where a journal is read again from its beginning, what was known from it is
void. Within a source partition steps come in order; between partitions any order gives the same view. No Kafka here:
steps come from outside, the time from a clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from schemas.agents import decode_stretches
from schemas.contact_record import decode_summary
from schemas.journal import AGENT, CONTACT, PANE, TAG_PANE, Head
from schemas.topics import channel_of
from streams.journal.assembly import Step
from streams.live.agent_groups import AgentsReading, LiveAgents
from streams.live.figures import Figures, figures
from streams.live.gauges import GaugeReading, Gauges
from streams.live.pane_sums import LivePanes
from streams.live.totals import Group, Totals

_NOTHING: Final = Totals()


class LiveView:
    """What is happening now, in memory. Its `version` rises with every change that a reader could see."""

    def __init__(self, zone: tzinfo, clock: Callable[[], int]) -> None:
        """`clock` gives the time in UTC milliseconds."""
        self._clock = clock
        self._panes = LivePanes(zone)
        self._gauges = Gauges()
        self._agents = LiveAgents()
        #: Newest epoch and end of each source partition.
        self._read: dict[tuple[str, int], tuple[int, int]] = {}
        self.heads: dict[tuple[str, int], Head] = {}
        self._figures: dict[tuple[str, Group], Figures] = {}
        self.now = 0
        self.version = 0
        self.move()

    def feed(self, steps: Iterable[Step]) -> None:
        """Take steps in."""
        for step in steps:
            self._take(step)

    def move(self) -> None:
        """Go on to the clock's time: windows roll, deadlines come up, what is too old is forgotten."""
        self.now = self._clock()
        rolled = self._panes.move(self.now)
        moved = self._gauges.move(self.now)
        if self._agents.move(self.now) or rolled or moved:
            self.version += 1

    def _take(self, step: Step) -> None:
        channel = channel_of(step.source)
        lane = step.source, step.partition
        epoch, end = self._read.get(lane, (0, 0))
        if not step.restarted and (step.head.epoch < epoch or (step.head.epoch == epoch and step.end <= end)):
            return
        changed = False
        if lane in self._read and step.restarted:
            self._gauges.clear(lane)  # what the journal has comes again, also in a later epoch of the same journal
            self._agents.clear(lane)
            if channel is not None:
                self._panes.void(lane, channel, step.head.epoch)
            changed = True
        self._read[lane] = step.head.epoch, step.end
        self.heads[lane] = step.head
        for _, key, value in step.records:
            if channel is not None:
                changed |= self._record(lane, channel, key, value)
            elif key[:1] == AGENT:
                self._agents.put(lane, key[1:].decode(), None if value is None else decode_stretches(value))
                changed = True
        if changed:
            self.version += 1

    def _record(self, lane: tuple[str, int], channel: str, key: bytes, value: bytes | None) -> bool:
        kind = key[:1]
        if kind == CONTACT:
            if value is None:
                self._gauges.drop(lane, key)
                self._agents.put_contact(lane, key, channel, [])
            else:
                summary = decode_summary(value)
                self._gauges.put(lane, key, summary)
                self._agents.put_contact(lane, key, channel, summary["handling_agents"])
            return True
        if value is not None and kind in {PANE, TAG_PANE}:  # without a value it was evicted, and still counts
            return self._panes.put(lane, channel, key, value)
        return False

    @property
    def contacts(self) -> int:
        """Contacts that are in some gauge."""
        return self._gauges.contacts

    def known_tag(self, tag: str) -> bool:
        """Tell whether the taxonomy knows a tag."""
        return tag in self._panes.known_tags

    def readings(self) -> dict[Group, GaugeReading]:
        """Read the gauges of every group that has any, and of the centre."""
        return self._gauges.readings()

    def agents(self) -> dict[str | None, AgentsReading]:
        """Read who is there: the centre (None) first, then each group; nothing where no agent is known."""
        return self._agents.readings()

    def span(self, window: str) -> tuple[int, int]:
        """Give the starts of a window's first pane and of the one behind its last, in UTC milliseconds."""
        of = self._panes.windows[window]
        return of.first, of.end

    def totals(self, window: str, group: Group) -> Totals:
        """Give a group's sums over a window, to be read only."""
        return self._panes.windows[window].totals.get(group, _NOTHING)

    def figures(self, window: str, group: Group) -> Figures:
        """Work out a group's figures over a window, again only where it changed."""
        of = self._panes.windows[window]
        for changed in of.changed:
            self._figures.pop((window, changed), None)
        of.changed.clear()
        known = self._figures.get((window, group))
        if known is None:
            known = self._figures[window, group] = figures(self.totals(window, group))
        return known

    def queues(self) -> set[tuple[str, str]]:
        """Name each (channel, queue) that had anything in the last 26 hours."""
        return set(self._panes.queues)


def live_view(time_zone: str, clock: Callable[[], int]) -> LiveView:
    """Make a view for a centre. Raises zoneinfo.ZoneInfoNotFoundError where there is no such time zone."""
    return LiveView(ZoneInfo(time_zone), clock)
