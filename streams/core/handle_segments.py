"""Handle segments: what an agent spends on a contact, split into talk, hold and wrap-up."""

from schemas.samples import Sample, SampleName
from streams.core.event import Event
from streams.core.sample_writer import InForce, SampleWriter


class Segment:
    """From an agent's `contact.connected` up to the same agent's next one."""

    __slots__ = (
        *("_at_close", "_before", "_held_since", "_holds", "_written", "ended", "opened", "priority", "queue"),
        "wrapped",
    )

    def __init__(self, event: Event, force: InForce, before: "Segment | None") -> None:
        self.opened = event
        #: The same agent's segment before it.
        self._before = before
        self.queue = force.queue
        self.priority = force.priority
        self.ended: Event | None = None
        self.wrapped: Event | None = None
        #: Begin and end of each hold.
        self._holds: list[tuple[int, int]] = []
        self._held_since: int | None = None
        #: Team, segment and language in force when it closed.
        self._at_close = ("", "", "")
        #: Its samples and its length, and the event that had closed it then.
        self._written: tuple[Event, list[Sample], int] | None = None

    def hold(self, event: Event) -> None:
        """`contact.held`; during a hold it changes nothing."""
        if self.ended is None and self._held_since is None:
            self._held_since = event.at

    def resume(self, event: Event) -> None:
        """`contact.resumed`; an end resumes too."""
        if self.ended is None and self._held_since is not None:
            self._holds.append((self._held_since, event.at))
            self._held_since = None

    def end(self, event: Event, force: InForce) -> None:
        """The first disconnect, transfer, abandonment or resolution ends it."""
        if self.ended is None:
            self.resume(event)
            self.ended = event
            self._at_close = (force.team, force.segment, force.language)

    def wrap(self, event: Event, force: InForce) -> None:
        """`contact.wrapped`: the first that is its own closes it.

        While this segment is open, a wrap-up belongs to the agent's segment before it, if that one has ended without a
        wrap-up (saved during the next call). Else it ends and closes this segment.
        """
        before = self._before
        if self.ended is None and before is not None and before.ended is not None and before.wrapped is None:
            before.wrap(event, force)
        elif self.wrapped is None:
            self.end(event, force)
            self.wrapped = event
            self._at_close = (force.team, force.segment, force.language)

    def write(self, sheet: SampleWriter) -> int | None:
        """Write its samples and give its length in milliseconds; None where it has not closed."""
        closed = self.wrapped or self.ended
        if closed is None:
            return None
        if self._written is None or self._written[0] is not closed:
            written = len(sheet.rows)
            handle = self._measure(sheet, closed)
            self._written = closed, sheet.rows[written:], handle
            return handle
        sheet.rows += self._written[1]
        return self._written[2]

    def _measure(self, sheet: SampleWriter, closed: Event) -> int:
        by = (self.queue, self.priority, *self._at_close, self.opened.fields["agent_id"])
        handle = closed.at - self.opened.at
        hold = sum(until - since for since, until in self._holds)
        wrap_since = closed.at if self.ended is None else self.ended.at
        wrap = closed.at - wrap_since
        business = self._business(sheet, closed.at, wrap_since)
        lengths: tuple[tuple[SampleName, int, int | None], ...] = (
            ("handle", handle, business[0]),
            ("hold", hold, business[1]),
            ("wrap", wrap, business[2]),
            ("talk", handle - hold - wrap, business[3]),
        )
        for sample, value, in_hours in lengths:
            sheet.write(sample, closed, self.opened.event_id, by=by, value_ms=value, business_ms=in_hours)
        return handle

    def _business(
        self, sheet: SampleWriter, closed: int, wrap_since: int
    ) -> tuple[int, int, int, int] | tuple[None, None, None, None]:
        """Give handle, hold, wrap and talk in business time; talk is what the others leave of it."""
        handle = sheet.business_ms(self.queue, self.opened.at, closed)
        if handle is None:
            return None, None, None, None
        hold = sum(sheet.business_ms(self.queue, since, until) or 0 for since, until in self._holds)
        wrap = sheet.business_ms(self.queue, wrap_since, closed) or 0
        return handle, hold, wrap, handle - hold - wrap


class HandleSegments:
    """All segments of a contact; each agent has one that is current."""

    __slots__ = ("_current", "_sheet", "every")

    def __init__(self, sheet: SampleWriter) -> None:
        self._sheet = sheet
        self.every: list[Segment] = []
        self._current: dict[str, Segment] = {}

    def open(self, event: Event) -> None:
        """`contact.connected`."""
        agent = event.fields["agent_id"]
        segment = Segment(event, self._sheet.force, self._current.get(agent))
        self.every.append(segment)
        self._current[agent] = segment

    def hold(self, event: Event) -> None:
        """`contact.held`."""
        if segment := self._current.get(event.fields["agent_id"]):
            segment.hold(event)

    def resume(self, event: Event) -> None:
        """`contact.resumed`."""
        if segment := self._current.get(event.fields["agent_id"]):
            segment.resume(event)

    def end(self, event: Event, agent: str) -> None:
        """End that agent's segment."""
        if segment := self._current.get(agent):
            segment.end(event, self._sheet.force)

    def end_all(self, event: Event) -> None:
        """End every agent's segment."""
        for segment in self._current.values():
            segment.end(event, self._sheet.force)

    def wrap(self, event: Event) -> None:
        """`contact.wrapped`."""
        if segment := self._current.get(event.fields["agent_id"]):
            segment.wrap(event, self._sheet.force)

    def agents_at_work(self) -> list[str]:
        """Name the agents who have an open segment."""
        return [agent for agent, segment in self._current.items() if segment.ended is None]

    def write(self) -> int | None:
        """Write the samples of all closed segments and give their length in all; None where none has closed."""
        lengths = [length for segment in self.every if (length := segment.write(self._sheet)) is not None]
        return sum(lengths) if lengths else None
