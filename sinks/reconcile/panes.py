"""One hour's panes: what the samples in effect add up to, held against what is kept, and the rows that would mend it.

Pure. A pane's parts (source partitions, epochs, supplements) are added as every reader adds them. What mends a pane is
one more part whose value is absolute, so that mending again writes the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

from schemas.panes import Pane
from sinks.reconcile.findings import BY_PROMISE, Difference, Kind
from sinks.reconcile.lives import Lives, mended
from sinks.rows import PaneRow, TagPaneRow
from streams.core.histogram import bucket, merge

#: Names the part that a repair writes.
REPAIR: Final = "repair"

_KEY: Final = ("sample", "pane_start", "channel", "queue", "priority", "team", "segment")
_TAG_KEY: Final = ("pane_start", "channel", "queue", "tag")
#: Columns of a pane's value in the rows, behind the version.
_VALUE: Final = PaneRow._fields.index("n")
_COUNTERS: Final = len(Pane._fields) - 2
_NOTHING: Final = Pane()

TAGGED: Final = "tagged"

PaneId = tuple[Any, ...]
#: Samples and pane starts of which some sample is known to be wrong and stays so: no pane may be mended to fit it.
Doubtful = AbstractSet[tuple[str, int]]


class Compared(NamedTuple):
    """What came of an hour."""

    #: Panes that count something, or should.
    panes: int
    differences: list[Difference]
    #: Panes that differ while they are being written.
    left_out: int
    mending: list[Any]


def owed(rows: Iterable[Sequence[Any]]) -> dict[PaneId, Pane]:
    """Read what samples add up to: durations become histograms here, as the stream makes them."""
    panes = {}
    for row in rows:
        *counters, durations, by_calendar = row[len(_KEY) :]
        panes[tuple(row[: len(_KEY)])] = Pane._make([*counters, _histogram(durations), _histogram(by_calendar)])
    return panes


def _histogram(durations: Iterable[int]) -> dict[int, int]:
    return dict(Counter(map(bucket, durations)))


def compare(wanted: dict[PaneId, Pane], parts: Iterable[PaneRow], lives: Lives, doubtful: Doubtful) -> Compared:
    """Compare panes."""
    by_key: dict[PaneId, list[PaneRow]] = {}
    for part in parts:
        by_key.setdefault(tuple(part[: len(_KEY)]), []).append(part)
    found, mending, compared, left_out = [], list[PaneRow](), 0, 0
    for key in by_key.keys() | wanted.keys():
        here, wants = by_key.get(key, []), wanted.get(key, _NOTHING)
        has = _added(here)
        compared += bool(has.n or wants.n)
        if has == wants:
            continue
        if not _all_in(here, lives):
            left_out += 1
            continue
        only = _any_running(here, lives) or key[:2] in doubtful
        columns = {
            name: (mine, other) for name, mine, other in zip(Pane._fields, has, wants, strict=True) if mine != other
        }
        kind: Kind = _kind(has.n, wants.n)
        found.append(Difference("panes", kind, dict(zip(_KEY, key, strict=True)), columns, only))
        epoch = lives.last_ended
        if not only and epoch:
            rest = _added(part for part in here if not _is_repair(part, epoch))
            value = _minus(wants, rest)
            mending.append(PaneRow._make([*key, epoch, "", 0, REPAIR, mended(epoch), *value]))
    return Compared(compared, _in_order(found), left_out, mending)


def compare_tags(
    rows: Iterable[Sequence[Any]], parts: Iterable[TagPaneRow], lives: Lives, doubtful: Doubtful
) -> Compared:
    """Compare tags' panes."""
    wanted = {tuple(row[: len(_TAG_KEY)]): (int(row[4]), frozenset(row[5])) for row in rows}
    by_key: dict[PaneId, list[TagPaneRow]] = {}
    for part in parts:
        by_key.setdefault(tuple(part[: len(_TAG_KEY)]), []).append(part)
    found, mending, compared, left_out = [], list[TagPaneRow](), 0, 0
    for key in by_key.keys() | wanted.keys():
        here = by_key.get(key, [])
        n, outcomes = wanted.get(key, (0, frozenset()))
        has = sum(part.n for part in here)
        known = bool(here) and max(here, key=lambda part: part.version).known
        compared += bool(has or n)
        renamed = bool(n) and _outcome(known=known) not in outcomes
        if has == n and not renamed:
            continue
        if not _all_in(here, lives):
            left_out += 1
            continue
        only = _any_running(here, lives) or (TAGGED, key[0]) in doubtful
        columns: dict[str, tuple[Any, Any]] = {} if has == n else {"n": (has, n)}
        kind: Kind = _kind(has, n)
        if has == n:
            columns, kind = {"known": (known, not known)}, BY_PROMISE
        found.append(Difference("tag_panes", kind, dict(zip(_TAG_KEY, key, strict=True)), columns, only))
        epoch = lives.last_ended
        if has != n and not only and epoch:
            rest = sum(part.n for part in here if not _is_repair(part, epoch))
            is_known = _outcome(known=True) in outcomes or (not outcomes and known)
            mending.append(TagPaneRow._make([*key, epoch, "", 0, REPAIR, mended(epoch), is_known, n - rest]))
    return Compared(compared, _in_order(found), left_out, mending)


def _outcome(*, known: bool) -> str:
    return "known" if known else "unknown"


def _kind(has: int, wants: int) -> Kind:
    if not has:
        return "missing"
    return "different" if wants else "too much"


def _in_order(found: list[Difference]) -> list[Difference]:
    return sorted(found, key=lambda each: tuple(each.key.values()))


def _all_in(parts: Iterable[PaneRow | TagPaneRow], lives: Lives) -> bool:
    return all(lives.row_in((part.topic, part.partition), part.version) for part in parts)


def _any_running(parts: Iterable[PaneRow | TagPaneRow], lives: Lives) -> bool:
    return any(part.supplement != REPAIR and lives.runs((part.topic, part.partition), part.epoch) for part in parts)


def _is_repair(part: PaneRow | TagPaneRow, epoch: int) -> bool:
    return part.supplement == REPAIR and part.epoch == epoch


def _added(parts: Iterable[PaneRow]) -> Pane:
    return _sum([Pane._make(part[_VALUE:]) for part in parts])


def _sum(values: list[Pane]) -> Pane:
    if not values:
        return _NOTHING
    counters: Iterable[tuple[Any, ...]] = zip(*(value[:_COUNTERS] for value in values), strict=True)
    return Pane._make(
        [
            *(sum(column) for column in counters),
            merge(value.hist for value in values),
            merge(value.business_hist for value in values),
        ]
    )


def _minus(whole: Pane, part: Pane) -> Pane:
    counters: Iterable[Any] = part[:_COUNTERS]
    return _sum([whole, Pane._make([*(-n for n in counters), _less(part.hist), _less(part.business_hist)])])


def _less(histogram: dict[int, int]) -> dict[int, int]:
    return {of: -n for of, n in histogram.items()}
