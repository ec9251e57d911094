"""Asterisk's realtime table must have ids that do not repeat: of two rows with one id the later one would be lost."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Final

import pytest

from streams.sources.following import queue_log_table
from streams.sources.following.follower import FollowError
from tests.fixtures.tls import Certificate
from tests.streams.sources.database_servers import DatabaseServer, address, execute, running
from tests.streams.sources.following.queue_log_tables import FIVE, SERVERS, TEXTS, account, make, pages_of, row

#: What the database may hold of the column `id`, by its table's statements; whether it can be followed.
_ID: Final = f"id BIGINT NOT NULL, time varchar(26), {TEXTS}, {FIVE}"
IDS: Final = [
    ((f"CREATE TABLE ids ({_ID}, UNIQUE (id))",), True),
    ((f"CREATE TABLE ids ({_ID}, PRIMARY KEY (id))",), True),
    ((f"CREATE TABLE ids ({_ID})", "CREATE UNIQUE INDEX ids_by_id ON ids (id)"), True),
    ((f"CREATE TABLE ids ({_ID})",), False),
    ((f"CREATE TABLE ids ({_ID})", "CREATE INDEX ids_by_id ON ids (id)"), False),
    ((f"CREATE TABLE ids ({_ID}, PRIMARY KEY (id, time))",), False),
    ((f"CREATE TABLE ids ({_ID.replace(' NOT NULL', '')}, UNIQUE (id))",), False),
]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[DatabaseServer]:
    """Run a server for all tests of this file."""
    with running(request.param, certificate) as started:
        yield started


@pytest.fixture
def table(server: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> DatabaseServer:
    """Make the table as Asterisk's users do, and empty; it is read all the time."""
    monkeypatch.setattr(queue_log_table, "EVERY_S", 0.01)
    make(server)
    return server


@pytest.mark.parametrize(("made", "follows"), IDS)
async def test_an_id_that_may_repeat(table: DatabaseServer, made: tuple[str, ...], follows: bool) -> None:  # noqa: FBT001
    """Of two rows with one number the later one would be lost: the table is refused before a row is read."""
    execute(table, "DROP TABLE IF EXISTS ids", *made, first_row("ids"))
    whose = "asterisk." if table.scheme == "mysql" else "public."
    async with aclosing(pages_of(account(address(table), table=f"{whose if follows else ''}ids"))) as pages:
        if follows:
            assert len((await anext(pages)).payloads) == 1
            return
        with pytest.raises(FollowError, match="nothing keeps `id` of ids unique: make it the primary key"):
            await anext(pages)


def first_row(of: str, at: str = "2026-03-02 10:00:00.5") -> str:
    """Write an INSERT that gives the number 1 to its row."""
    numbered = row(1, at).replace("(time,", "(id, time,").replace("VALUES (", "VALUES (1, ")
    return numbered.replace("queue_log", of)


async def test_a_view_of_the_table(table: DatabaseServer) -> None:
    """A view has no keys: its rows are looked at, those that are read already excepted."""
    half = "SELECT * FROM queue_log UNION ALL SELECT * FROM queue_log WHERE id = 1"
    execute(table, row(1), row(2), "CREATE VIEW once AS SELECT * FROM queue_log", f"CREATE VIEW twice AS {half}")
    try:
        async with aclosing(pages_of(account(address(table), table="once"))) as pages:
            assert len((await anext(pages)).payloads) == 2
        async with aclosing(pages_of(account(address(table), table="twice"))) as pages:
            with pytest.raises(FollowError, match="twice has several rows with the same `id`: make it unique"):
                await anext(pages)
        async with aclosing(pages_of(account(address(table), table="twice"), {"id": 1})) as pages:
            assert len((await anext(pages)).payloads) == 1
    finally:
        execute(table, "DROP VIEW once", "DROP VIEW twice")


async def test_a_view_whose_ids_repeat_later(table: DatabaseServer) -> None:
    """It is followed until then, and refused before either of both rows is sent."""
    execute(
        table, row(1), "CREATE VIEW later AS SELECT * FROM queue_log UNION ALL SELECT * FROM queue_log WHERE id > 1"
    )
    try:
        async with aclosing(pages_of(account(address(table), table="later"))) as pages:
            assert len((await anext(pages)).payloads) == 1
            execute(table, row(2))
            with pytest.raises(FollowError, match="later has several rows with the same `id`"):
                await anext(pages)
    finally:
        execute(table, "DROP VIEW later")


async def test_a_table_that_is_recreated_without_a_key(table: DatabaseServer) -> None:
    """What was unique is not for ever: it is looked at again."""
    execute(table, row(1), row(2))
    async with aclosing(pages_of(account(address(table)))) as pages:
        assert len((await anext(pages)).payloads) == 2
        execute(table, "DROP TABLE queue_log", f"CREATE TABLE queue_log ({_ID})")
        execute(table, first_row("queue_log"))
        with pytest.raises(FollowError, match="nothing keeps `id` of queue_log unique"):
            await anext(pages)
