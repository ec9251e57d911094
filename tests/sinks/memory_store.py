"""A store in memory, with the rules of the ClickHouse tables."""

from collections.abc import Hashable
from operator import attrgetter
from typing import Any, Final

from sinks.rows import ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow
from sinks.store_protocol import Batch

_PART: Final = ("topic", "partition", "supplement", "epoch", "pane_start", "channel", "queue")
#: The columns of each table's key.
_KEYS: Final = {
    "events": attrgetter("contact_id", "agent_key", "event_id", "normalised"),
    "panes": attrgetter(*_PART, "sample", "priority", "team", "segment"),
    "tag_panes": attrgetter(*_PART, "tag"),
    "samples": attrgetter("contact_id", "sample", "slot"),
    "contacts": attrgetter("contact_id"),
    "alert_changes": attrgetter("alert_id", "sequence"),
    "alert_deliveries": attrgetter("webhook_id", "attempt"),
    "objectives": attrgetter("policy", "channel", "queue", "window_ms"),
}


class MemoryStore:
    """Keeps of each key the row with the largest version."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[Hashable, Any]] = {table: {} for table in _KEYS}
        self._progress: dict[Hashable, Progress] = {}

    def close(self) -> None:
        """Do nothing: what is kept stays, as it would in a server."""

    def write(self, batch: Batch) -> None:
        """Keep the rows."""
        for table, key in _KEYS.items():
            kept = self._kept[table]
            for row in getattr(batch, table):
                if row.version >= kept.setdefault(key(row), row).version:
                    kept[key(row)] = row
        for progress in batch.progress:
            self._progress[progress.topic, progress.partition, progress.epoch] = progress

    def progress(self) -> list[Progress]:
        """Return the progress of each source partition in its latest epoch."""
        by_epoch = sorted(self.progress_of_epochs(), key=attrgetter("epoch"))
        return list({(row.topic, row.partition): row for row in by_epoch}.values())

    def progress_of_epochs(self) -> list[Progress]:
        """Return the latest progress of each source partition in each epoch."""
        return list(self._progress.values())

    def save_gauges(self, minute: int) -> None:
        """Do nothing: no gauges are worked out here."""

    def contents(self) -> list[EventRow]:
        """Return every content of every event id, as the table has them."""
        return list(self._kept["events"].values())

    def events(self) -> list[EventRow]:
        """Return the archived events: of several contents under one id, the one that sorts first."""
        first: dict[Hashable, EventRow] = {}
        for row in sorted(self.contents(), key=attrgetter("normalised")):
            first.setdefault((row.contact_id, row.agent_key, row.event_id), row)
        return list(first.values())

    def samples(self) -> list[SampleRow]:
        """Return the samples in effect."""
        return [row for row in self._kept["samples"].values() if not row.retracted]

    def panes(self) -> list[PaneRow]:
        """Return the panes, one a source partition and epoch."""
        return list(self._kept["panes"].values())

    def tag_panes(self) -> list[TagPaneRow]:
        """Return the tags' panes, one a source partition and epoch."""
        return list(self._kept["tag_panes"].values())

    def contacts(self) -> list[ContactRow]:
        """Return each contact's latest state."""
        return list(self._kept["contacts"].values())
