"""Handle segments: what an agent spends on a contact, split into talk, hold and wrap-up."""

from schemas.samples import Sample, SampleName
from streams.core.event import Event
from streams.core.sample_writer import InForce, SampleWriter


class Segment:
    """From an agent's `contact.connected` up to the same agent's next one."""

    __slots__ = (
        *("_dimensions_at_close", "_held_since", "_holds", "_previous", "_written", "ended", "opened", "priority"),
        *("queue", "wrapped"),
    )

    def __init__(self, event: Event, in_force: InForce, previous: "Segment | None") -> None:
        self.opened = event
        #: The same agent's segment before this one.
        self._previous = previous
        self.queue = in_force.queue
        self.priority = in_force.priority
        self.ended: Event | None = None
        self.wrapped: Event | None = None
        #: Begin and end of each hold.
        self._holds: list[tuple[int, int]] = []
        self._held_since: int | None = None
        #: Team, segment and language in force when it closed.
        self._dimensions_at_close = ("", "", "")
        #: The event that had closed it when its samples were written, these samples, and its length.
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

    def end(self, event: Event, in_force: InForce) -> None:
        """The first disconnect, transfer, abandonment or resolution ends it."""
        if self.ended is None:
            self.resume(event)
            self.ended = event
            self._dimensions_at_close = (in_force.team, in_force.segment, in_force.language)

    def wrap(self, event: Event, in_force: InForce) -> None:
        """`contact.wrapped`: the first that is its own closes it.

        While this segment is open, a wrap-up belongs to the agent's segment before it, if that one has ended without a
        wrap-up (saved during the next call). Else it ends and closes this segment.
        """
        previous = self._previous
        if self.ended is None and previous is not None and previous.ended is not None and previous.wrapped is None:
            previous.wrap(event, in_force)
        elif self.wrapped is None:
            self.end(event, in_force)
            self.wrapped = event
            self._dimensions_at_close = (in_force.team, in_force.segment, in_force.language)

    def write(self, writer: SampleWriter) -> int | None:
        """Write its samples and give its length in milliseconds; None where it has not closed."""
        closed = self.wrapped or self.ended
        if closed is None:
            return None
        if self._written is None or self._written[0] is not closed:
            before = len(writer.samples)
            handle = self._write_samples(writer, closed)
            self._written = closed, writer.samples[before:], handle
            return handle
        writer.samples += self._written[1]
        return self._written[2]

    def _write_samples(self, writer: SampleWriter, closed: Event) -> int:
        by = (self.queue, self.priority, *self._dimensions_at_close, self.opened.fields["agent_id"])
        handle = closed.at - self.opened.at
        hold = sum(until - since for since, until in self._holds)
        wrap_since = closed.at if self.ended is None else self.ended.at
        wrap = closed.at - wrap_since
        business = self._business_ms(writer, closed.at, wrap_since)
        lengths: tuple[tuple[SampleName, int, int | None], ...] = (
            ("handle", handle, business[0]),
            ("hold", hold, business[1]),
            ("wrap", wrap, business[2]),
            ("talk", handle - hold - wrap, business[3]),
        )
        for sample, value, in_hours in lengths:
            writer.write(sample, closed, self.opened.event_id, by=by, value_ms=value, business_ms=in_hours)
        return handle

    def _business_ms(
        self, writer: SampleWriter, closed: int, wrap_since: int
    ) -> tuple[int, int, int, int] | tuple[None, None, None, None]:
        """Give handle, hold, wrap and talk in business time; talk is what the others leave of it."""
        handle = writer.business_ms(self.queue, self.opened.at, closed)
        if handle is None:
            return None, None, None, None
        hold = sum(writer.business_ms(self.queue, since, until) or 0 for since, until in self._holds)
        wrap = writer.business_ms(self.queue, wrap_since, closed) or 0
        return handle, hold, wrap, handle - hold - wrap


class HandleSegments:
    """All segments of a contact; each agent has one that is current."""

    __slots__ = ("_current", "_writer", "all")

    def __init__(self, writer: SampleWriter) -> None:
        self._writer = writer
        self.all: list[Segment] = []
        self._current: dict[str, Segment] = {}

    def open(self, event: Event) -> None:
        """`contact.connected`."""
        agent = event.fields["agent_id"]
        segment = Segment(event, self._writer.in_force, self._current.get(agent))
        self.all.append(segment)
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
            segment.end(event, self._writer.in_force)

    def end_all(self, event: Event) -> None:
        """End every agent's segment."""
        for segment in self._current.values():
            segment.end(event, self._writer.in_force)

    def wrap(self, event: Event) -> None:
        """`contact.wrapped`."""
        if segment := self._current.get(event.fields["agent_id"]):
            segment.wrap(event, self._writer.in_force)

    def agents_handling(self) -> list[str]:
        """Name the agents who have an open segment."""
        return [agent for agent, segment in self._current.items() if segment.ended is None]

    def write(self) -> int | None:
        """Write the samples of all closed segments and give their length in all; None where none has closed."""
        lengths = [length for segment in self.all if (length := segment.write(self._writer)) is not None]
        return sum(lengths) if lengths else None
