"""The gauges: how many contacts wait, are open, at risk or beyond their target at this moment, by channel and queue.

Updated incrementally: a contact's new summary replaces what the old one added. As the clock advances, deadlines pass,
and contacts without events become stale. A hundred thousand open contacts cost no more a second than the few that
changed.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from heapq import heapify, heappop, heappush
from operator import add
from types import MappingProxyType
from typing import Final, NamedTuple

from schemas.contact_record import Summary
from schemas.topics import SourcePartition
from streams.core.contact_summary import earlier
from streams.live.deadlines import REBUILD_SLACK, Deadlines
from streams.live.pane_sums import CENTRE, Group, groups_of

#: The index of a metric's count of contacts at risk in a queue's `risks`; the next one counts those beyond the target.
_RISKS: Final[Mapping[str, int]] = MappingProxyType(
    {"first_response": 0, "next_response": 2, "resolution": 4, "queue_wait": 6}
)
_NO_RISKS: Final = (0,) * (2 * len(_RISKS))
#: In place of such an index: the contact is stale from now on.
_STALE: Final = -1


class GaugeReading(NamedTuple):
    """A group's gauges. Times in UTC milliseconds; None: nobody waits."""

    waiting: int = 0
    oldest_waiting_since: int | None = None
    awaiting_reply: int = 0
    oldest_awaiting_since: int | None = None
    open: int = 0
    handling: int = 0
    #: Of the first response.
    at_risk: int = 0
    breached: int = 0
    at_risk_next_response: int = 0
    breached_next_response: int = 0
    at_risk_resolution: int = 0
    breached_resolution: int = 0
    at_risk_queue_wait: int = 0
    breached_queue_wait: int = 0
    #: Without an event for so long that they are in no other gauge.
    stale: int = 0


_NO_CONTACTS: Final = GaugeReading()


class _Contact:
    """What a contact adds to the gauges, while it does."""

    def __init__(self, summary: Summary) -> None:
        self.channel = summary["channel"]
        self.queue = summary["queue"]
        self.open = int(summary["open"])
        self.handling = summary["handling"]
        self.waiting_since = summary["waiting_since"]
        self.awaiting_since = summary["awaiting_since"]
        #: The indexes of the counts in a queue's `risks` that include it.
        self.risks: set[int] = set()
        self.live = True
        #: In `Gauges._due`.
        self.entries = 0
        self.stale = False


class _Oldest:
    """The oldest of many times that come and go: a heap whose stale entries are passed over when they surface."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, _Contact]] = []
        self.count = 0

    def add(self, since: int, serial: int, contact: _Contact) -> None:
        heappush(self._heap, (since, serial, contact))
        self.count += 1

    def remove(self) -> None:
        """One contact of the heap is no longer live."""
        self.count -= 1
        if len(self._heap) > 2 * self.count + REBUILD_SLACK:
            self._heap = [entry for entry in self._heap if entry[2].live]
            heapify(self._heap)

    def oldest(self) -> int | None:
        heap = self._heap
        while heap and not heap[0][2].live:
            heappop(heap)
        return heap[0][0] if heap else None


class _Gauge:
    def __init__(self) -> None:
        self.waiting = _Oldest()
        self.awaiting = _Oldest()
        self.open = 0
        self.handling = 0
        self.risks = list(_NO_RISKS)
        self.stale = 0

    def reading(self) -> GaugeReading:
        waiting, awaiting = self.waiting, self.awaiting
        waits = waiting.count, waiting.oldest(), awaiting.count, awaiting.oldest()
        return GaugeReading._make((*waits, self.open, self.handling, *self.risks, self.stale))


class Gauges:
    """The gauges of every queue, channel and the centre, as of the last `advance`."""

    def __init__(self) -> None:
        self._now = 0
        self._serial = 0
        self._partitions: dict[SourcePartition, dict[bytes, _Contact]] = {}
        self._gauges: dict[tuple[str, str], _Gauge] = {}
        #: When a contact becomes at risk, beyond its target or stale: the index in `risks`.
        self._due = Deadlines[_Contact, int]()

    @property
    def contacts(self) -> int:
        """Contacts that are in some gauge, stale ones included."""
        return sum(len(partition) for partition in self._partitions.values())

    def update(self, partition: SourcePartition, contact_id: bytes, summary: Summary) -> None:
        """Replace a contact's summary by a newer one."""
        self.remove(partition, contact_id)
        if _is_in_a_gauge(summary):
            self._partitions.setdefault(partition, {})[contact_id] = self._add(summary)

    def remove(self, partition: SourcePartition, contact_id: bytes) -> None:
        """Remove a contact that its worker has evicted."""
        before = self._partitions.get(partition, {}).pop(contact_id, None)
        if before is not None:
            self._remove(before)

    def clear(self, partition: SourcePartition) -> None:
        """Remove every contact of a source partition: its journal is read again."""
        for contact in self._partitions.pop(partition, {}).values():
            self._remove(contact)

    def advance(self, now_ms: int) -> bool:
        """Advance to `now_ms`, never back; return whether a contact became at risk, beyond its target, or stale."""
        self._now = max(self._now, now_ms)
        moved = False
        for contact, risk in self._due.passed(self._now):
            self._pass_deadline(contact, risk)
            moved = True
        return moved

    def readings(self) -> dict[Group, GaugeReading]:
        """Read every group that has a contact, and the centre."""
        read: dict[Group, GaugeReading] = {CENTRE: _NO_CONTACTS}
        for (channel, queue), gauge in self._gauges.items():
            reading = gauge.reading()
            if reading == _NO_CONTACTS:
                continue
            for group in groups_of(channel, queue):
                read[group] = _sum(read[group], reading) if group in read else reading
        return read

    def _add(self, summary: Summary) -> _Contact:
        contact = _Contact(summary)
        self._serial += 1
        queue = contact.channel, contact.queue
        gauge = self._gauges.get(queue)
        if gauge is None:
            gauge = self._gauges[queue] = _Gauge()
        gauge.open += contact.open
        gauge.handling += contact.handling
        if contact.waiting_since is not None:
            gauge.waiting.add(contact.waiting_since, self._serial, contact)
        if contact.awaiting_since is not None:
            gauge.awaiting.add(contact.awaiting_since, self._serial, contact)
        for metric, _, _, warns_at, breached_at in summary["deadlines"]:
            for at, risk in ((warns_at, _RISKS[metric]), (breached_at, _RISKS[metric] + 1)):
                if at is not None:
                    self._schedule(at, contact, risk)
        self._schedule(summary["leaves_at"], contact, _STALE)
        return contact

    def _schedule(self, at: int, contact: _Contact, risk: int) -> None:
        if at > self._now:
            self._due.add(at, contact, risk)
        elif contact.live:
            self._pass_deadline(contact, risk)

    def _pass_deadline(self, contact: _Contact, risk: int) -> None:
        gauge = self._gauges[contact.channel, contact.queue]
        if risk == _STALE:
            self._remove(contact)
            contact.stale = True
            gauge.stale += 1
            return
        if risk % 2 and risk - 1 in contact.risks:  # beyond the target it is no longer at risk
            contact.risks.remove(risk - 1)
            gauge.risks[risk - 1] -= 1
        contact.risks.add(risk)
        gauge.risks[risk] += 1

    def _remove(self, contact: _Contact) -> None:
        gauge = self._gauges[contact.channel, contact.queue]
        if contact.stale:
            contact.stale = False
            gauge.stale -= 1
            return
        contact.live = False
        self._due.left(contact)
        gauge.open -= contact.open
        gauge.handling -= contact.handling
        if contact.waiting_since is not None:
            gauge.waiting.remove()
        if contact.awaiting_since is not None:
            gauge.awaiting.remove()
        for risk in contact.risks:
            gauge.risks[risk] -= 1


def _is_in_a_gauge(summary: Summary) -> bool:
    waits = summary["waiting_since"], summary["awaiting_since"], summary["clock_since"]
    return not summary["discarded"] and bool(summary["open"] or summary["handling"] or waits != (None, None, None))


def joined(readings: Iterable[GaugeReading]) -> GaugeReading:
    """Add the gauges of groups up that have no queue in common."""
    return reduce(_sum, readings, _NO_CONTACTS)


def _sum(one: GaugeReading, other: GaugeReading) -> GaugeReading:
    """Add two groups' gauges up: counts are added, of times the earlier one stays."""
    return GaugeReading(
        one.waiting + other.waiting,
        earlier(one.oldest_waiting_since, other.oldest_waiting_since),
        one.awaiting_reply + other.awaiting_reply,
        earlier(one.oldest_awaiting_since, other.oldest_awaiting_since),
        *map(add, one[4:], other[4:]),
    )
