"""A keeper in memory, with the rules of the ClickHouse tables."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from sinks.port import Batch
from sinks.rows import ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow


class MemoryKeeper:
    """Keeps of each key the row with the largest version."""

    def __init__(self) -> None:
        self._events: dict[Hashable, EventRow] = {}
        self._panes: dict[Hashable, PaneRow] = {}
        self._tag_panes: dict[Hashable, TagPaneRow] = {}
        self._samples: dict[Hashable, SampleRow] = {}
        self._contacts: dict[Hashable, ContactRow] = {}
        self._progress: dict[Hashable, Progress] = {}

    def setup(self) -> None:
        """Do nothing: memory is always there."""

    def close(self) -> None:
        """Do nothing: what is kept stays, as it would in a server."""

    def write(self, batch: Batch) -> None:
        """Keep the rows."""
        _keep(self._events, batch.events, lambda row: (row.contact_id, row.agent_key, row.event_id, row.normalised))
        _keep(self._panes, batch.panes, lambda row: (*row[:4], *row[5 : row._fields.index("n")]))
        _keep(self._tag_panes, batch.tag_panes, lambda row: (*row[:4], *row[5:9]))
        _keep(self._samples, batch.samples, lambda row: (row.contact_id, row.sample, row.slot))
        _keep(self._contacts, batch.contacts, lambda row: row.contact_id)
        for progress in batch.progress:
            self._progress[progress.topic, progress.partition] = progress

    def progress(self) -> list[Progress]:
        """Return the latest progress of each source partition."""
        return list(self._progress.values())

    def note_gauges(self, minute: int) -> None:
        """Do nothing: no gauges are worked out here."""

    def events(self) -> list[EventRow]:
        """Return the archived events: of several contents under one id, the one that sorts first."""
        first: dict[Hashable, EventRow] = {}
        for row in sorted(self._events.values(), key=lambda row: row.normalised):
            first.setdefault((row.contact_id, row.agent_key, row.event_id), row)
        return list(first.values())

    def samples(self) -> list[SampleRow]:
        """Return the samples in effect."""
        return [row for row in self._samples.values() if not row.gone]

    def panes(self) -> list[PaneRow]:
        """Return the panes, one a source partition and epoch."""
        return list(self._panes.values())

    def tag_panes(self) -> list[TagPaneRow]:
        """Return the tags' panes, one a source partition and epoch."""
        return list(self._tag_panes.values())

    def contacts(self) -> list[ContactRow]:
        """Return each contact's latest state."""
        return list(self._contacts.values())


def _keep(kept: dict[Hashable, Any], rows: Iterable[Any], key: Any) -> None:  # noqa: ANN401 - any table's rows
    for row in rows:
        at = key(row)
        if at not in kept or row.version >= kept[at].version:
            kept[at] = row
