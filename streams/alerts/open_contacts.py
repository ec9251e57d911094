"""Open contacts whose target is near or has passed, and those that wait, as of the last `advance`.

A contact's new summary replaces its old one; a contact without an event for its horizon leaves. A contact is settled
once everything is counted that was produced up to the first `advance` after its summary was read.
"""

from collections import deque
from collections.abc import Sequence
from heapq import nsmallest
from typing import Final, cast

from schemas.alerts import CONTACTS_AT_MOST, CostlyContact
from schemas.contact_record import Deadline, Pause, Summary
from schemas.topics import Channel, SourcePartition
from streams.alerts.groups import ALL_QUEUES, Counted
from streams.alerts.observation import alert_key
from streams.live.deadlines import Deadlines

#: While nothing is counted, a round ends each second.
_ROUNDS_AT_MOST: Final = 60


class Contact:
    """An open contact, for as long as its summary is the newest."""

    __slots__ = (
        *(
            "channel",
            "contact_id",
            "crossings",
            "entries",
            "leaves_at",
            "live",
            "pauses",
            "priority",
            "queue",
            "read_in",
            "segment",
        ),
        *("source", "waiting_since"),
    )

    def __init__(self, contact_id: str, summary: Summary, read_in: int) -> None:
        self.contact_id = contact_id
        #: Which round of `OpenContacts` its summary was read in.
        self.read_in = read_in
        self.channel = summary["channel"]
        self.queue = summary["queue"]
        self.priority = summary["priority"]
        self.segment = summary["segment"]
        self.pauses: Sequence[Pause] = summary["pauses"]
        self.leaves_at = summary["leaves_at"]
        self.waiting_since = summary["waiting_since"]
        #: None: not known.
        self.source = summary["source"] or None
        #: Its targets that are near or have passed.
        self.crossings: list[Crossing] = []
        self.live = True
        #: In `OpenContacts._due`.
        self.entries = 0


class Crossing:
    """A target of a contact that is near, or has passed."""

    __slots__ = ("at", "breached", "contact", "counted", "key", "since")

    def __init__(self, contact: Contact, deadline: Deadline, queue: str, at: int, *, breached: bool) -> None:
        _, policy, self.since, _, _ = deadline
        self.contact = contact
        #: When it crossed, UTC milliseconds.
        self.at = at
        #: Beyond the target; else at risk.
        self.breached = breached
        #: The policy, and where the contact is.
        self.counted: Counted = policy, contact.channel, queue
        self.key = alert_key("contact", policy, contact.contact_id)


class OpenContacts:
    """The targets that open contacts have crossed. `changed`: groups whose breaches changed since it was cleared."""

    def __init__(self) -> None:
        self._now = 0
        self._partitions: dict[SourcePartition, dict[bytes, Contact]] = {}
        #: When something crosses; None: the contact leaves.
        self._due = Deadlines[Contact, Crossing | None]()
        #: Keyed by the objects, not by contact ids: two partitions may have a contact of the same id, where a source
        #: does not partition its events by contact.
        self._waiting: dict[tuple[str, str], dict[Contact, None]] = {}
        #: By alert key.
        self.crossings: dict[str, Crossing] = {}
        #: Those beyond their target, by group.
        self.breached: dict[Counted, dict[Crossing, None]] = {}
        self.changed: set[Counted] = set()
        #: The policies that are judged in all queues of a channel together.
        self._together = frozenset[str]()
        #: Rounds end with each `advance`: the present one, those that ended and are not settled with their ends, and
        #: the last one that is settled.
        self._round = 0
        self._ended = deque[tuple[int, int]]()
        self._settled = -1

    def judge_together(self, policies: frozenset[str]) -> None:
        """Have contacts of these policies belong to the group of all queues of their channel from now on."""
        if policies == self._together:
            return
        self._together = policies
        crossings = [crossing for group in self.breached.values() for crossing in group]
        self.changed.update(self.breached)
        self.breached = {}
        for crossing in crossings:
            self.breached.setdefault(self._group_of(crossing), {})[crossing] = None
        self.changed.update(self.breached)

    def _group_of(self, crossing: Crossing) -> Counted:
        policy, channel, queue = crossing.counted
        return policy, channel, ALL_QUEUES if policy in self._together else queue

    def update(self, partition: SourcePartition, key: bytes, summary: Summary) -> None:
        """Replace a contact's summary by a newer one; `key` is that of its journal record."""
        before = self._partitions.get(partition, {}).get(key)
        self.remove(partition, key)
        waits = summary["waiting_since"] is not None
        if summary["discarded"] or not (summary["deadlines"] or waits) or summary["leaves_at"] <= self._now:
            return
        contact = self._partitions.setdefault(partition, {})[key] = Contact(key[1:].decode(), summary, self._round)
        if before is not None and self.is_settled(before) and before.waiting_since == contact.waiting_since:
            contact.read_in = before.read_in  # else a contact whose customer writes each second never settles
        if waits:
            self._waiting.setdefault((contact.channel, contact.queue), {})[contact] = None
        queues = {metric: queue for metric, _, queue in summary["clocks"]}
        for deadline in summary["deadlines"]:
            metric, _, _, warns_at, breached_at = deadline
            queue = queues.get(metric) or contact.queue
            for at, breached in ((warns_at, False), (breached_at, True)):
                if at is not None:
                    self._schedule(Crossing(contact, deadline, queue, at, breached=breached))
        self._due.add(contact.leaves_at, contact, None)

    def remove(self, partition: SourcePartition, key: bytes) -> None:
        """Remove a contact that its worker has evicted."""
        contact = self._partitions.get(partition, {}).pop(key, None)
        if contact is not None:
            self._leave(contact)

    def clear(self, partition: SourcePartition) -> None:
        """Remove every contact of a source partition: its journal is read again."""
        for contact in self._partitions.pop(partition, {}).values():
            self._leave(contact)

    def advance(self, now_ms: int, as_of: int | None = None) -> None:
        """Advance to `now_ms`, never back: targets come near and pass.

        `as_of`: everything up to then is counted, UTC milliseconds; None: everything is.
        """
        self._now = max(self._now, now_ms)
        if len(self._ended) == _ROUNDS_AT_MOST:  # that round settles with the one after it, a little later
            self._ended.pop()
        self._ended.append((self._round, self._now))
        self._round += 1
        while self._ended and (as_of is None or self._ended[0][1] <= as_of):
            self._settled, _ = self._ended.popleft()
        for contact, crossing in self._due.passed(self._now):
            if crossing is None:
                self._leave(contact)
            else:
                self._cross(crossing)

    def is_settled(self, contact: Contact) -> bool:
        """Tell whether everything is counted that was produced up to the first `advance` after it was read."""
        return contact.read_in <= self._settled

    def bad(self, counted: Counted) -> int:
        """Count the contacts of a group that wait beyond their target."""
        return len(self.breached.get(counted, ()))

    def costliest(self, counted: Counted, at: int) -> tuple[CostlyContact, ...]:
        """Name the contacts of a group that have waited longest beyond their target, with their clock time at `at`."""
        crossings = self.breached.get(counted, {})
        oldest = nsmallest(CONTACTS_AT_MOST, crossings, key=lambda each: (each.since, each.contact.contact_id))
        return tuple(_costly(each.contact, each.counted[2], each.since, at) for each in oldest)

    def waiting_longest(self, channel: str, queue: str, at: int) -> tuple[CostlyContact, ...]:
        """Name the contacts that have waited longest in a queue."""
        waiting = self._waiting.get((channel, queue), {})
        oldest = nsmallest(CONTACTS_AT_MOST, waiting, key=lambda each: (each.waiting_since, each.contact_id))
        return tuple(_costly(each, queue, each.waiting_since or 0, at) for each in oldest)

    def _schedule(self, crossing: Crossing) -> None:
        if crossing.at <= self._now:
            self._cross(crossing)
        else:
            self._due.add(crossing.at, crossing.contact, crossing)

    def _cross(self, crossing: Crossing) -> None:
        crossing.contact.crossings.append(crossing)
        self.crossings[crossing.key] = crossing
        if crossing.breached:
            counted = self._group_of(crossing)
            self.breached.setdefault(counted, {})[crossing] = None
            self.changed.add(counted)

    def _leave(self, contact: Contact) -> None:
        if not contact.live:
            return
        contact.live = False
        self._due.left(contact)
        waiting = self._waiting.get((contact.channel, contact.queue), {})
        waiting.pop(contact, None)
        for crossing in contact.crossings:
            if self.crossings.get(crossing.key) is crossing:
                del self.crossings[crossing.key]
            if crossing.breached:
                counted = self._group_of(crossing)
                group = self.breached[counted]
                del group[crossing]
                if not group:
                    del self.breached[counted]
                self.changed.add(counted)
        contact.crossings.clear()  # they refer to one another, which only the garbage collector would see


def _costly(contact: Contact, queue: str, since: int, at: int) -> CostlyContact:
    return CostlyContact(
        contact_id=contact.contact_id,
        channel=cast("Channel", contact.channel),
        queue=queue,
        value_ms=max(0, at - since),
        source=contact.source,
    )
