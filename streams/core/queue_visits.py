"""Queue visits: each wait in a queue, and how it ended."""

from streams.core.event import Event
from streams.core.sample_writer import SampleWriter


class QueueVisits:
    """At most one visit is open; queueing where the contact waits already changes nothing."""

    __slots__ = ("_writer", "queue", "since")

    def __init__(self, writer: SampleWriter) -> None:
        self._writer = writer
        #: The queue of the open visit, or of the last one.
        self.queue = ""
        #: Opening of the open visit, UTC milliseconds; None where none is open.
        self.since: int | None = None

    def open(self, event: Event, queue: str) -> None:
        """`contact.queued`, or `contact.transferred` that names a queue."""
        if self.since is not None:
            if queue == self.queue:
                return
            self.end(event, "moved")
        self.since, self.queue = event.at, queue
        self._writer.write("entered", event, queue=queue)

    def end(self, event: Event, outcome: str) -> None:
        """End the open visit: `answered`, `abandoned`, `moved`, `left`, or why it was taken out of its queue."""
        if self.since is None:
            return
        waited = event.at - self.since
        queue, since = self.queue, self.since
        policy = self._writer.policy("queue_wait", event.at, queue)
        short = self._writer.short(policy, waited) if outcome == "abandoned" else None
        self._writer.write(
            "queue_wait", event, queue=queue, outcome=outcome, value_ms=waited, since=since, policy=policy, short=short
        )
        self.since = None
