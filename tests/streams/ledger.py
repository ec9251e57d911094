"""What must be in effect where the configuration changes while events come: kept beside the stream, by the batch alone.

History is not rewritten: as long as what was measured stays, a sample keeps the policy, the target and the calendar it
was held against; where that changes, it is retracted as it was issued, and what is issued in its place goes by the
rules of then. So after each delivery the contacts that got something new are folded as a whole by the rules in force,
and each row that measures what one before measured gives way to that one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tests.oracle.batch import rows_of
from tests.oracle.centre import Centre
from tests.oracle.contacts import contacts
from tests.oracle.rows import Row


class Ledger:
    """The samples in effect."""

    def __init__(self) -> None:
        self._events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self._rows: dict[str, list[Row]] = {}
        #: Rows that kept a verdict that the rules of the day would not give, and retracted rows that had one.
        self.kept = 0
        self.retracted = 0

    @property
    def rows(self) -> list[Row]:
        """Every row in effect."""
        return [row for rows in self._rows.values() for row in rows]

    def deliver(self, events: Iterable[Mapping[str, Any]], centre: Centre) -> None:
        """Take events, each a new one, that are folded by these rules."""
        changed = set()
        for event in events:
            self._events[event["contact_id"]].append(event)
            changed.add(event["contact_id"])
        for contact_id in sorted(changed):
            (contact,) = contacts(self._events[contact_id], centre)
            self._rows[contact_id] = self._settled(self._rows.get(contact_id, []), list(rows_of(contact)))

    def _settled(self, before: list[Row], now: list[Row]) -> list[Row]:
        old = {_measured(row): row for row in before}
        assert len(old) == len(before), "two rows measure the same"
        settled = [old.pop(_measured(row), row) for row in now]
        self.kept += sum(one != other for one, other in zip(settled, now, strict=True))
        self.retracted += sum(row.target_ms is not None for row in old.values())
        return settled


def _measured(row: Row) -> Row:
    """Leave out what the configuration makes of a measurement; of a tag, also whether it is known."""
    bare = replace(row, business_ms=None, active_business_ms=None, policy="", target_ms=None, within=None)
    bare = replace(bare, short=None, in_hours=None)
    return replace(bare, outcome="") if row.sample == "tagged" else bare
