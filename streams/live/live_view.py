"""The live view: it applies steps of the journals, and gives figures and gauges of this moment.

A step that was read before changes nothing; where a journal is read again from its beginning, what was known from it is
removed. Within a source partition steps come in order; between partitions any order gives the same view. No Kafka here:
steps come from outside, the time from a clock.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from schemas.agents import decode_stretches
from schemas.contact_record import decode_summary
from schemas.journal import AGENT, CONTACT, PANES, Head
from schemas.topics import SourcePartition, channel_of
from streams.journal.step_assembly import Step
from streams.live.due_contacts import DueContacts
from streams.live.figures import Counted, Figures, add_counted, counted_of, figures_of
from streams.live.gauges import Gauges
from streams.live.live_agents import LiveAgents
from streams.live.live_panes import LivePanes
from streams.live.pane_sums import Group, GroupSums
from streams.live.read_steps import ReadSteps

_NO_SUMS: Final = GroupSums()


class LiveView:
    """What is happening now, in memory. Its `version` rises with every change that a reader could see."""

    def __init__(self, time_zone: str, clock: Callable[[], int]) -> None:
        """`clock` gives the time in UTC milliseconds. Raises ZoneInfoNotFoundError where there is no such time zone."""
        self._clock = clock
        self.panes = LivePanes(ZoneInfo(time_zone))
        self.gauges = Gauges()
        self.due = DueContacts()
        self.agents = LiveAgents()
        self._steps = ReadSteps()
        #: By window and groups: the revisions of their sums, and the figures that these gave.
        self._figures: dict[tuple[str, tuple[Group, ...]], tuple[tuple[int, ...], Figures]] = {}
        self.now = 0
        self.version = 0
        self.advance()

    @property
    def heads(self) -> Mapping[SourcePartition, Head]:
        """The newest head of each source partition."""
        return self._steps.heads

    def feed(self, steps: Iterable[Step]) -> None:
        """Apply steps."""
        for step in steps:
            self._apply_step(step)

    def advance(self, as_of: int | None = None) -> None:
        """Advance to the clock's time: windows roll, deadlines pass, panes that are too old are dropped.

        With `as_of`, UTC milliseconds, only so far: what came later is not known. Then it never goes back.
        """
        self.now = self._clock() if as_of is None else max(self.now, min(as_of, self._clock()))
        rolled = self.panes.advance(self.now)
        moved = self.gauges.advance(self.now)
        self.due.advance(self.now)
        if self.agents.advance(self.now) or rolled or moved:
            self.version += 1

    def _apply_step(self, step: Step) -> None:
        channel = channel_of(step.source)
        partition = step.source, step.partition
        accepted = self._steps.accept(step)
        if accepted == "known":
            return
        changed = accepted == "restarted"
        if accepted == "restarted":
            self.gauges.clear(partition)
            self.due.clear(partition)
            self.agents.clear(partition)
            if channel is not None:
                self.panes.retract(partition, channel, step.head.epoch)
        for _, key, value in step.records:
            if channel is not None:
                changed |= self._apply_record(partition, channel, key, value)
            elif key[:1] == AGENT:
                self.agents.update(partition, key[1:].decode(), None if value is None else decode_stretches(value))
                changed = True
        if changed:
            self.version += 1

    def _apply_record(self, partition: SourcePartition, channel: str, key: bytes, value: bytes | None) -> bool:
        kind = key[:1]
        if kind == CONTACT:
            if value is None:
                self.gauges.remove(partition, key)
                self.due.remove(partition, key)
                self.agents.update_contact(partition, key, channel, [])
            else:
                summary = decode_summary(value)
                self.gauges.update(partition, key, summary)
                self.due.update(partition, key, summary)
                self.agents.update_contact(partition, key, channel, summary["handling_agents"])
            return True
        if value is not None and kind in PANES:  # without a value it was evicted, and still counts
            return self.panes.update(partition, channel, key, value)
        return False

    def window_span(self, window: str) -> tuple[int, int]:
        """Give the starts of a window's first pane and of the one behind its last, in UTC milliseconds."""
        rolling = self.panes.windows[window]
        return rolling.first, rolling.end

    def sums(self, window: str, group: Group) -> GroupSums:
        """Give a group's sums over a window, to be read only."""
        return self.panes.windows[window].sums.get(group, _NO_SUMS)

    def figures(self, window: str, *groups: Group) -> Figures:
        """Compute the figures of groups together over a window, again only where one of them changed.

        No two of them may have a queue in common: it would count twice.
        """
        known = self.panes.windows[window].revisions
        revisions = tuple([known.get(group, 0) for group in groups])
        cached = self._figures.get((window, groups))
        if cached is None or cached[0] != revisions:
            sums = self.sums(window, groups[0]) if len(groups) == 1 else self._joined(window, groups)
            cached = self._figures[window, groups] = revisions, figures_of(sums)
        return cached[1]

    def counted(self, window: str, *groups: Group) -> Counted:
        """Read the counts of groups together over a window; as `figures`."""
        return add_counted(counted_of(self.sums(window, group)) for group in groups)

    def _joined(self, window: str, groups: Iterable[Group]) -> GroupSums:
        joined = GroupSums()
        for group in groups:
            joined.add(self.sums(window, group))
        return joined

    def forget_figures(self) -> None:
        """Drop the figures that were computed: other groups are asked for from now on."""
        self._figures.clear()
