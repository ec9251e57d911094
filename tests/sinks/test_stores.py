"""What both stores must do, in memory and on the real engine, and what ClickHouse's says where it cannot."""

from collections.abc import Callable, Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from deploy.embedded.ports import any_free
from schemas.settings import Settings
from sinks.clickhouse.migrations import migrate
from sinks.clickhouse.store import ClickHouseStore
from sinks.rows import Progress, first_wins_version, version_of
from sinks.store_protocol import Batch, Store, StoreError
from streams.clickhouse.connection import ANSWER_TIMEOUT_S, connect
from streams.configuration.environment import load_settings
from streams.monitoring.activities import Activities, Phase
from tests.sinks.memory_store import MemoryStore
from tests.sinks.rows import contact, event, pane, sample, tag_pane, write

MONTH_MS = 31 * 24 * 3600 * 1000
#: Reads columns of a table's rows in effect.
Kept = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(params=["memory", "clickhouse"])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Return an empty store."""
    made = MemoryStore() if request.param == "memory" else ClickHouseStore(request.getfixturevalue("database"))
    with closing(made) as store:
        yield store


@pytest.fixture
def kept(request: pytest.FixtureRequest, store: Store) -> Kept:
    """Return the way to read: by the store's own methods, or through the views."""

    def read(table: str, *columns: str) -> list[tuple[Any, ...]]:
        if isinstance(store, MemoryStore):
            return [tuple(getattr(row, column) for column in columns) for row in getattr(store, table)()]
        names = ", ".join(f"`{column}`" for column in columns)
        return list(request.getfixturevalue("client").query(f"SELECT {names} FROM {table}").result_rows)  # noqa: S608 - our own names

    return read


def test_of_one_key_the_largest_version_counts(store: Store, kept: Kept) -> None:
    """Whatever the order and the cut into batches, the newest row of a key is in effect."""
    store.write(Batch(samples=[sample(version_of(1, 7), value_ms=70)], contacts=[contact(8, queue="new")]))
    store.write(Batch(samples=[sample(version_of(1, 5), value_ms=50)], contacts=[contact(7, queue="old")]))
    assert kept("samples", "value_ms") == [(70,)]
    assert kept("contacts", "queue") == [("new",)]
    store.write(Batch(samples=[sample(version_of(2, 0), value_ms=0)]))
    assert kept("samples", "value_ms") == [(0,)]


def test_a_batch_again_changes_nothing(store: Store, kept: Kept) -> None:
    """After a failure the sink writes the same again."""
    batch = Batch([event()], [pane(3, 5)], [tag_pane(3, 2)], [sample(3, value_ms=1)], [contact(3)])
    store.write(batch)
    store.write(batch)
    keys = {"events": ("event_id", "e1"), "contacts": ("contact_id", "a:1")}
    values = {"panes": ("n", 5), "tag_panes": ("n", 2), "samples": ("value_ms", 1)}
    for table, (column, value) in {**keys, **values}.items():
        assert kept(table, column) == [(value,)]


def test_what_was_taken_back_is_not_in_effect(store: Store, kept: Kept) -> None:
    """A retraction hides a sample until a later version issues it again."""
    store.write(Batch(samples=[sample(1, value_ms=1)]))
    store.write(Batch(samples=[sample(2, retracted=True)]))
    assert kept("samples", "slot") == []
    store.write(Batch(samples=[sample(3, value_ms=None, within=None)]))
    assert kept("samples", "value_ms", "within") == [(None, None)]


def test_a_value_may_become_null(store: Store, kept: Kept) -> None:
    """The newest row counts as a whole: a null in it is its value."""
    store.write(Batch(samples=[sample(1, value_ms=5, within=True, caused_by="e1")], contacts=[contact(1, rating=1)]))
    store.write(Batch(samples=[sample(2)], contacts=[contact(2)]))
    assert kept("samples", "value_ms", "within", "caused_by") == [(None, None, None)]
    assert kept("contacts", "rating") == [(None,)]


def test_of_one_event_id_the_smallest_content_stays(store: Store, kept: Kept) -> None:
    """In any order of arrival; of the same content the first to arrive."""
    small, large = (event(offset=9, normalised=b'{"a":1}', queue="small"), event(normalised=b'{"a":2}', queue="large"))
    store.write(Batch(events=[small]))
    store.write(Batch(events=[large, small._replace(version=first_wins_version(1, 4), offset=4)]))
    assert kept("events", "queue", "offset") == [("small", 4)]


def test_agents_and_contacts_do_not_collide(store: Store, kept: Kept) -> None:
    """An agent's event is another one, though its id and the agent's be those of a contact's."""
    of_agent = event(contact_id="", agent_key="a:1", channel="", type="agent.status")
    store.write(Batch(events=[event(), of_agent]))
    assert sorted(kept("events", "type")) == [("agent.status",), ("contact.started",)]


def test_the_latest_progress_of_a_partition(store: Store) -> None:
    """What was written last counts, also where it is further back; partitions are apart."""
    assert store.progress() == []
    first = Progress("contacts.chat", 0, 1, 100, 10, 0, 50, 1_790_000_000_000)
    claim = Progress("contacts.chat", 0, 2, 0, 0, -1, 0, 1_790_000_000_001)
    other = Progress("contacts.call", 0, 1, 5, 1, -1, 3, 1_790_000_000_000, 2, "SLl2Dh8OQmmU0Z9xQ4xXcA")
    store.write(Batch(progress=[first, other]))
    store.write(Batch(progress=[claim]))
    assert sorted(store.progress()) == sorted([claim, other])


def test_panes_of_partitions_add_up(database: Settings, client: Client) -> None:
    """The views add source partitions and epochs, histograms included."""
    write(database, Batch(panes=[pane(1, 5), pane(1, 2, partition=1), pane(9, 1, epoch=2)]))
    write(database, Batch(panes=[pane(2, 4)], tag_panes=[tag_pane(1, 3), tag_pane(1, 4, partition=1)]))
    assert client.query("SELECT n, sum_ms, hist FROM panes").result_rows == [(7, 70, {3: 7})]
    assert client.query("SELECT n, known FROM tag_panes").result_rows == [(7, True)]


def test_years_of_history_in_one_batch(database: Settings, client: Client) -> None:
    """A replay may touch more months than a server takes at once by its defaults."""
    months = [event(f"e{n}", occurred_at=n * MONTH_MS) for n in range(130)]
    write(database, Batch(events=months))
    assert client.query("SELECT count() FROM events").result_rows == [(130,)]


def test_without_tables_it_names_the_way_out(empty_database: Settings) -> None:
    """A database that is not there, or has no tables, is refused with the command that makes them."""
    with pytest.raises(StoreError, match="pulssi migrate"):
        ClickHouseStore(empty_database).progress()


def test_tables_of_an_older_version_name_the_way_out(empty_database: Settings) -> None:
    """A sink that was upgraded before its tables names what is missing and the command that adds it."""
    migrate(empty_database)
    with connect(empty_database) as client:
        client.command("ALTER TABLE progress DROP COLUMN journal")
    with pytest.raises(StoreError, match="pulssi migrate"), closing(ClickHouseStore(empty_database)) as store:
        store.progress()


def test_a_slow_server_that_gets_on_is_not_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch is an insert a table, each with a time limit of its own: together they may take longer than any one."""
    now, sizes = [0.0], list[float]()
    activities = Activities(lambda: now[0])

    class Slow:
        def create_insert_context(self, *_: object, **__: object) -> SimpleNamespace:
            return SimpleNamespace()

        def insert(self, **_: object) -> None:
            now[0] += ANSWER_TIMEOUT_S
            sizes.extend(each.seconds for each in activities.stuck())

    monkeypatch.setattr("sinks.clickhouse.store.connect", lambda *_, **__: Slow())
    batch = Batch(
        [event()],
        [pane(1, 1)],
        [tag_pane(1, 1)],
        [sample(1)],
        [contact(1)],
        progress=[Progress("t", 0, 1, 0, 0, 0, 0, 0)],
    )
    with activities.during(Phase.INSERTING, "the sink"):
        ClickHouseStore(load_settings({})).write(batch)
    assert sizes == [ANSWER_TIMEOUT_S] * 6


def test_nobody_there_is_away_and_no_secret_is_told() -> None:
    """A server that does not answer is waited for; its password is in no message."""
    settings = load_settings({"PULSSI_CLICKHOUSE_URL": f"http://someone:hush@127.0.0.1:{any_free('127.0.0.1')}"})
    with pytest.raises(StoreError, match=r"127\.0\.0\.1") as caught:
        ClickHouseStore(settings).progress()
    assert "hush" not in str(caught.value)
