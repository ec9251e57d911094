"""Following Asterisk's realtime table in real databases: late commits, restarts, faults, and what the columns hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, aclosing, asynccontextmanager, closing
from functools import partial
from typing import Any, Final

import orjson
import pytest

from streams.sources.adapter import Payload
from streams.sources.backfill.pages import Page
from streams.sources.checked_events import map_payload
from streams.sources.database_rows import DatabaseAwayError
from streams.sources.following import passed_over, queue_log_table
from streams.sources.following.follower import FollowError
from streams.sources.read_only_database import DatabaseRefusedError, ReadOnlyDatabase
from streams.sources.registry import adapter_of
from tests.fixtures.tls import Certificate
from tests.streams.sources.database_servers import DatabaseServer, address, execute, running
from tests.streams.sources.following.queue_log_tables import CALL, RULES, SERVERS, account, make, pages_of, row
from tests.until import until


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, certificate: Certificate) -> Iterator[DatabaseServer]:
    """Run a server for all tests of this file."""
    with running(request.param, certificate) as started:
        yield started


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EVERY_S", "LATE_EVERY_S", "AGAIN_S"):
        monkeypatch.setattr(queue_log_table, name, 0.01)


@pytest.fixture
def table(server: DatabaseServer) -> DatabaseServer:
    """Make the table as Asterisk's users do, and empty."""
    make(server)
    return server


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the statements that are asked."""
    found: list[str] = []
    rows = ReadOnlyDatabase.rows

    async def noted(self: ReadOnlyDatabase, statement: str) -> Any:  # noqa: ANN401 - as it has it
        found.append(statement)
        return await rows(self, statement)

    monkeypatch.setattr(ReadOnlyDatabase, "rows", noted)
    return found


class Followed:
    """The pages that a follower yields, as they come."""

    def __init__(self) -> None:
        self.pages: list[Page] = []

    @property
    def position(self) -> Mapping[str, Any]:
        """The position as it is kept."""
        kept: Mapping[str, Any] = orjson.loads(orjson.dumps(self.pages[-1].position))
        return kept

    def numbers(self) -> list[int]:
        """Give the numbers of the rows, as they came."""
        return [int(orjson.loads(payload.body)["id"]) for page in self.pages for payload in page.payloads]

    def events(self) -> list[dict[str, Any]]:
        """Map the rows."""
        return [
            orjson.loads(record.value)
            for page in self.pages
            for payload in page.payloads
            for record in map_payload(adapter_of("asterisk"), payload.form, Payload(payload.body), RULES).records
        ]


@asynccontextmanager
async def followed(server: DatabaseServer, position: Mapping[str, Any] | None = None) -> AsyncIterator[Followed]:
    """Follow while it is used; a fault of the follower is the test's."""
    found = Followed()

    async def follow() -> None:
        async with aclosing(pages_of(account(address(server)), position)) as pages:
            async for page in pages:
                found.pages.append(page)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(follow())
        yield found
        task.cancel()


async def test_rows_come_as_they_are_written(table: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of the past in full pages, then each as it comes; where they stand is told."""
    monkeypatch.setattr(queue_log_table, "ROWS_AT_ONCE", 3)
    execute(table, *(row(number) for number in range(1, 8)))
    async with followed(table) as found:
        await until(lambda: len(found.numbers()) == 7)
        execute(table, row(8))
        await until(lambda: len(found.numbers()) == 8)
    assert found.numbers() == list(range(1, 9))
    assert [len(page.payloads) for page in found.pages] == [3, 3, 1, 1]
    assert found.pages[-1].payloads[0].where == "queue_log 8"
    assert found.position == {"id": 8}


async def test_a_row_that_is_committed_late(table: DatabaseServer) -> None:
    """It comes though rows with higher numbers came before; the position waits for it, so a restart loses nothing."""
    execute(table, row(1))
    with closing(table.connect()) as late, closing(late.cursor()) as cursor:
        cursor.execute(row(2))
        execute(table, row(3), row(4))
        async with followed(table) as found:
            await until(lambda: found.numbers() == [1, 3, 4])
            kept = found.position
            assert kept == {"id": 1}
            late.commit()
            await until(lambda: found.numbers() == [1, 3, 4, 2])
            assert found.position == {"id": 4}
        async with followed(table, kept) as again:
            await until(lambda: again.numbers() == [2, 3, 4])
    first = {event["event_id"] + event["contact_id"]: event for event in found.events()}
    assert {event["event_id"] + event["contact_id"]: event for event in again.events()}.items() <= first.items()


async def test_many_rows_that_are_committed_late(
    table: DatabaseServer, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of one transaction come, however many, though their time to wait ends while they are read."""
    monkeypatch.setattr(queue_log_table, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(queue_log_table, "LATE_EVERY_S", 3600.0)
    execute(table, row(1))
    with closing(table.connect()) as late, closing(late.cursor()) as cursor:
        for number in range(2, 12):
            cursor.execute(row(number))
        execute(table, row(12))
        async with followed(table) as found:
            await until(lambda: len(asked) >= 4)  # it has looked for them once, and will not soon
            late.commit()
            monkeypatch.setattr(passed_over, "LATE_S", 0.0)
            monkeypatch.setattr(queue_log_table, "LATE_EVERY_S", 0.01)
            await until(lambda: found.position == {"id": 12})
    assert found.numbers() == [1, 12, *range(2, 12)]


async def test_a_page_that_takes_minutes_to_send(table: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is committed while late ones are sent is found, though its five minutes end meanwhile."""
    now = 0.0
    monkeypatch.setattr(queue_log_table, "PassedOver", partial(passed_over.PassedOver, clock=lambda: now))
    with ExitStack() as stack:
        late = []
        for number in range(1, 6):
            if number % 2:
                execute(table, row(number))
                continue
            late.append(stack.enter_context(closing(table.connect())))
            stack.enter_context(closing(late[-1].cursor())).execute(row(number))
        async with aclosing(pages_of(account(address(table)))) as pages:
            read = [each.where for each in (await anext(pages)).payloads]
            late[0].commit()
            read += [each.where for each in (await anext(pages)).payloads]
            late[1].commit()
            now = 1000.0
            read += [each.where for each in (await anext(pages)).payloads]
    assert read == [f"queue_log {number}" for number in (1, 3, 5, 2, 4)]


async def test_a_number_without_a_row_is_given_up(table: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction that was rolled back has used up its number: after a time nobody waits for it."""
    execute(table, row(1))
    with closing(table.connect()) as other, closing(other.cursor()) as cursor:
        cursor.execute(row(2))
        other.rollback()
    execute(table, row(3))
    async with followed(table) as found:
        await until(lambda: found.numbers() == [1, 3])
        assert found.position == {"id": 1}
        monkeypatch.setattr(passed_over, "LATE_S", 0.0)
        await until(lambda: found.position == {"id": 3})
    assert found.pages[-1].payloads == ()


async def test_a_table_that_is_emptied(table: DatabaseServer, caplog: pytest.LogCaptureFixture) -> None:
    """Its ids restart, so it is read from its first row; the old and the new rows are different events."""
    execute(table, row(1), row(2), row(3))
    async with followed(table) as found:
        await until(lambda: len(found.numbers()) == 3)
        make(table)
        execute(table, row(1, "2026-03-02 10:00:00.5"))
        await until(lambda: len(found.numbers()) == 4)
    assert "the ids of queue_log have restarted" in caplog.text
    assert found.position == {"id": 1}
    assert len({(event["contact_id"], event["event_id"]) for event in found.events()}) == 4


async def test_rows_that_are_deleted(table: DatabaseServer, asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    """Old rows and the newest ones may go: what was read is not read again, and what comes is."""
    execute(table, *(row(number) for number in range(1, 5)))
    async with followed(table) as found:
        await until(lambda: len(found.numbers()) == 4)
        execute(table, "DELETE FROM queue_log WHERE id IN (1, 4)")
        before = len(asked)
        await until(lambda: len(asked) >= before + 6)
        execute(table, row(5))
        await until(lambda: 5 in found.numbers())
    assert found.numbers() == [1, 2, 3, 4, 5]
    assert "have restarted" not in caplog.text


async def test_a_server_that_goes_away(table: DatabaseServer) -> None:
    """It is waited for, and says so until it answers again; what is written then comes."""
    execute(table, row(1))
    async with followed(table) as found:
        await until(lambda: found.numbers() == [1])
        table.stop()
        await until(lambda: "does not answer" in (found.pages[-1].fault or ""))
        table.start()
        await until(lambda: found.pages[-1].fault is None)  # without a row, too
        execute(table, row(2))
        await until(lambda: found.numbers() == [1, 2])


#: What a column `time` may be, what stands in it, and when that was.
TIMES: Final = {
    "mysql": [
        ("varchar(26)", "2026-03-01 10:00:00.123456", "2026-03-01T08:00:00.123Z"),
        ("char(10)", "1772352000", "2026-03-01T08:00:00.000Z"),
        ("datetime", "2026-03-01 10:00:00", "2026-03-01T08:00:00.000Z"),
        ("datetime(6)", "2026-03-01 10:00:00.123456", "2026-03-01T08:00:00.123Z"),
    ],
    "postgresql": [
        ("varchar(26)", "2026-03-01 10:00:00.123456", "2026-03-01T08:00:00.123Z"),
        ("timestamp", "2026-03-01 10:00:00.123456", "2026-03-01T08:00:00.123Z"),
        ("timestamptz", "2026-03-01 08:00:00.5+00", "2026-03-01T08:00:00.500Z"),
    ],
}


async def test_what_the_column_of_the_time_may_be(server: DatabaseServer) -> None:
    """Text, seconds since 1970, a local time with and without fractions, a time with its zone."""
    for kind, written, told in TIMES[server.scheme]:
        make(server, time=kind)
        execute(server, row(1, written))
        async with followed(server) as found:
            await until(lambda found=found: found.pages)  # type: ignore[misc]
        assert [event["occurred_at"] for event in found.events()] == [told], kind


async def test_rows_of_one_second_keep_their_order(server: DatabaseServer) -> None:
    """Where the time has whole seconds the numbers tell the order, and equal rows apart."""
    make(server, time="timestamp" if server.scheme == "postgresql" else "datetime")
    at = "2026-03-01 10:00:00"
    execute(server, row(1, at, "EXITWITHTIMEOUT"), row(1, at, "ENTERQUEUE"), row(1, at), row(1, at))
    async with followed(server) as found:
        await until(lambda: len(found.numbers()) == 4)
    events = sorted(found.events(), key=lambda event: event["seq"])
    assert [event["type"].removeprefix("contact.") for event in events] == [
        *("dequeued", "started", "queued", "abandoned", "abandoned")
    ]
    assert len({event["event_id"] for event in events}) == 5


async def test_the_parameters_in_one_column(server: DatabaseServer) -> None:
    """Old tables have one column for all of them, columns of bytes, and columns of the operator's own."""
    binary = "bytea" if server.scheme == "postgresql" else "varbinary(100)"
    make(server, data=f"data {binary}, created date")
    values = f"'1772352000', '{CALL}.1', 'support', 'SIP/101', 'RINGNOANSWER', '1500|x', '2026-03-01'"
    columns = "time, callid, queuename, agent, event, data, created"
    execute(server, f"INSERT INTO queue_log ({columns}) VALUES ({values})")  # noqa: S608
    async with followed(server) as found:
        await until(lambda: found.pages)
    body = orjson.loads(found.pages[0].payloads[0].body)
    assert (body["data"], "created" in body) == ("1500|x", False)
    assert [event["event_id"] for event in found.events()] == [
        "RINGNOANSWER:2026-03-01T08:00:00.000Z:1:support:SIP/101:1500"
    ]


async def test_nothing_can_be_written(table: DatabaseServer) -> None:
    """Not even by a user who may."""
    async with ReadOnlyDatabase(address(table)) as database:
        with pytest.raises(DatabaseAwayError):
            await database.rows(row(1))
        assert await database.rows("SELECT * FROM queue_log") == []


async def test_a_database_without_an_encoding(server: DatabaseServer) -> None:
    """Its text is read as UTF-8; where it is none, a person must correct it, and no other account suffers."""
    if server.scheme != "postgresql":
        pytest.skip("only PostgreSQL has databases without an encoding")
    with closing(server.connect()) as connection:
        connection.autocommit = True
        with closing(connection.cursor()) as cursor:
            cursor.execute("CREATE DATABASE unencoded ENCODING 'SQL_ASCII' TEMPLATE template0")
    told = address(server, user="admin", more="unencoded")
    async with ReadOnlyDatabase(told) as database:
        assert await database.rows(r"SELECT E'M\303\274ller' AS agent") == [{"agent": "Müller"}]
        with pytest.raises(DatabaseRefusedError, match="text"):
            await database.rows(r"SELECT E'M\374ller' AS agent")


@pytest.mark.parametrize(
    ("told", "entry", "said"),
    [
        ({"password": "wr0ng"}, {}, "refuses the user or the password: check the address in ASTERISK_DATABASE"),
        ({"user": "nobody"}, {}, "refuses the user or the password: check the address in ASTERISK_DATABASE"),
        ({"more": "nothing"}, {}, "no such database, or its user may not use it: check the address in ASTERISK_"),
        ({}, {"table": "log_of_queues"}, "there is no table log_of_queues: set `table`"),
        ({"user": "stranger"}, {}, "may not read queue_log: give it the right to SELECT"),
        ({}, {"table": "unnumbered"}, "unnumbered has no column `id` of rising whole numbers"),
        ({}, {"table": "named"}, "named has no column `id` of rising whole numbers"),
    ],
)
async def test_what_a_person_must_correct(
    table: DatabaseServer, told: dict[str, Any], entry: dict[str, Any], said: str
) -> None:
    """It is said in one line that names the field, without what is secret, and tried again after a while only."""
    execute(table, "CREATE TABLE IF NOT EXISTS unnumbered (time varchar(26))", "DROP TABLE IF EXISTS named")
    execute(table, "CREATE TABLE named (id varchar(9))", "INSERT INTO named VALUES ('x')")
    async with aclosing(pages_of(account(address(table, **told), **entry))) as pages:
        with pytest.raises(FollowError, match=said) as refused:
            await asyncio.wait_for(anext(pages), 20)
    assert not any(word in str(refused.value) for word in ("wr0ng", "p:ss", "p%3Ass"))


async def test_tls_where_it_is_a_must(
    table: DatabaseServer, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server with a trusted certificate is read, one whose certificate is not trusted is refused."""
    execute(table, row(1))
    verified = address(table, host="localhost", more="asterisk?tls=verify")
    async with aclosing(pages_of(account(verified))) as pages:
        with pytest.raises(FollowError, match="no TLS with a valid certificate"):
            await anext(pages)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))
    async with aclosing(pages_of(account(verified))) as pages:
        assert len((await anext(pages)).payloads) == 1
