"""The panes of one source partition: absolute values, changed by the rows that a step issues and takes back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from schemas.journal import (
    decode_pane,
    decode_pane_key,
    decode_tag_pane,
    decode_tag_pane_key,
    encode_pane,
    encode_pane_key,
    encode_supplement_key,
    encode_tag_pane_key,
    encode_tag_supplement_key,
)
from schemas.panes import PANE_MS, Pane, PaneKey, TagPane, TagPaneKey
from schemas.samples import Sample
from streams.core.histogram import bucket

_key: Final = tuple.__new__  # makes a named tuple of its fields in half the time that naming it takes


class _Totals:
    """A pane while it is being changed; the fields are those of `Pane`, in its order."""

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
    """All panes of a partition in memory, and which of them the step in hand has changed.

    What is added to a pane that was evicted is a supplement: a record of that step alone, which readers add.
    """

    def __init__(self) -> None:
        self._panes: dict[PaneKey, _Totals] = {}
        self._tags: dict[TagPaneKey, tuple[int, bool]] = {}
        self._changed: set[PaneKey] = set()
        self._changed_tags: set[TagPaneKey] = set()
        self._supplements: dict[PaneKey, _Totals] = {}
        self._tag_supplements: dict[TagPaneKey, tuple[int, bool]] = {}
        #: The step that last changed a pane, where the sink may not have it yet.
        self._written: dict[PaneKey | TagPaneKey, int] = {}
        #: Panes that begin before this and are not here may have been evicted, UTC milliseconds.
        self.begin = 0

    def __len__(self) -> int:
        return len(self._panes) + len(self._tags)

    def totals(self) -> Iterator[tuple[PaneKey | TagPaneKey, tuple[Any, ...]]]:
        """Give every pane with its value."""
        yield from ((key, totals.fields()) for key, totals in self._panes.items())
        yield from self._tags.items()

    def load(self, key: bytes, value: bytes | None, step: int) -> None:
        """Take a pane from its journal record, or, without a value, forget it."""
        of = decode_pane_key(key)
        if value is None:
            self._panes.pop(of, None)
        else:
            self._panes[of] = _Totals(decode_pane(value))
            self._written[of] = step

    def load_tag(self, key: bytes, value: bytes | None, step: int) -> None:
        """Take a tag's pane from its journal record, or, without a value, forget it."""
        of = decode_tag_pane_key(key)
        if value is None:
            self._tags.pop(of, None)
        else:
            self._tags[of] = tuple(decode_tag_pane(value))  # type: ignore[assignment]  # (n, known)
            self._written[of] = step

    def add(self, epoch: int, rows: Iterable[Sample], sign: int) -> None:
        """Put rows in (sign 1) or take them out (-1)."""
        panes, changed = self._panes, self._changed
        for row in rows:
            sample, _, at, queue, priority, team, segment = row[:7]
            start = at - at % PANE_MS
            key: PaneKey = _key(PaneKey, (epoch, start, queue, priority, team, segment, sample))
            totals = panes.get(key)
            if totals is None:
                totals = self._new(key)
            else:
                changed.add(key)
            totals.add(row, sign)
            if sample == "tagged":
                self._add_tag(TagPaneKey(epoch, start, queue, row.tag), sign, known=row.outcome == "known")

    def _new(self, key: PaneKey) -> _Totals:
        """Begin a pane, or, where it may have been evicted, a supplement to it."""
        if key.start >= self.begin:
            self._changed.add(key)
            totals = self._panes[key] = _Totals(Pane())
            return totals
        return self._supplements.setdefault(key, _Totals(Pane()))

    def _add_tag(self, key: TagPaneKey, sign: int, *, known: bool) -> None:
        tags = self._tags
        if key in tags or key.start >= self.begin:
            self._changed_tags.add(key)
        else:
            tags = self._tag_supplements
        n, _ = tags.get(key, (0, known))
        tags[key] = n + sign, known

    def records(self, step: int) -> Iterator[tuple[bytes, bytes]]:
        """Give the journal records of what changed since the last call; `step` is the one in hand."""
        for key in self._changed:
            yield encode_pane_key(key), encode_pane(self._panes[key].fields())
        for tag_key in self._changed_tags:
            yield encode_tag_pane_key(tag_key), encode_pane(TagPane(*self._tags[tag_key]))
        for key, totals in self._supplements.items():
            yield encode_supplement_key(key, step), encode_pane(totals.fields())
        for tag_key, counted in self._tag_supplements.items():
            yield encode_tag_supplement_key(tag_key, step), encode_pane(TagPane(*counted))
        self._written.update(dict.fromkeys(self._changed, step))
        self._written.update(dict.fromkeys(self._changed_tags, step))
        self._changed, self._changed_tags = set(), set()
        self._supplements, self._tag_supplements = {}, {}

    def evict(self, before: int, passed: int, at_most: int) -> list[bytes]:
        """Forget panes that begin before a time and that the sink has as they are; returns their journal keys.

        `passed` is the last step that the sink has. From now on what is added to a pane before that time, and is not
        here, is a supplement.
        """
        self._written = {key: step for key, step in self._written.items() if step > passed}
        self.begin = max(self.begin, before)
        gone = [key for key in self._panes if key.start < before and key not in self._written][:at_most]
        gone_tags = [key for key in self._tags if key.start < before and key not in self._written][:at_most]
        for key in gone:
            del self._panes[key]
        for tag_key in gone_tags:
            del self._tags[tag_key]
        return [*map(encode_pane_key, gone), *map(encode_tag_pane_key, gone_tags)]
