"""Panes: the stored ones compared with the sums of the samples in effect, and the rows that repair them. Pure.

A pane's parts (source partitions, epochs, supplements) are added up as every reader adds them. A repair writes one more
part with an absolute value, so that repairing again writes the same. A tag's pane has no counter but its `n`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any, Final, NamedTuple

from schemas.panes import Pane
from sinks.reconcile.epochs import Epochs, repair_version
from sinks.reconcile.report import OTHER_CONFIGURATION, Difference, Kind, PaneTable
from sinks.rows import PaneRow, TagPaneRow
from streams.core.histogram import bucket, merge

#: The supplement of the part that a repair writes.
REPAIR: Final = "repair"
TAGGED: Final = "tagged"

#: The columns of a pane's key in each table.
KEYS: Final[dict[PaneTable, tuple[str, ...]]] = {
    "panes": ("sample", "pane_start", "channel", "queue", "priority", "team", "segment"),
    "tag_panes": ("pane_start", "channel", "queue", "tag"),
}

PaneId = tuple[Any, ...]
#: Sample names and pane starts of samples that are wrong and stay wrong: no pane may be repaired to fit them.
UnrepairedSamples = AbstractSet[tuple[str, int]]


class ExpectedPane(NamedTuple):
    """The sum of a pane's samples, and for a tag whether they call it `known` or `unknown`."""

    value: Pane = Pane()
    outcomes: frozenset[str] = frozenset()


class PaneComparison(NamedTuple):
    """The outcome for the panes of some hours."""

    #: Panes that count something, or should.
    panes: int
    differences: list[Difference]
    #: Panes that differ while they are being written.
    left_out: int
    #: Rows that a repair writes.
    repairs: list[Any]


def expected_panes(rows: Iterable[Sequence[Any]]) -> dict[PaneId, ExpectedPane]:
    """Make panes of the samples' sums; their durations become histograms as the stream makes them."""
    key, panes = len(KEYS["panes"]), {}
    for row in rows:
        *counters, durations, business_durations = row[key:]
        hists = (dict(Counter(map(bucket, each))) for each in (durations, business_durations))
        panes[tuple(row[:key])] = ExpectedPane(Pane._make([*counters, *hists]))
    return panes


def expected_tag_panes(rows: Iterable[Sequence[Any]]) -> dict[PaneId, ExpectedPane]:
    """Make tags' panes of the samples' counts."""
    return {tuple(key): ExpectedPane(Pane(n), frozenset(outcomes)) for *key, n, outcomes in rows}


def compare(
    table: PaneTable,
    expected: Mapping[PaneId, ExpectedPane],
    stored: Iterable[PaneRow | TagPaneRow],
    epochs: Epochs,
    unrepaired: UnrepairedSamples,
) -> PaneComparison:
    """Compare the panes of a table."""
    key_of, by_key = attrgetter(*KEYS[table]), dict[PaneId, list[Any]]()
    for part in stored:
        by_key.setdefault(key_of(part), []).append(part)
    found, repairs, compared, left_out = list[Difference](), list[Any](), 0, 0
    for pane_id in sorted(by_key.keys() | expected.keys()):
        parts, (wants, outcomes) = by_key.get(pane_id, []), expected.get(pane_id, ExpectedPane())
        has = _sum(map(_value, parts))
        compared += bool(has.n or wants.n)
        kind: Kind = "missing" if not has.n else "different" if wants.n else "too much"
        columns = {
            name: (mine, other) for name, mine, other in zip(Pane._fields, has, wants, strict=True) if mine != other
        }
        known = table == "tag_panes" and bool(parts) and max(parts, key=attrgetter("version")).known
        if not columns and outcomes and ("known" if known else "unknown") not in outcomes:
            columns, kind = {"known": (known, not known)}, OTHER_CONFIGURATION
        if not columns:
            continue
        if not all(epochs.is_row_written((part.topic, part.partition), part.version) for part in parts):
            left_out += 1
            continue
        key = dict(zip(KEYS[table], pane_id, strict=True))
        compared_only = (key.get("sample", TAGGED), key["pane_start"]) in unrepaired or any(
            part.supplement != REPAIR and epochs.is_running((part.topic, part.partition), part.epoch) for part in parts
        )
        found.append(Difference(table, kind, key, columns, compared_only))
        if (epoch := epochs.last_ended) and kind != OTHER_CONFIGURATION and not compared_only:
            others = _sum(_value(part) for part in parts if (part.supplement, part.epoch) != (REPAIR, epoch))
            value = _sum([wants, _negative(others)])
            version = repair_version(epoch)
            row = {"topic": "", "partition": 0, "supplement": REPAIR, "version": version, "epoch": epoch, **key}
            if table == "panes":
                repairs.append(PaneRow(**row, **value._asdict()))
            else:
                is_known = "known" in outcomes or (not outcomes and known)
                repairs.append(TagPaneRow(**row, n=value.n, known=is_known))
    return PaneComparison(compared, found, left_out, repairs)


def _value(part: PaneRow | TagPaneRow) -> Pane:
    return Pane(part.n) if isinstance(part, TagPaneRow) else Pane._make(part[-len(Pane._fields) :])


def _sum(values: Iterable[Pane]) -> Pane:
    *counters, hist, business = zip(*(list(values) or [Pane()]), strict=True)
    return Pane._make([*map(sum, counters), merge(hist), merge(business)])


def _negative(pane: Pane) -> Pane:
    *counters, hist, business = pane
    return Pane._make([*(-n for n in counters), *({b: -n for b, n in each.items()} for each in (hist, business))])
