"""Panes minute by minute and dimension by dimension, with histograms: as kept, and as the batch adds them up.

Sums over queues alone would let a sample stand in the wrong minute, team or priority.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from schemas.panes import PANE_MS
from sinks.rows import PaneRow
from streams.core.histogram import bucket, merge
from tests.core.test_against_batch import key_of, told
from tests.oracle.rows import Row
from tests.sinks.memory_store import MemoryStore


class PaneCell(NamedTuple):
    """Where a sample counts."""

    sample: str
    start: int
    queue: str
    priority: str
    team: str
    segment: str


class CellTotals(NamedTuple):
    """What is counted there."""

    counters: tuple[int, ...]
    hist: dict[int, int]
    business_hist: dict[int, int]


def kept_panes(rows: Iterable[PaneRow]) -> dict[PaneCell, CellTotals]:
    """Merge the rows of every epoch, partition and supplement."""
    found: dict[PaneCell, CellTotals] = {}
    for row in rows:
        of = (row.n, row.n_target, row.n_within, row.n_short, row.n_satisfied)
        sums = (row.sum_ms, row.business_n, row.business_sum_ms, row.sum_value)
        place = PaneCell(row.sample, row.pane_start, row.queue, row.priority, row.team, row.segment)
        one = CellTotals((*of, *sums), row.hist, row.business_hist)
        found[place] = _both(found[place], one) if place in found else one
    whole = {place: CellTotals(of[0], merge([of[1]]), merge([of[2]])) for place, of in found.items()}
    return {place: of for place, of in whole.items() if any(of[0]) or of[1] or of[2]}


def _both(one: CellTotals, other: CellTotals) -> CellTotals:
    counters = tuple(a + b for a, b in zip(one.counters, other.counters, strict=True))
    return CellTotals(counters, merge([one.hist, other.hist]), merge([one.business_hist, other.business_hist]))


def added_panes(rows: Iterable[Row]) -> dict[PaneCell, CellTotals]:
    """Add up the batch's samples."""
    by_place: dict[PaneCell, list[Row]] = {}
    for row in rows:
        place = PaneCell(row.sample, row.at - row.at % PANE_MS, row.queue, row.priority, row.team, row.segment)
        by_place.setdefault(place, []).append(row)
    return {place: _sum(of) for place, of in by_place.items()}


def _sum(rows: list[Row]) -> CellTotals:
    lasting = [row.value_ms for row in rows if row.value_ms is not None]
    business = [row.business_ms for row in rows if row.business_ms is not None]
    counters = (
        len(rows),
        sum(row.within is not None for row in rows),
        sum(row.within is True for row in rows),
        sum(row.short is True for row in rows),
        sum(row.satisfied is True for row in rows),
        sum(lasting),
        len(business),
        sum(business),
        sum(row.value or 0 for row in rows),
    )
    return CellTotals(counters, dict(Counter(map(bucket, lasting))), dict(Counter(map(bucket, business))))


def assert_as_batch(store: MemoryStore, expected: list[Row]) -> None:
    """Expect the samples of a batch in a store, in every column, and its panes."""
    rows = sorted((key_of(row) for row in store.samples()), key=told)
    assert rows == sorted((key_of(row) for row in expected), key=told)
    assert kept_panes(store.panes()) == added_panes(expected)
