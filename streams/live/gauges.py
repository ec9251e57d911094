"""The gauges: how many contacts wait, are open, at risk or beyond their target at this moment, by channel and queue.

Kept by what changes: a contact's new summary takes its old one out and puts itself in; deadlines come up by themselves
as the clock moves. A hundred thousand open contacts cost no more a second than the few that changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from schemas.journal import Summary
from schemas.policies import Rules, policy_for
from streams.core.deadlines import lasts_ms
from streams.live.totals import ALL, Group, groups_of

#: A heap is made anew when stale entries outnumber the live ones by more than this.
_SLACK: Final = 64

FINE: Final = 0
AT_RISK: Final = 1
BREACHED: Final = 2


class Reading(NamedTuple):
    """A group's gauges. Times in UTC milliseconds; None: nobody waits."""

    waiting: int = 0
    oldest_waiting_since: int | None = None
    awaiting_reply: int = 0
    oldest_awaiting_since: int | None = None
    open: int = 0
    handling: int = 0
    at_risk: int = 0
    breached: int = 0


_NONE: Final = Reading()


class _Contact:
    """What a contact adds to the gauges, while it does."""

    __slots__ = ("awaiting_since", "channel", "handling", "live", "open", "queue", "state", "waiting_since")

    def __init__(self, summary: Summary) -> None:
        self.channel = summary["channel"]
        self.queue = summary["queue"]
        self.open = int(summary["open"])
        self.handling = summary["handling"]
        self.waiting_since = summary["waiting_since"]
        self.awaiting_since = summary["awaiting_since"]
        self.state = FINE
        self.live = True


class _Oldest:
    """The oldest of many times that come and go: a heap whose stale entries are passed over when they surface."""

    __slots__ = ("_heap", "count")

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, _Contact]] = []
        self.count = 0

    def add(self, since: int, serial: int, contact: _Contact) -> None:
        heappush(self._heap, (since, serial, contact))
        self.count += 1

    def drop(self) -> None:
        """One contact of the heap is no longer live."""
        self.count -= 1
        if len(self._heap) > 2 * self.count + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2].live]
            heapify(self._heap)

    def first(self) -> int | None:
        heap = self._heap
        while heap and not heap[0][2].live:
            heappop(heap)
        return heap[0][0] if heap else None


class _Gauge:
    """One queue's running counts."""

    __slots__ = ("at_risk", "awaiting", "breached", "handling", "open", "waiting")

    def __init__(self) -> None:
        self.waiting = _Oldest()
        self.awaiting = _Oldest()
        self.open = 0
        self.handling = 0
        self.at_risk = 0
        self.breached = 0

    def reading(self) -> Reading:
        return Reading(
            self.waiting.count,
            self.waiting.first(),
            self.awaiting.count,
            self.awaiting.first(),
            self.open,
            self.handling,
            self.at_risk,
            self.breached,
        )


class Gauges:
    """The gauges of every queue, channel and the centre, as of the last `move`."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._now = 0
        self._serial = 0
        self._lanes: dict[tuple[str, int], dict[bytes, _Contact]] = {}
        self._gauges: dict[tuple[str, str], _Gauge] = {}
        #: When a contact comes at risk or is beyond its target: (at, serial, contact, new state).
        self._due: list[tuple[int, int, _Contact, int]] = []
        self._due_when_tidied = 0

    def use(self, rules: Rules) -> None:
        """Warn by other rules from now on; a contact that is in keeps its deadlines until its next event."""
        self._rules = rules

    @property
    def contacts(self) -> int:
        """Contacts that are in some gauge."""
        return sum(len(lane) for lane in self._lanes.values())

    def put(self, lane: tuple[str, int], contact_id: bytes, summary: Summary) -> None:
        """Take a contact's newest summary in; `lane` is its source partition."""
        contacts = self._lanes.setdefault(lane, {})
        before = contacts.pop(contact_id, None)
        if before is not None:
            self._take_out(before)
        if _counts(summary):
            contacts[contact_id] = self._put_in(summary)

    def drop(self, lane: tuple[str, int], contact_id: bytes) -> None:
        """Forget a contact, as its worker has."""
        before = self._lanes.get(lane, {}).pop(contact_id, None)
        if before is not None:
            self._take_out(before)

    def clear(self, lane: tuple[str, int]) -> None:
        """Forget every contact of a source partition: its topic was made anew."""
        for contact in self._lanes.pop(lane, {}).values():
            self._take_out(contact)

    def move(self, now_ms: int) -> bool:
        """Go on to `now_ms`, never back; tells whether a contact came at risk or beyond its target."""
        self._now = max(self._now, now_ms)
        moved = False
        due = self._due
        while due and due[0][0] <= self._now:
            _, _, contact, state = heappop(due)
            if contact.live:
                self._set_state(contact, state)
                moved = True
        if len(due) > 2 * self._due_when_tidied + _SLACK:
            self._due = [entry for entry in due if entry[2].live]
            heapify(self._due)
            self._due_when_tidied = len(self._due)
        return moved

    def readings(self) -> dict[Group, Reading]:
        """Read every group that has a contact, and the centre."""
        read: dict[Group, Reading] = {ALL: _NONE}
        for (channel, queue), gauge in self._gauges.items():
            own = gauge.reading()
            if own == _NONE:
                continue
            for group in groups_of(channel, queue):
                read[group] = _sum(read[group], own) if group in read else own
        return read

    def _put_in(self, summary: Summary) -> _Contact:
        contact = _Contact(summary)
        self._serial += 1
        place = contact.channel, contact.queue
        gauge = self._gauges.get(place)
        if gauge is None:
            gauge = self._gauges[place] = _Gauge()
        gauge.open += contact.open
        gauge.handling += contact.handling
        if contact.waiting_since is not None:
            gauge.waiting.add(contact.waiting_since, self._serial, contact)
        if contact.awaiting_since is not None:
            gauge.awaiting.add(contact.awaiting_since, self._serial, contact)
        for at, state in self._deadlines(summary):
            if at <= self._now:
                self._set_state(contact, state)
            else:
                heappush(self._due, (at, self._serial, contact, state))
        return contact

    def _take_out(self, contact: _Contact) -> None:
        contact.live = False
        place = contact.channel, contact.queue
        gauge = self._gauges[place]
        gauge.open -= contact.open
        gauge.handling -= contact.handling
        if contact.waiting_since is not None:
            gauge.waiting.drop()
        if contact.awaiting_since is not None:
            gauge.awaiting.drop()
        self._set_state(contact, FINE)

    def _set_state(self, contact: _Contact, state: int) -> None:
        gauge = self._gauges[contact.channel, contact.queue]
        gauge.at_risk += (state == AT_RISK) - (contact.state == AT_RISK)
        gauge.breached += (state == BREACHED) - (contact.state == BREACHED)
        contact.state = state

    def _deadlines(self, summary: Summary) -> Iterator[tuple[int, int]]:
        """Say from when on a running clock is at risk, and from when on beyond its target."""
        since, target = summary["clock_since"], summary["target_ms"]
        if since is None or target is None or summary["partial"]:
            return
        beyond = since + target + 1
        policy = policy_for(
            self._rules,
            "first_response",
            summary["channel"],
            summary["queue"],
            summary["priority"],
            summary["segment"],
            summary["last_at"],
        )
        if policy is not None and policy.warning_ms:
            early = target - policy.warning_ms
            if policy.clock == "calendar":  # the summary tells clock time; a warning is told by the policy's clock
                in_hours = max(0, policy.target_ms - policy.warning_ms)
                early = lasts_ms(self._rules, policy, summary["queue"], since, in_hours) or 0
            yield since + early + 1, AT_RISK
        yield beyond, BREACHED


def _counts(summary: Summary) -> bool:
    return not summary["discarded"] and bool(
        summary["open"]
        or summary["handling"]
        or summary["waiting_since"] is not None
        or summary["awaiting_since"] is not None
        or summary["clock_since"] is not None
    )


def _older(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _sum(one: Reading, other: Reading) -> Reading:
    return Reading(
        one.waiting + other.waiting,
        _older(one.oldest_waiting_since, other.oldest_waiting_since),
        one.awaiting_reply + other.awaiting_reply,
        _older(one.oldest_awaiting_since, other.oldest_awaiting_since),
        one.open + other.open,
        one.handling + other.handling,
        one.at_risk + other.at_risk,
        one.breached + other.breached,
    )
