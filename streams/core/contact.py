"""A contact's state: its events, the rows issued for it, and the rows taken back. Written as one record's value.

What was issued is kept, so that what changes is taken back exactly as it was issued, whatever the rules say by then.

A contact in hand keeps its fold as well. Where what arrives is new and comes behind all that is known, the fold goes on
from there; where it does not, the contact is folded anew. Both give the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from schemas.contact_record import Summary, decode_state, encode_contact, event_line, join_contact, row_line
from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, effective, merge, order
from streams.core.fold import Fold, fold

#: Key of a row within its contact: sample and slot.
RowKey = tuple[str, str]

#: A row with the step that last changed it.
Kept = tuple[int, Sample]

_event: Final = tuple.__new__  # makes a named tuple of its fields in half the time that naming it takes


class Change(NamedTuple):
    """What a step does to a contact: its new record, and the rows to take from and to add to the panes."""

    #: The new record; None where only a conflict was met, which the known event stood.
    value: bytes | None
    taken_back: list[Sample]
    issued: list[Sample]
    conflicts: int


class Contact:
    """A contact in memory while steps work on it. After a failure within a step it is of no use."""

    __slots__ = (
        *("_by_id", "_channel", "_event_lines", "_fold", "_last", "_row_lines", "_settled"),
        *("events", "gone", "rows"),
    )

    def __init__(self, channel: str, events: list[Event], rows: dict[RowKey, Kept], gone: dict[RowKey, int]) -> None:
        self._channel = channel
        #: In the order of the fold, one an id.
        self.events = events
        #: What is issued now.
        self.rows = rows
        #: Keys of rows taken back, with the step that did.
        self.gone = gone
        #: What `events` came to, to go on with; None where there is nothing to go on with.
        self._fold: Fold | None = None
        self._by_id: dict[str, Event] = {}
        #: How many of the fold's settled rows are issued, and the others, that may change with each event.
        self._settled = 0
        self._last: list[Sample] = []
        #: Events and settled rows as they are written.
        self._event_lines = bytearray()
        self._row_lines = bytearray()

    def advance(self, arrived: Sequence[Event], rules: Rules, step: int, *, again: bool = False) -> Change | None:
        """Fold what arrived; None where nothing was new.

        With `again` the contact is folded in any case: what was issued may not be what its events give.
        """
        going = self._fold
        if going is not None and going.rules is rules and not again:
            following = self._follow(arrived, going)
            if following is not None:
                return self._written_on(going, following, step) if following else None
        return self._anew(arrived, rules, step, again=again)

    def _follow(self, arrived: Sequence[Event], going: Fold) -> list[Event] | None:
        """Have the fold take what is new, and return that; None where it is not behind all that is known.

        The fold is of no use then, for it may have taken some of it.
        """
        known, last = self._by_id, order(self.events[-1])
        following = []
        for event in arrived if len(arrived) == 1 else sorted(arrived, key=order):
            same = known.get(event.event_id)
            if same is not None:
                if same == event:
                    continue
                return None
            if order(event) < last:
                return None
            known[event.event_id] = event
            if event.type in MODELS:
                if not going.goes_on_with(event):
                    return None
                going.take(event)
            following.append(event)
        return following

    def _written_on(self, going: Fold, following: list[Event], step: int) -> Change:
        """Write the record with what the fold has taken since the last one."""
        self.events += following
        self._event_lines += b"".join([b"," + event_line(event) for event in following])
        settled, last, summary = going.result()
        issued, taken_back = settled[self._settled :], list[Sample]()
        self._settled = len(settled)
        lines = []
        for row in issued:
            key = row[:2]
            self.rows[key] = step, row
            self.gone.pop(key, None)
            lines.append(row_line(step, row))
        if lines:
            self._row_lines += b"," * bool(self._row_lines) + b",".join(lines)
        if last != self._last:
            before = {row[:2]: self.rows.pop(row[:2]) for row in self._last}
            self._compare(last, before, step, taken_back, issued)
            self._last = last
        return Change(self._written(summary, step), taken_back, issued, 0)

    def _anew(self, arrived: Sequence[Event], rules: Rules, step: int, *, again: bool) -> Change | None:
        events, conflicts = merge(self.events, arrived)
        if events == self.events and not again:
            return Change(None, [], [], conflicts) if conflicts else None
        known = effective(events)
        going = Fold(self._channel, known, rules)
        for event in known:
            going.take(event)
        settled, last, summary = going.result()
        taken_back: list[Sample] = []
        issued: list[Sample] = []
        before, self.rows = self.rows, {}
        self._compare(settled + last, before, step, taken_back, issued)
        self.events, self._settled, self._last = events, len(settled), last
        self._event_lines = bytearray(b",".join(map(event_line, events)))
        self._row_lines = bytearray(b",".join([row_line(*self.rows[row[:2]]) for row in settled]))
        self._by_id = {event.event_id: event for event in events}
        self._fold = going if known and going.goes_on else None
        return Change(self._written(summary, step), taken_back, issued, conflicts)

    def _compare(
        self, rows: list[Sample], before: dict[RowKey, Kept], step: int, taken_back: list[Sample], issued: list[Sample]
    ) -> None:
        """Have these rows issued in place of those before, and tell what that takes back and issues."""
        for row in rows:
            key = row[:2]
            old = before.pop(key, None)
            if old is not None:
                if row == old[1] or _measures_the_same(row, old[1]):
                    self.rows[key] = old
                    continue
                taken_back.append(old[1])
            issued.append(row)
            self.rows[key] = step, row
            self.gone.pop(key, None)
        for key, (_, row) in before.items():
            taken_back.append(row)
            self.gone[key] = step

    def _written(self, summary: Summary, step: int) -> bytes:
        summary["step"] = step
        lines: bytes | bytearray = self._row_lines
        if self._last:
            last = b",".join([row_line(*self.rows[row[:2]]) for row in self._last])
            lines = lines + b"," + last if lines else last
        return join_contact(summary, self._event_lines, lines, [(since, *key) for key, since in self.gone.items()])


def unknown(channel: str) -> Contact:
    """Give a contact of which nothing is known."""
    return Contact(channel, [], {}, {})


def decode(channel: str, value: bytes) -> Contact:
    """Read a contact's state from its record."""
    state = decode_state(value)
    return Contact(
        channel,
        [_event(Event, event) for event in state.events],
        {kept[1][:2]: kept for kept in state.rows},
        {(sample, slot): step for step, sample, slot in state.gone},
    )


#: What the configuration says of a measurement: it stays as it was issued for as long as what was measured does.
_BY_RULES: Final = frozenset({"business_ms", "policy", "target_ms", "within", "short", "in_hours", "outcome"})
_MEASURED: Final = itemgetter(*(at for at, name in enumerate(Sample._fields) if name not in _BY_RULES))


def _measures_the_same(row: Sample, old: Sample) -> bool:
    """Tell whether only the rules have changed since: a changed policy, calendar or taxonomy rewrites no history."""
    return _MEASURED(row) == _MEASURED(old) and (row.outcome == old.outcome or row.sample == "tagged")


def restored(channel: str, events: list[Event], issued: Iterable[Sample], rules: Rules, step: int) -> bytes | None:
    """Write a contact's record as it was when it was evicted; None where it has no events.

    What was issued for it stands as it was, under step 0, also where today's rules give other rows: so that the next
    `advance` takes back exactly that. The summary alone is folded anew.
    """
    known, _ = merge([], events)
    if not known:
        return None
    summary = fold(channel, known, rules).summary
    summary["step"] = step
    return encode_contact(summary, known, [(0, row) for row in issued], [])
