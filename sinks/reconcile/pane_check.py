"""Panes: what the samples in effect add up to, held against what is kept, and the rows that would mend it. Pure.

A pane's parts (source partitions, epochs, supplements) are added as every reader adds them. What mends a pane is one
more part whose value is absolute, so that mending again writes the same. A tag's pane has no counter but its `n`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import Any, Final, NamedTuple

from schemas.panes import Pane
from sinks.reconcile.differences import BY_PROMISE, Difference, Kind, PaneTable
from sinks.reconcile.epochs import Epochs, mended
from sinks.rows import PaneRow, TagPaneRow
from streams.core.histogram import bucket, merge

#: Names the part that a repair writes.
REPAIR: Final = "repair"
TAGGED: Final = "tagged"

#: The columns of a pane's key in each table.
KEYS: Final[dict[PaneTable, tuple[str, ...]]] = {
    "panes": ("sample", "pane_start", "channel", "queue", "priority", "team", "segment"),
    "tag_panes": ("pane_start", "channel", "queue", "tag"),
}

PaneId = tuple[Any, ...]
#: Samples and pane starts of which some sample is known to be wrong and stays so: no pane may be mended to fit it.
Doubtful = AbstractSet[tuple[str, int]]


class Owed(NamedTuple):
    """What samples add up to, and for a tag whether they call it `known` or `unknown`."""

    value: Pane = Pane()
    outcomes: frozenset[str] = frozenset()


class Compared(NamedTuple):
    """What came of some hours."""

    #: Panes that count something, or should.
    panes: int
    differences: list[Difference]
    #: Panes that differ while they are being written.
    left_out: int
    mending: list[Any]


def owed(rows: Iterable[Sequence[Any]]) -> dict[PaneId, Owed]:
    """Read what samples add up to: durations become histograms here, as the stream makes them."""
    key, panes = len(KEYS["panes"]), {}
    for row in rows:
        *counters, durations, by_calendar = row[key:]
        hists = (dict(Counter(map(bucket, each))) for each in (durations, by_calendar))
        panes[tuple(row[:key])] = Owed(Pane._make([*counters, *hists]))
    return panes


def owed_tags(rows: Iterable[Sequence[Any]]) -> dict[PaneId, Owed]:
    """Read how many tags the samples put on."""
    return {tuple(key): Owed(Pane(n), frozenset(outcomes)) for *key, n, outcomes in rows}


def compare(
    table: PaneTable,
    wanted: Mapping[PaneId, Owed],
    parts: Iterable[PaneRow | TagPaneRow],
    epochs: Epochs,
    doubtful: Doubtful,
) -> Compared:
    """Compare the panes of a table."""
    key_of, by_key = attrgetter(*KEYS[table]), dict[PaneId, list[Any]]()
    for part in parts:
        by_key.setdefault(key_of(part), []).append(part)
    found, mending, compared, left_out = list[Difference](), list[Any](), 0, 0
    for key in sorted(by_key.keys() | wanted.keys()):
        here, (wants, outcomes) = by_key.get(key, []), wanted.get(key, Owed())
        has = _added(map(_value, here))
        compared += bool(has.n or wants.n)
        kind: Kind = "missing" if not has.n else "different" if wants.n else "too much"
        columns = {
            name: (mine, other) for name, mine, other in zip(Pane._fields, has, wants, strict=True) if mine != other
        }
        known = table == "tag_panes" and bool(here) and max(here, key=attrgetter("version")).known
        if not columns and outcomes and ("known" if known else "unknown") not in outcomes:
            columns, kind = {"known": (known, not known)}, BY_PROMISE
        if not columns:
            continue
        if not all(epochs.row_in((part.topic, part.partition), part.version) for part in here):
            left_out += 1
            continue
        named = dict(zip(KEYS[table], key, strict=True))
        only = (named.get("sample", TAGGED), named["pane_start"]) in doubtful or any(
            part.supplement != REPAIR and epochs.runs((part.topic, part.partition), part.epoch) for part in here
        )
        found.append(Difference(table, kind, named, columns, only))
        if (epoch := epochs.last_ended) and kind != BY_PROMISE and not only:
            rest = _added(_value(part) for part in here if (part.supplement, part.epoch) != (REPAIR, epoch))
            value = _added([wants, _negative(rest)])
            row = {"topic": "", "partition": 0, "supplement": REPAIR, "version": mended(epoch), "epoch": epoch, **named}
            if table == "panes":
                mending.append(PaneRow(**row, **value._asdict()))
            else:
                is_known = "known" in outcomes or (not outcomes and known)
                mending.append(TagPaneRow(**row, n=value.n, known=is_known))
    return Compared(compared, found, left_out, mending)


def _value(part: PaneRow | TagPaneRow) -> Pane:
    return Pane(part.n) if isinstance(part, TagPaneRow) else Pane._make(part[-len(Pane._fields) :])


def _added(values: Iterable[Pane]) -> Pane:
    *counters, hist, business = zip(*(list(values) or [Pane()]), strict=True)
    return Pane._make([*map(sum, counters), merge(hist), merge(business)])


def _negative(pane: Pane) -> Pane:
    *counters, hist, business = pane
    return Pane._make([*(-n for n in counters), *({b: -n for b, n in each.items()} for each in (hist, business))])
