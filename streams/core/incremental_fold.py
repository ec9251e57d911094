"""Continues a contact's last fold with events that sort after everything already folded, without folding it again.

It keeps no more than that needs. Anything else (a late, repeated or conflicting event, other rules) is refolded from
the record by `streams.core.refold`. Both ways give the same result.
"""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, NamedTuple

from schemas.contact_record import Summary, event_line, join_contact, row_line
from schemas.events import MODELS
from schemas.policies import Rules
from schemas.samples import Sample
from streams.core.event import Event, order
from streams.core.fold import Fold

#: Key of a row within its contact: sample and slot.
RowKey = tuple[str, str]

#: A row with the step that last changed it.
Kept = tuple[int, Sample]


class Change(NamedTuple):
    """What a step does to a contact: its new record, and the rows to take from and to add to the panes."""

    #: The new record; None where only a conflict was met, which the known event stood.
    value: bytes | None
    taken_back: list[Sample]
    issued: list[Sample]
    conflicts: int


class IncrementalFold:
    """What goes on of a contact."""

    __slots__ = (
        *("_event_lines", "_fold", "_gone", "_ids", "_last", "_last_event", "_last_lines", "_last_rows", "_row_lines"),
    )

    def __init__(
        self, fold: Fold, events: list[Event], rows: dict[RowKey, Kept], gone: dict[RowKey, int], last: list[Sample]
    ) -> None:
        """Go on from a fold that took these events; `last` are those of its rows that may yet change."""
        self._fold = fold
        self._ids = {event.event_id for event in events}
        self._last_event = events[-1]
        #: The rows that may yet change, as the fold gives them and as they are issued.
        self._last = last
        self._last_rows = {row[:2]: rows[row[:2]] for row in last}
        self._last_lines = _lines(self._last_rows)
        self._gone = gone
        #: Events, and rows that stay, as they are written.
        self._event_lines = bytearray(b",".join([event_line(event) for event in events]))
        self._row_lines = bytearray(
            b",".join([row_line(*kept) for key, kept in rows.items() if key not in self._last_rows])
        )
        fold.sheet.rows.clear()

    def follow(self, arrived: Sequence[Event], rules: Rules, step: int, as_of: int = 0) -> Change | None:
        """Take what arrived; None where it is not new, not behind all that is known, or where other rules hold now.

        Some of it may have been taken then: if any of it was new, this is of no further use.
        """
        fold, ids = self._fold, self._ids
        if fold.rules is not rules or not arrived:
            return None
        following = arrived if len(arrived) == 1 else sorted(arrived, key=order)
        first, last = following[0], self._last_event
        if first.at <= last.at and order(first) < order(last):
            return None
        fold.as_of = as_of
        for event in following:
            if event.event_id in ids:
                return None
            ids.add(event.event_id)
            if event.type in MODELS:
                if not fold.goes_on_with(event):
                    return None
                fold.take(event)
        self._last_event = following[-1]
        self._event_lines += b"".join([b"," + event_line(event) for event in following])
        return self._changed(step)

    def _changed(self, step: int) -> Change:
        settled, last, summary = self._fold.result()
        issued: list[Sample] = list(settled)
        taken_back: list[Sample] = []
        if settled:
            for row in settled:
                self._gone.pop(row[:2], None)
            lines = b",".join([row_line(step, row) for row in settled])
            self._row_lines += b"," + lines if self._row_lines else lines
            self._fold.sheet.rows.clear()
        if last != self._last:
            self._last_rows, taken_back, also_issued = replace(last, self._last_rows, self._gone, step)
            issued += also_issued
            self._last, self._last_lines = last, _lines(self._last_rows)
        return Change(self.record(summary, step), taken_back, issued, 0)

    def record(self, summary: Summary, step: int) -> bytes:
        """Write the contact's record."""
        summary["step"] = step
        lines: bytes | bytearray = self._row_lines
        if self._last_lines:
            lines = lines + b"," + self._last_lines if lines else self._last_lines
        return join_contact(summary, self._event_lines, lines, [(since, *key) for key, since in self._gone.items()])


def _lines(rows: dict[RowKey, Kept]) -> bytes:
    return b",".join([row_line(*kept) for kept in rows.values()])


class FoldCache:
    """Keeps the folds of the contacts with the latest events, so that their next event continues them.

    Only a saving. A contact is taken from here only while its record is the very one that it wrote; where anything else
    changed that record (a journal that was read, an eviction), the record is read again. What was not used while the
    younger of two generations filled up is forgotten.
    """

    def __init__(self, at_most: int = 10_000) -> None:
        self._of_one = at_most // 2
        self._young: dict[bytes, tuple[bytes, IncrementalFold]] = {}
        self._old: dict[bytes, tuple[bytes, IncrementalFold]] = {}

    def take(self, contact_id: bytes, value: bytes) -> IncrementalFold | None:
        """Give a contact whose record is this one; None where it is not here."""
        left = self._young.get(contact_id) or self._old.pop(contact_id, None)
        return left[1] if left is not None and left[0] is value else None

    def keep(self, contact_id: bytes, value: bytes, going: IncrementalFold) -> None:
        """Keep a contact beside the record that it wrote."""
        if len(self._young) >= self._of_one and contact_id not in self._young:
            self._old, self._young = self._young, {}
        self._young[contact_id] = value, going

    def renew(self, contact_id: bytes, before: bytes, value: bytes) -> None:
        """Keep a contact, if it is here, beside another record that says the same of its events."""
        left = self.take(contact_id, before)
        if left is not None:
            self.keep(contact_id, value, left)


def replace(
    rows: list[Sample], before: dict[RowKey, Kept], gone: dict[RowKey, int], step: int
) -> tuple[dict[RowKey, Kept], list[Sample], list[Sample]]:
    """Issue these rows in place of those before: returns what is issued now, what was taken back, and what is new.

    What stays as it was keeps its step; `gone` is kept up.
    """
    if not before and not gone:
        return {row[:2]: (step, row) for row in rows}, [], rows
    now: dict[RowKey, Kept] = {}
    taken_back: list[Sample] = []
    issued: list[Sample] = []
    for row in rows:
        key = row[:2]
        old = before.pop(key, None)
        if old is not None:
            if row == old[1] or _measures_the_same(row, old[1]):
                now[key] = old
                continue
            taken_back.append(old[1])
        issued.append(row)
        now[key] = step, row
        gone.pop(key, None)
    for key, (_, row) in before.items():
        taken_back.append(row)
        gone[key] = step
    return now, taken_back, issued


#: What the configuration says of a measurement: it stays as it was issued for as long as what was measured does.
_BY_RULES: Final = frozenset(
    {"business_ms", "active_business_ms", "policy", "target_ms", "within", "short", "in_hours", "outcome"}
)
_MEASURED: Final = itemgetter(*(at for at, name in enumerate(Sample._fields) if name not in _BY_RULES))


def _measures_the_same(row: Sample, old: Sample) -> bool:
    """Tell whether only the rules have changed since: a changed policy, calendar or taxonomy rewrites no history."""
    return _MEASURED(row) == _MEASURED(old) and (row.outcome == old.outcome or row.sample == "tagged")
