"""Queue visits: each wait in a queue, and how it ended."""

from __future__ import annotations

from streams.core.event import Event
from streams.core.sheet import Sheet


class Visits:
    """At most one visit is open; queueing where the contact waits already changes nothing."""

    __slots__ = ("_queue", "_sheet", "since")

    def __init__(self, sheet: Sheet) -> None:
        self._sheet = sheet
        self._queue = ""
        #: Opening of the open visit, UTC milliseconds; None where none is open.
        self.since: int | None = None

    def open(self, event: Event, queue: str) -> None:
        """`contact.queued`, or `contact.transferred` that names a queue."""
        if self.since is not None:
            if queue == self._queue:
                return
            self.end(event, "moved")
        self.since, self._queue = event.at, queue
        self._sheet.write("entered", event, queue=queue)

    def end(self, event: Event, outcome: str) -> None:
        """End the open visit, if there is one: `answered`, `abandoned`, `moved` or `left`."""
        if self.since is not None:
            waited = event.at - self.since
            self._sheet.write(
                "queue_wait", event, queue=self._queue, outcome=outcome, value_ms=waited, since=self.since
            )
            self.since = None
