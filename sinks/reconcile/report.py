"""What a reconciliation found: each difference, and the totals. Nothing here reads or writes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

PaneTable = Literal["panes", "tag_panes"]
Table = Literal["samples", "contacts"] | PaneTable
Kind = Literal["missing", "too much", "different", "not archived", "another configuration"]

#: Differences of one table and kind that are listed one by one; the totals count all.
LISTED: Final = 20
#: Nothing is wrong: a sample keeps the policy, target, calendar and taxonomy by which it was computed.
OTHER_CONFIGURATION: Final = "another configuration"


@dataclass
class Difference:
    """A stored row that differs from what the events give, or, for a pane, from the sum of its samples."""

    table: Table
    kind: Kind
    #: The row's key, by column.
    key: dict[str, Any]
    #: For each column that differs: the stored value and the expected one.
    columns: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    #: Never repaired: a running epoch wrote a part of it, or of the samples that it counts.
    compared_only: bool = False


@dataclass
class Report:
    """The outcome of a reconciliation."""

    #: Rows that were compared, by table.
    compared: Counter[str] = field(default_factory=Counter)
    #: Rows that differ but were being written, by table; they are neither right nor wrong yet.
    left_out: Counter[str] = field(default_factory=Counter)
    totals: Counter[tuple[Table, Kind]] = field(default_factory=Counter)
    #: How many of the totals no repair changes.
    compared_only: Counter[tuple[Table, Kind]] = field(default_factory=Counter)
    #: Rows that a repair wrote, by table.
    written: Counter[str] = field(default_factory=Counter)
    #: Differences that remain; those of another configuration are not counted.
    standing: int = 0
    #: The first differences of each table and kind, up to `listed`.
    differences: list[Difference] = field(default_factory=list)
    listed: int = LISTED

    @property
    def ok(self) -> bool:
        """Whether nothing differs, or all that did was repaired."""
        return self.standing == 0

    def add(self, difference: Difference, *, repaired: bool = False) -> None:
        """Count a difference, and list it while there is room."""
        self.totals[difference.table, difference.kind] += 1
        if difference.compared_only:
            self.compared_only[difference.table, difference.kind] += 1
        if difference.kind != OTHER_CONFIGURATION and not repaired:
            self.standing += 1
        if self.totals[difference.table, difference.kind] <= self.listed:
            self.differences.append(difference)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
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
