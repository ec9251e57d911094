"""The panes of one source partition: absolute values, changed by the samples that a step issues and retracts."""

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.journal import decode_any_pane_key, decode_pane, decode_tag_pane, encode_pane, encode_pane_key
from schemas.panes import PANE_MS, Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from streams.core.event import new_tuple
from streams.core.histogram import bucket

Key = PaneKey | TagPaneKey


class _Totals:
    """A pane while it is being changed; the fields are those of `Pane`."""

    __slots__ = (
        *("business_hist", "business_n", "business_sum_ms", "hist", "n", "n_satisfied", "n_short", "n_target"),
        *("n_within", "sum_ms", "sum_value"),
    )

    def __init__(self, pane: Pane) -> None:
        self.n, self.n_target, self.n_within, self.n_short, self.n_satisfied = pane[:5]
        self.sum_ms, self.business_n, self.business_sum_ms, self.sum_value = pane[5:9]
        self.hist, self.business_hist = dict(pane.hist), dict(pane.business_hist)

    def add(self, row: Sample, sign: int) -> None:
        """Add a sample (sign 1) or subtract it (-1)."""
        self.n += sign
        if row.target_ms is not None:
            self.n_target += sign
            if row.within:
                self.n_within += sign
            if row.short:
                self.n_short += sign
        if row.satisfied:
            self.n_satisfied += sign
        if row.value is not None:
            self.sum_value += sign * row.value
        if row.value_ms is not None:
            self.sum_ms += sign * row.value_ms
            _count(self.hist, bucket(row.value_ms), sign)
        if row.business_ms is not None:
            self.business_n += sign
            self.business_sum_ms += sign * row.business_ms
            _count(self.business_hist, bucket(row.business_ms), sign)

    def fields(self) -> tuple[Any, ...]:
        """Give the pane as it stands."""
        counts = self.n, self.n_target, self.n_within, self.n_short, self.n_satisfied, self.sum_ms
        return *counts, self.business_n, self.business_sum_ms, self.sum_value, self.hist, self.business_hist


class _TagTotals(_Totals):
    """A tag's pane while it is being changed; a subclass, for a union's methods are called more slowly in C."""

    __slots__ = ("known",)

    def __init__(self, pane: TagPane) -> None:
        self.n, self.known = pane

    def add(self, row: Sample, sign: int) -> None:
        self.n, self.known = self.n + sign, row.outcome == "known"

    def fields(self) -> tuple[Any, ...]:
        return self.n, self.known


def _count(histogram: dict[int, int], of: int, sign: int) -> None:
    n = histogram.get(of, 0) + sign
    if n:
        histogram[of] = n
    else:
        del histogram[of]


class PaneTotals:
    """All panes of a partition in memory, those of tags too, and which of them the current step has changed.

    What is added to a pane that was evicted is a supplement: a record of that step alone, which readers add.
    """

    def __init__(self) -> None:
        self._panes: dict[Key, _Totals] = {}
        self._changed: set[Key] = set()
        self._supplements: dict[Key, _Totals] = {}
        #: The step that last changed a pane, where the sink may not have it yet.
        self._changed_in: dict[Key, int] = {}
        #: Panes that begin before this and are not here may have been evicted, UTC milliseconds.
        self.panes_from = 0

    def __len__(self) -> int:
        return len(self._panes)

    def totals(self) -> Iterator[tuple[Key, tuple[Any, ...]]]:
        """Give every pane with its value."""
        return ((key, totals.fields()) for key, totals in self._panes.items())

    def load(self, key: bytes, value: bytes | None, step: int) -> None:
        """Load a pane from its journal record; without a value it was evicted."""
        pane_key = decode_any_pane_key(key)
        if value is None:
            self._panes.pop(pane_key, None)
            return
        is_tag = isinstance(pane_key, TagPaneKey)
        self._panes[pane_key] = _TagTotals(decode_tag_pane(value)) if is_tag else _Totals(decode_pane(value))
        self._changed_in[pane_key] = step

    def add(self, epoch: int, rows: Iterable[Sample], sign: int) -> None:
        """Add samples (sign 1) or subtract them (-1)."""
        panes, changed = self._panes, self._changed
        for row in rows:
            sample, _, at, queue, priority, team, segment = row[:7]
            start = at - at % PANE_MS
            key: PaneKey = new_tuple(PaneKey, (epoch, start, queue, priority, team, segment, sample))
            totals = panes.get(key)
            if totals is None:
                totals = self._new(key)
            else:
                changed.add(key)
            totals.add(row, sign)
            if sample == "tagged":
                tag = TagPaneKey(epoch, start, queue, row.tag)
                if tag in panes:
                    changed.add(tag)
                    panes[tag].add(row, sign)
                else:
                    self._new(tag).add(row, sign)

    def _new(self, key: Key) -> _Totals:
        """Begin a pane, or, where it may have been evicted, a supplement to it."""
        if key.start >= self.panes_from:
            self._changed.add(key)
            panes = self._panes
        else:
            panes = self._supplements
        return panes.setdefault(key, _Totals(Pane()) if isinstance(key, PaneKey) else _TagTotals(TagPane(0, False)))

    def records(self, step: int) -> Iterator[tuple[bytes, bytes]]:
        """Give the journal records of what changed since the last call; `step` is the current one."""
        for key in self._changed:
            yield encode_pane_key(key), encode_pane(self._panes[key].fields())
        for key, totals in self._supplements.items():
            yield encode_pane_key(key, step), encode_pane(totals.fields())
        self._changed_in.update(dict.fromkeys(self._changed, step))
        self._changed, self._supplements = set(), {}

    def evict(self, before: int, sink_step: int, at_most: int) -> list[bytes]:
        """Evict panes that begin before a time and that the sink has as they are; returns their journal keys.

        `sink_step` is the last step that the sink has. From now on what is added to a pane before that time, and is not
        here, is a supplement.
        """
        self._changed_in = {key: step for key, step in self._changed_in.items() if step > sink_step}
        self.panes_from = max(self.panes_from, before)
        evicted = [key for key in self._panes if key.start < before and key not in self._changed_in][:at_most]
        for key in evicted:
            del self._panes[key]
        return [encode_pane_key(key) for key in evicted]
