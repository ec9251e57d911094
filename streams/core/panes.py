"""The panes of one source partition: absolute values, changed by the rows that a step issues and takes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from schemas.journal import (
    decode_pane,
    decode_pane_key,
    decode_tag_pane,
    decode_tag_pane_key,
    encode_pane,
    encode_pane_key,
    encode_tag_pane_key,
)
from schemas.panes import PANE_MS, Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from streams.core.histogram import bucket


class _Totals:
    """A pane while it is being changed; the fields are those of `Pane`, in its order."""

    __slots__ = (
        *("n", "n_target", "n_within", "n_short", "n_satisfied", "sum_ms"),
        *("business_n", "business_sum_ms", "sum_value", "hist", "business_hist"),
    )

    def __init__(self, pane: Pane) -> None:
        self.n = pane.n
        self.n_target = pane.n_target
        self.n_within = pane.n_within
        self.n_short = pane.n_short
        self.n_satisfied = pane.n_satisfied
        self.sum_ms = pane.sum_ms
        self.business_n = pane.business_n
        self.business_sum_ms = pane.business_sum_ms
        self.sum_value = pane.sum_value
        self.hist = dict(pane.hist)
        self.business_hist = dict(pane.business_hist)

    def add(self, row: Sample, sign: int) -> None:
        """Put a row in (sign 1) or take it out (-1)."""
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

    def fields(self) -> Pane:
        """Give the pane as it stands."""
        return Pane(
            self.n,
            self.n_target,
            self.n_within,
            self.n_short,
            self.n_satisfied,
            self.sum_ms,
            self.business_n,
            self.business_sum_ms,
            self.sum_value,
            self.hist,
            self.business_hist,
        )


def _count(histogram: dict[int, int], of: int, sign: int) -> None:
    n = histogram.get(of, 0) + sign
    if n:
        histogram[of] = n
    else:
        del histogram[of]


class Panes:
    """All panes of a partition in memory, and which of them the step in hand has changed."""

    def __init__(self) -> None:
        self._panes: dict[PaneKey, _Totals] = {}
        self._tags: dict[TagPaneKey, tuple[int, bool]] = {}
        self._changed: set[PaneKey] = set()
        self._changed_tags: set[TagPaneKey] = set()

    def __len__(self) -> int:
        return len(self._panes) + len(self._tags)

    def load(self, key: bytes, value: bytes) -> None:
        """Take a pane from its journal record."""
        self._panes[decode_pane_key(key)] = _Totals(decode_pane(value))

    def load_tag(self, key: bytes, value: bytes) -> None:
        """Take a tag's pane from its journal record."""
        self._tags[decode_tag_pane_key(key)] = tuple(decode_tag_pane(value))  # type: ignore[assignment]  # (n, known)

    def add(self, epoch: int, rows: Iterable[Sample], sign: int) -> None:
        """Put rows in (sign 1) or take them out (-1)."""
        panes, changed = self._panes, self._changed
        for row in rows:
            start = row.at - row.at % PANE_MS
            key = PaneKey(epoch, start, row.queue, row.priority, row.team, row.segment, row.sample)
            totals = panes.get(key)
            if totals is None:
                totals = panes[key] = _Totals(Pane())
            totals.add(row, sign)
            changed.add(key)
            if row.sample == "tagged":
                self._add_tag(TagPaneKey(epoch, start, row.queue, row.tag), sign, known=row.outcome == "known")

    def _add_tag(self, key: TagPaneKey, sign: int, *, known: bool) -> None:
        n, _ = self._tags.get(key, (0, known))
        self._tags[key] = n + sign, known
        self._changed_tags.add(key)

    def records(self) -> Iterator[tuple[bytes, bytes]]:
        """Give the journal records of what changed since the last call."""
        for key in self._changed:
            yield encode_pane_key(key), encode_pane(self._panes[key].fields())
        for tag_key in self._changed_tags:
            yield encode_tag_pane_key(tag_key), encode_pane(TagPane(*self._tags[tag_key]))
        self._changed = set()
        self._changed_tags = set()
