"""What a store must do: the protocol between the sink and ClickHouse, and the batch that is written.

A store owns its connection and nothing else. Writing is idempotent by key and version, so that the sink may write a
batch again after any failure. A store must never rely on seeing a batch only once, or every version of a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from schemas.exits import EndError, Exit
from sinks.rows import (
    AlertChangeRow,
    AlertDeliveryRow,
    ContactRow,
    EventRow,
    ObjectiveRow,
    PaneRow,
    Progress,
    SampleRow,
    SourceGaugeRow,
    TagPaneRow,
)


class StoreError(EndError):
    """The store does not answer, or refuses, such as without its tables; the message says which, and the fix."""

    def __init__(self, why: str) -> None:
        super().__init__(why, Exit.UNREACHABLE)


@dataclass
class Batch:
    """Rows to write together; of each key the latest version only."""

    events: list[EventRow] = field(default_factory=list)
    panes: list[PaneRow] = field(default_factory=list)
    tag_panes: list[TagPaneRow] = field(default_factory=list)
    samples: list[SampleRow] = field(default_factory=list)
    contacts: list[ContactRow] = field(default_factory=list)
    alert_changes: list[AlertChangeRow] = field(default_factory=list)
    alert_deliveries: list[AlertDeliveryRow] = field(default_factory=list)
    objectives: list[ObjectiveRow] = field(default_factory=list)
    source_gauges: list[SourceGaugeRow] = field(default_factory=list)
    #: Written last: all that it covers is written.
    progress: list[Progress] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        """Count the rows by table, without progress."""
        return {table: len(rows) for table, rows in vars(self).items() if table != "progress"}

    def __len__(self) -> int:
        return sum(self.counts().values())


class Store(Protocol):
    """Where the sink writes. Methods connect where they must, block, and are called from one thread at a time.

    They raise StoreError.
    """

    def write(self, batch: Batch) -> None:
        """Write a batch in the order of its fields; kept when this returns, and any part of it when it raises."""

    def progress(self) -> list[Progress]:
        """Return the latest progress of each source partition."""

    def save_gauges(self, minute: int) -> None:
        """Save the gauges of now under a minute (its beginning, UTC milliseconds), unless that is saved already.

        Where it raises, either nothing or all of it was saved.
        """

    def close(self) -> None:
        """Close the connection."""
