"""Open stretches: from a contact's start to its resolution, and from each reopening to the next."""

from streams.core.event import Event
from streams.core.sample_writer import SampleWriter


class OpenStretches:
    """New, open, or ended. Reopening an open contact and resolving a resolved one change nothing."""

    __slots__ = (
        *("_by_disconnect", "_pause_ends_by_message", "_writer", "first_ms", "instance", "paused_since", "pauses"),
        *("reopened_at", "reopens", "since", "started_at"),
    )

    def __init__(self, writer: SampleWriter) -> None:
        self._writer = writer
        self._by_disconnect = False
        self._pause_ends_by_message = False
        #: Beginning of the running pause; None where none runs.
        self.paused_since: int | None = None
        #: The ended pauses of the open stretch, cut to it.
        self.pauses: list[tuple[int, int]] = []
        self.started_at: int | None = None
        #: Opening of the open stretch; None where none is open.
        self.since: int | None = None
        #: Stretches that have ended.
        self.instance = 0
        self.reopens = 0
        #: The reopening that no human has answered yet.
        self.reopened_at: int | None = None
        #: Length of the first stretch; None where it has not ended, or nobody saw it begin.
        self.first_ms: int | None = None

    def start(self, at: int) -> None:
        """`contact.started`."""
        if self.started_at is None:
            self.started_at = at
            self.open(at)

    def open(self, at: int) -> None:
        """Open a stretch; a partial contact's first one begins with its earliest event, which is not its start."""
        self.since = at
        self.pauses = []

    @property
    def is_over(self) -> bool:
        """Whether a stretch has ended and none has begun since."""
        return self.since is None and self.instance > 0

    def reopen(self, event: Event) -> bool:
        """`contact.reopened` or a customer message: tells whether it opened the contact again."""
        if not self.is_over:
            return False
        self.open(event.at)
        self.reopens += 1
        self.reopened_at = event.at
        self._writer.write("reopened", event)
        return True

    def resume_call(self, event: Event) -> bool:
        """`contact.queued` or `contact.connected`: tells whether it opened a call again that a disconnect had ended."""
        if not self.is_over or not self._by_disconnect:
            return False
        self.open(event.at)
        return True

    def pause(self, event: Event) -> None:
        """`contact.paused`; of a paused contact it changes nothing."""
        if self.paused_since is None:
            self.paused_since = event.at
            self._pause_ends_by_message = event.fields.get("for_", "customer") == "customer"

    def unpause(self, event: Event) -> None:
        """`contact.unpaused`, or the end of the stretch."""
        if self.paused_since is not None:
            if self.since is not None and event.at > (begin := max(self.paused_since, self.since)):
                self.pauses.append((begin, event.at))
            self.paused_since = None

    def customer_wrote(self, event: Event) -> None:
        """A customer message: ends a pause for the customer."""
        if self._pause_ends_by_message:
            self.unpause(event)

    def end(self, event: Event, *, by_disconnect: bool = False) -> bool:
        """Tell whether it ended an open stretch; once a call is resolved, only a reopening opens it again."""
        if self.since is None:
            self._by_disconnect = self._by_disconnect and by_disconnect
            return False
        self.unpause(event)
        length = max(0, event.at - self.since)
        self.instance += 1
        seen_whole = self.instance > 1 or not self._writer.partial
        if seen_whole:
            self._writer.write(
                "resolution",
                event,
                value_ms=length,
                since=self.since,
                active_ms=length - sum([until - since for since, until in self.pauses]),
                pauses=self.pauses,
                policy=self._writer.policy("resolution", event.at),
                instance=self.instance,
            )
            if self.instance == 1:
                self.first_ms = length
        self.since = None
        self.reopened_at = None
        self._by_disconnect = by_disconnect
        return True
