"""Rows for tests of the sink, and the way to write them."""

from contextlib import closing
from typing import Any, Final

from clickhouse_connect.driver.client import Client

from schemas.settings import Settings
from sinks.clickhouse.store import ClickHouseStore
from sinks.pending_batch import contact_row
from sinks.rows import ContactRow, EventRow, PaneRow, SampleRow, TagPaneRow, first_wins_version
from sinks.store_protocol import Batch
from tests.streams.live.steps import summary


def event(event_id: str = "e1", offset: int = 0, epoch: int = 1, **fields: Any) -> EventRow:  # noqa: ANN401 - columns
    """Make an archived event."""
    plain = EventRow(
        "a:1", "", event_id, b"{}", 1_790_000_000_123, first_wins_version(epoch, offset), "contact.started", "chat", 0
    )
    came = {"received_at": 1_790_000_000_456 + offset, "topic": "contacts.chat", "offset": offset, "epoch": epoch}
    return EventRow(**{**plain._asdict(), **came, **fields})


def sample(version: int, *, retracted: bool = False, **fields: Any) -> SampleRow:  # noqa: ANN401 - any columns
    """Make a sample."""
    own = {"contact_id": "a:1", "channel": "", "sample": "handle", "slot": "e1", "at": 1_790_000_000_000}
    return SampleRow(version=version, retracted=retracted, **{**own, **fields})


_PANE: Final = {"topic": "contacts.chat", "partition": 0, "channel": "chat", "supplement": "", "version": 1}
_PANE_KEY: Final = {"epoch": 1, "pane_start": 1_790_000_040_000, "queue": "q"}


def pane(version: int = 1, n: int = 1, **fields: Any) -> PaneRow:  # noqa: ANN401 - any columns
    """Make a pane; what it counts lasted 10 ms."""
    key = {**_PANE_KEY, "priority": "normal", "team": "", "segment": "", "sample": "handle"}
    value = {"n": n, "n_target": n, "n_within": n, "sum_ms": 10 * n, "hist": {3: n}}
    return PaneRow(**{**_PANE, **key, **value, "version": version, **fields})


def tag_pane(version: int = 1, n: int = 1, **fields: Any) -> TagPaneRow:  # noqa: ANN401 - any columns
    """Make a tag's pane."""
    return TagPaneRow(**{**_PANE, **_PANE_KEY, "tag": "billing", "known": True, "version": version, "n": n, **fields})


def contact(version: int, **fields: Any) -> ContactRow:  # noqa: ANN401 - any columns
    """Make an open chat without a queue."""
    plain = {"queue": "", "priority": "", "agents": ["x", "y"], "started_at": None, "last_at": 1_790_000_000_000}
    row = contact_row("a:1", version, summary(**plain, leaves_at=4_000_000_000_000))
    return ContactRow(**{**row._asdict(), **fields})


def write(database: Settings, batch: Batch) -> None:
    """Write rows as the sink does."""
    with closing(ClickHouseStore(database)) as store:
        store.write(batch)


def types(client: Client, view: str) -> dict[str, str]:
    """Return the columns of a view or table with their types, in order."""
    return {str(row[0]): str(row[1]) for row in client.query(f"DESCRIBE TABLE {view}").result_rows}
