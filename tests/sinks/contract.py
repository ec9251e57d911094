"""Rows for tests of the sink, and what every keeper must do: the same cases for each."""

from __future__ import annotations

from contextlib import closing
from typing import Any, Final

import pytest

from schemas.settings import Settings
from sinks.clickhouse.keeper import ClickHouseKeeper
from sinks.pending import contact_row
from sinks.port import Batch, Keeper
from sinks.rows import ContactRow, EventRow, PaneRow, Progress, SampleRow, TagPaneRow, first_wins, version_of
from tests.streams.live.steps import summary


def event(event_id: str = "e1", offset: int = 0, epoch: int = 1, **fields: Any) -> EventRow:  # noqa: ANN401 - columns
    """Make an archived event."""
    plain = EventRow(
        "a:1", "", event_id, b"{}", 1_790_000_000_123, first_wins(epoch, offset), "contact.started", "chat", 0
    )
    came = {"received_at": 1_790_000_000_456 + offset, "topic": "contacts.chat", "offset": offset, "epoch": epoch}
    return EventRow(**{**plain._asdict(), **came, **fields})


def sample(version: int, *, gone: bool = False, **fields: Any) -> SampleRow:  # noqa: ANN401 - any columns
    """Make a sample."""
    own = {"contact_id": "a:1", "channel": "", "sample": "handle", "slot": "e1", "at": 1_790_000_000_000}
    return SampleRow(version=version, gone=gone, **{**own, **fields})


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
    with closing(ClickHouseKeeper(database)) as keeper:
        keeper.write(batch)


class KeeperContract:
    """The cases. A subclass gives the keeper and says how what it keeps is read."""

    @pytest.fixture
    def keeper(self) -> Keeper:
        """Return an empty keeper that is set up."""
        raise NotImplementedError

    def kept(self, keeper: Keeper, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """Read columns of a table's rows in effect."""
        raise NotImplementedError

    def test_of_one_key_the_largest_version_counts(self, keeper: Keeper) -> None:
        """Whatever the order and the cut into batches, the newest row of a key is in effect."""
        keeper.write(Batch(samples=[sample(version_of(1, 7), value_ms=70)], contacts=[contact(8, queue="new")]))
        keeper.write(Batch(samples=[sample(version_of(1, 5), value_ms=50)], contacts=[contact(7, queue="old")]))
        assert self.kept(keeper, "samples", "value_ms") == [(70,)]
        assert self.kept(keeper, "contacts", "queue") == [("new",)]
        keeper.write(Batch(samples=[sample(version_of(2, 0), value_ms=0)]))
        assert self.kept(keeper, "samples", "value_ms") == [(0,)]

    def test_a_batch_again_changes_nothing(self, keeper: Keeper) -> None:
        """After a failure the sink writes the same again."""
        batch = Batch([event()], [pane(3, 5)], [tag_pane(3, 2)], [sample(3, value_ms=1)], [contact(3)])
        keeper.write(batch)
        keeper.write(batch)
        for table, column, value in (
            ("events", "event_id", "e1"),
            ("panes", "n", 5),
            ("tag_panes", "n", 2),
            ("samples", "value_ms", 1),
            ("contacts", "contact_id", "a:1"),
        ):
            assert self.kept(keeper, table, column) == [(value,)]

    def test_what_was_taken_back_is_not_in_effect(self, keeper: Keeper) -> None:
        """A retraction hides a sample until a later version issues it again."""
        keeper.write(Batch(samples=[sample(1, value_ms=1)]))
        keeper.write(Batch(samples=[sample(2, gone=True)]))
        assert self.kept(keeper, "samples", "slot") == []
        keeper.write(Batch(samples=[sample(3, value_ms=None, within=None)]))
        assert self.kept(keeper, "samples", "value_ms", "within") == [(None, None)]

    def test_a_value_may_become_null(self, keeper: Keeper) -> None:
        """The newest row counts as a whole: a null in it is its value."""
        keeper.write(
            Batch(samples=[sample(1, value_ms=5, within=True, caused_by="e1")], contacts=[contact(1, rating=1)])
        )
        keeper.write(Batch(samples=[sample(2)], contacts=[contact(2)]))
        assert self.kept(keeper, "samples", "value_ms", "within", "caused_by") == [(None, None, None)]
        assert self.kept(keeper, "contacts", "rating") == [(None,)]

    def test_of_one_event_id_the_smallest_content_stays(self, keeper: Keeper) -> None:
        """In any order of arrival; of the same content the first to arrive."""
        small, large = (
            event(offset=9, normalised=b'{"a":1}', queue="small"),
            event(normalised=b'{"a":2}', queue="large"),
        )
        keeper.write(Batch(events=[small]))
        keeper.write(Batch(events=[large, small._replace(version=first_wins(1, 4), offset=4)]))
        assert self.kept(keeper, "events", "queue", "offset") == [("small", 4)]

    def test_agents_and_contacts_do_not_collide(self, keeper: Keeper) -> None:
        """An agent's event is another one, though its id and the agent's be those of a contact's."""
        of_agent = event(contact_id="", agent_key="a:1", channel="", type="agent.status")
        keeper.write(Batch(events=[event(), of_agent]))
        assert sorted(self.kept(keeper, "events", "type")) == [("agent.status",), ("contact.started",)]

    def test_the_latest_progress_of_a_partition(self, keeper: Keeper) -> None:
        """What was written last counts, also where it is further back; partitions are apart."""
        assert keeper.progress() == []
        first = Progress("contacts.chat", 0, 1, 100, 10, 0, 50, 1_790_000_000_000)
        claim = Progress("contacts.chat", 0, 2, 0, 0, -1, 0, 1_790_000_000_001)
        other = Progress("contacts.call", 0, 1, 5, 1, -1, 3, 1_790_000_000_000)
        keeper.write(Batch(progress=[first, other]))
        keeper.write(Batch(progress=[claim]))
        assert sorted(keeper.progress()) == sorted([claim, other])
