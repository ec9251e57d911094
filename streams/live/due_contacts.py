"""The open contacts whose target is next, or has passed: of each queue the most urgent ones.

A contact counts with the deadline of its clocks that comes first. Contacts stand in a heap by queue, entries of those
that changed are passed over when they surface, and what is most urgent is found again only where it changed: a hundred
thousand open contacts cost a reader no more than ten.
"""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush, nsmallest
from typing import Final, NamedTuple

from schemas.contact_record import Summary
from schemas.policies import Metric
from schemas.topics import SourcePartition

#: How many of a queue are known in order.
URGENT_AT_MOST: Final = 5
#: A heap is rebuilt when void entries outnumber the live ones by more than this.
_REBUILD_SLACK: Final = 64


class DueContact(NamedTuple):
    """An open contact and its next target. Times in UTC milliseconds."""

    contact_id: str
    queue: str
    metric: Metric
    policy: str
    #: Since when its clock runs.
    since: int
    #: From when on it is at risk; None: never before the target.
    warns_at: int | None
    #: The last instant that is in time.
    due_at: int
    #: It waits for somebody outside, and the clock runs all the same.
    paused: bool


class _Contact:
    __slots__ = ("due", "leaves_at", "live", "place")

    def __init__(self, place: tuple[str, str], due: DueContact, leaves_at: int) -> None:
        self.place = place
        self.due = due
        #: From then on it is stale and in no gauge.
        self.leaves_at = leaves_at
        self.live = True


class _Queue:
    def __init__(self) -> None:
        self._heap: list[tuple[int, str, int, _Contact]] = []
        self._live = 0
        #: The most urgent ones in order; None: to be found again.
        self._urgent: tuple[_Contact, ...] | None = None

    def add(self, contact: _Contact, serial: int) -> None:
        heappush(self._heap, (contact.due.due_at, contact.due.contact_id, serial, contact))
        self._live += 1
        urgent = self._urgent
        if urgent is None or len(urgent) < URGENT_AT_MOST or contact.due.due_at <= urgent[-1].due.due_at:
            self._urgent = None

    def remove(self, contact: _Contact) -> None:
        contact.live = False
        self._live -= 1
        if self._urgent is not None and contact in self._urgent:
            self._urgent = None
        if len(self._heap) > 2 * self._live + _REBUILD_SLACK:
            self._heap = [entry for entry in self._heap if entry[3].live]
            heapify(self._heap)

    def urgent(self, now_ms: int) -> tuple[_Contact, ...]:
        urgent = self._urgent
        if urgent is None or any(contact.leaves_at <= now_ms for contact in urgent):
            urgent = self._urgent = self._found(now_ms)
        return urgent

    def _found(self, now_ms: int) -> tuple[_Contact, ...]:
        heap = self._heap
        entries: list[tuple[int, str, int, _Contact]] = []
        while heap and len(entries) < URGENT_AT_MOST:
            entry = heappop(heap)
            contact = entry[3]
            if contact.live and contact.leaves_at <= now_ms:
                contact.live = False
                self._live -= 1
            if contact.live:
                entries.append(entry)
        for entry in entries:
            heappush(heap, entry)
        return tuple(contact for _, _, _, contact in entries)


class DueContacts:
    """The open contacts with a deadline, by source partition."""

    def __init__(self) -> None:
        self._now = 0
        self._serial = 0
        self._partitions: dict[SourcePartition, dict[bytes, _Contact]] = {}
        self._queues: dict[tuple[str, str], _Queue] = {}

    def update(self, partition: SourcePartition, key: bytes, summary: Summary) -> None:
        """Replace a contact's summary by a newer one; `key` is that of its journal record."""
        self.remove(partition, key)
        due = None if summary["discarded"] else _next_due(key[1:].decode(), summary)
        if due is None:
            return
        place = summary["channel"], summary["queue"]
        contact = self._partitions.setdefault(partition, {})[key] = _Contact(place, due, summary["leaves_at"])
        queue = self._queues.get(place)
        if queue is None:
            queue = self._queues[place] = _Queue()
        self._serial += 1
        queue.add(contact, self._serial)

    def remove(self, partition: SourcePartition, key: bytes) -> None:
        """Remove a contact that its worker has evicted."""
        contact = self._partitions.get(partition, {}).pop(key, None)
        if contact is not None and contact.live:
            self._queues[contact.place].remove(contact)

    def clear(self, partition: SourcePartition) -> None:
        """Remove every contact of a source partition: its journal is read again."""
        for contact in self._partitions.pop(partition, {}).values():
            if contact.live:
                self._queues[contact.place].remove(contact)

    def advance(self, now_ms: int) -> None:
        """Advance to `now_ms`, never back: contacts without an event leave."""
        self._now = max(self._now, now_ms)

    def urgent(self, queues: Iterable[tuple[str, str]], at_most: int) -> list[DueContact]:
        """Name the most urgent contacts of these channels' queues together, the earliest deadline first."""
        found = [
            contact.due
            for place in queues
            if (queue := self._queues.get(place)) is not None
            for contact in queue.urgent(self._now)
        ]
        return nsmallest(at_most, found, key=lambda due: (due.due_at, due.contact_id))


def _next_due(contact_id: str, summary: Summary) -> DueContact | None:
    """Find the deadline that comes first; None where no clock runs against a target."""
    running = [deadline for deadline in summary["deadlines"] if deadline[4] is not None]
    if not running:
        return None
    metric, policy, since, warns_at, breached_at = min(running, key=lambda deadline: deadline[4] or 0)
    paused = any(end is None for _, end in summary["pauses"])
    return DueContact(contact_id, summary["queue"], metric, policy, since, warns_at, (breached_at or 0) - 1, paused)
