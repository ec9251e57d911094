"""What was found: each difference by table and kind, how many of each, what was left out and what was mended."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

PaneTable = Literal["panes", "tag_panes"]
Table = Literal["samples", "contacts"] | PaneTable
Kind = Literal["missing", "too much", "different", "not archived", "another configuration"]

#: Differences of one table and kind that are listed one by one; the totals count all.
LISTED: Final = 20
#: A sample keeps the policy, target, calendar and taxonomy that it was held against, so this is nothing wrong.
BY_PROMISE: Final = "another configuration"


@dataclass
class Difference:
    """One row that is not what the events, or for panes the samples in effect, come to."""

    table: Table
    kind: Kind
    #: The row's key, by column.
    key: dict[str, Any]
    #: Of each column that differs: what is kept, and what it should be.
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    #: Never mended: an epoch that still runs has a part in it, or in samples that it counts.
    compared_only: bool = False


@dataclass
class Report:
    """The outcome of a reconciliation."""

    #: Rows that were compared, by table.
    compared: Counter[str] = field(default_factory=Counter)
    #: Rows that differ but were being written, by table; they are neither right nor wrong yet.
    left_out: Counter[str] = field(default_factory=Counter)
    totals: Counter[tuple[Table, Kind]] = field(default_factory=Counter)
    #: Of those, the ones that no repair mends.
    compared_only: Counter[tuple[Table, Kind]] = field(default_factory=Counter)
    #: Rows that a repair wrote, by table.
    written: Counter[str] = field(default_factory=Counter)
    #: Differences that count and stand as they were.
    standing: int = 0
    #: The first of each table and kind, up to `listed`.
    differences: list[Difference] = field(default_factory=list)
    listed: int = LISTED

    @property
    def ok(self) -> bool:
        """Whether nothing differs, or all that did was mended."""
        return self.standing == 0

    def add(self, difference: Difference, *, mended: bool = False) -> None:
        """Count a difference, and list it while there is room."""
        self.totals[difference.table, difference.kind] += 1
        if difference.compared_only:
            self.compared_only[difference.table, difference.kind] += 1
        if difference.kind != BY_PROMISE and not mended:
            self.standing += 1
        if self.totals[difference.table, difference.kind] <= self.listed:
            self.differences.append(difference)

    def as_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {
            "ok": self.ok,
            "compared": dict(self.compared),
            "left_out": dict(self.left_out),
            "totals": [
                {"table": table, "kind": kind, "n": n, "compared_only": self.compared_only[table, kind]}
                for (table, kind), n in sorted(self.totals.items())
            ],
            "standing": self.standing,
            "written": dict(self.written),
            "differences": [asdict(difference) for difference in self.differences],
        }
