"""Open stretches: from a contact's start to its resolution, and from each reopening to the next."""

from __future__ import annotations

from streams.core.event import Event
from streams.core.sheet import Sheet


class Stretches:
    """New, open, or ended. Reopening an open contact and resolving a resolved one change nothing."""

    __slots__ = (
        "_by_disconnect",
        "_ever_open",
        "_paused_ms",
        "_paused_since",
        "_sheet",
        "ended_events",
        "first_end",
        "first_ms",
        "instance",
        "last_end",
        "reopened_at",
        "reopens",
        "since",
        "started_at",
    )

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._by_disconnect = False
        self._paused_since: int | None = None
        self._paused_ms = 0
        self.started_at: int | None = None
        #: Opening of the open stretch; None where none is open.
        self.since: int | None = None
        self.instance = 0
        self.reopens = 0
        #: The reopening that no human has answered yet.
        self.reopened_at: int | None = None
        self.first_end: Event | None = None
        self.last_end: Event | None = None
        self.first_ms: int | None = None

    def start(self, at: int) -> None:
        """`contact.started`, or the earliest event of a partial contact."""
        if self.started_at is None:
            self.started_at = at
            self._open(at)

    def _open(self, at: int) -> None:
        self.since = at
        self._paused_ms = 0

    @property
    def is_over(self) -> bool:
        """Whether a stretch has ended and none has begun since."""
        return self.since is None and self.last_end is not None

    def reopen(self, event: Event) -> bool:
        """`contact.reopened` or a customer message: tells whether it opened the contact again."""
        if not self.is_over:
            return False
        self._open(event.at)
        self.reopens += 1
        self.reopened_at = event.at
        self._sheet.write("reopened", event)
        return True

    def taken_up(self, event: Event) -> bool:
        """`contact.queued` or `contact.connected`: opens a call again that a disconnect had ended."""
        if not self.is_over or not self._by_disconnect:
            return False
        self._open(event.at)
        return True

    def pause(self, event: Event) -> None:
        """`contact.paused`; a resolution does not end it."""
        if self._paused_since is None:
            self._paused_since = event.at

    def unpause(self, event: Event) -> None:
        """`contact.unpaused`."""
        self._count_pause(event)
        self._paused_since = None

    def _count_pause(self, event: Event) -> None:
        """Take what of a pause lies in the open stretch, up to now."""
        if self._paused_since is not None and self.since is not None:
            self._paused_ms += event.at - max(self._paused_since, self.since)

    def end(self, event: Event, *, by_disconnect: bool = False) -> None:
        """End the open stretch."""
        if self.since is None:
            return
        self._count_pause(event)
        length = event.at - self.since
        self.instance += 1
        self._sheet.write(
            "resolution",
            event,
            value_ms=length,
            since=self.since,
            active_ms=length - self._paused_ms,
            policy=self._sheet.policy("resolution", event.at),
            instance=self.instance,
        )
        if self.first_end is None:
            self.first_end, self.first_ms = event, length
        self.last_end = event
        self.since = None
        self.reopened_at = None
        self._by_disconnect = by_disconnect
