"""The HTTP interface as any client sees it: parameters, formats, compression, errors, users."""

import asyncio
import base64
import datetime as dt
import gzip
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

import aiohttp
import lz4.frame
import pytest
import zstandard
from clickhouse_connect.driver.client import Client

from deploy.embedded.clickhouse.compression import frame, unframed
from tests.fixtures.clickhouse import ClickHouseServer


class Answer(NamedTuple):
    """A response that was read to its end, not unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


class Http:
    """One client; `ask` posts a statement."""

    def __init__(self, session: aiohttp.ClientSession, server: ClickHouseServer) -> None:
        self.session = session
        self.server = server

    async def ask(
        self,
        body: bytes | str | AsyncIterator[bytes] | aiohttp.FormData = b"",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        path: str = "/",
        **parameters: str | int,
    ) -> Answer:
        """Send a request and read its answer."""
        async with self.session.request(
            method, self.server.url + path, params=parameters, data=body, headers=headers
        ) as response:
            return Answer(response.status, dict(response.headers), await response.read())


@pytest.fixture
async def http(clickhouse_server: ClickHouseServer) -> AsyncIterator[Http]:
    """Give a client that neither asks for compression nor undoes it."""
    async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session:
        yield Http(session, clickhouse_server)


@pytest.fixture
def database(clickhouse_server: ClickHouseServer) -> Iterator[str]:
    """Make a database of the test's own."""
    name = f"pulssi_http_{uuid.uuid4().hex[:12]}"
    with clickhouse_server.client() as client:
        client.command(f"CREATE DATABASE {name}")
        client.command(f"CREATE TABLE {name}.t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
        yield name
        client.command(f"DROP DATABASE {name}")


@pytest.fixture
def client(clickhouse_server: ClickHouseServer, database: str) -> Iterator[Client]:
    """Give clickhouse-connect, the only client in Pulssi's code."""
    with clickhouse_server.client(database=database) as client:
        yield client


async def test_ping_and_an_empty_query_say_ok(http: Http) -> None:
    """What load balancers and people ask first."""
    for path in ("/ping", "/readyz", "/healthz", "/"):
        answer = await http.ask(method="GET", path=path)
        assert (answer.status, answer.text) == (200, "Ok.\n"), path
    assert (await http.ask(method="GET", path="/nothing")).status == 404
    assert "pulssi_clickhouse_requests_total" in (await http.ask(method="GET", path="/metrics")).text


async def test_parameters_settings_and_formats_come_in_the_url(http: Http, database: str) -> None:
    """`param_x`, settings of the engine, the database, the format, the query's id."""
    answer = await http.ask(
        "SELECT {name:String} AS name, {n:UInt8} AS n, currentDatabase() AS db, getSetting('max_threads') AS threads",
        param_name="it's \\\\ here",
        param_n=7,
        max_threads=1,
        database=database,
        default_format="JSONEachRow",
        query_id="my query",
    )
    assert json.loads(answer.body) == {"name": "it's \\ here", "n": 7, "db": database, "threads": 1}
    assert answer.headers["X-ClickHouse-Query-Id"] == "my query"
    assert answer.headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["X-ClickHouse-Server-Display-Name"] == "pulssi embedded"
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("1", "1")
    own = await http.ask("SELECT 1 AS a FORMAT JSONCompactEachRow", default_format="CSV")
    assert (own.text, own.headers["X-ClickHouse-Format"]) == ("[1]\n", "JSONCompactEachRow")


@pytest.mark.parametrize(
    ("statement", "parameters", "status", "code", "name"),
    [
        ("SELEC 1", {}, 400, "62", "SYNTAX_ERROR"),
        ("SELECT nothing", {}, 404, "47", "UNKNOWN_IDENTIFIER"),
        ("SELECT * FROM nowhere.nothing", {}, 404, "81", "UNKNOWN_DATABASE"),
        ("SELECT * FROM nothing", {}, 404, "60", "UNKNOWN_TABLE"),
        ("SELECT 1", {"no_such_setting": 1}, 404, "115", "UNKNOWN_SETTING"),
        ("SELECT 1", {"database": "nowhere"}, 404, "81", "UNKNOWN_DATABASE"),
        ("SELECT 1", {"user": "nobody"}, 403, "516", "AUTHENTICATION_FAILED"),
        ("SELECT 1 FORMAT Nothing", {}, 404, "73", "UNKNOWN_FORMAT"),
        ("SELECT throwIf(1)", {}, 500, "395", "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT sleep(3)", {"max_execution_time": "0.2"}, 408, "159", "TIMEOUT_EXCEEDED"),
        ("SELECT {x:UInt8}", {}, 500, "456", "UNKNOWN_QUERY_PARAMETER"),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", {}, 500, "481", "PATH_ACCESS_DENIED"),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a UInt8')", {}, 403, "497", "ACCESS_DENIED"),
        ("CREATE TABLE f (a String) ENGINE = URL('http://127.0.0.1:1/')", {}, 403, "497", "ACCESS_DENIED"),
        ("BACKUP DATABASE default TO Disk('default', 'x')", {}, 403, "497", "ACCESS_DENIED"),
        ("INSERT INTO nothing FORMAT CSV\n1,2", {}, 404, "60", "UNKNOWN_TABLE"),
    ],
)
async def test_errors_are_told_as_clickhouse_tells_them(
    http: Http, statement: str, parameters: dict[str, Any], status: int, code: str, name: str
) -> None:
    """Status, code header, and one line with code and name: what every client's error handling reads."""
    answer = await http.ask(statement, **parameters)
    assert (answer.status, answer.headers.get("X-ClickHouse-Exception-Code")) == (status, code), answer.text
    assert answer.text.startswith(f"Code: {code}. DB::Exception: ")
    assert f"({name}) (version " in answer.text
    assert "Traceback" not in answer.text


#: By coding: what packs and what unpacks it.
CODINGS: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes] | None]] = {
    "gzip": (gzip.compress, gzip.decompress),
    "zstd": (zstandard.compress, lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed)),
    "lz4": (lz4.frame.compress, None),  # no answer is
}


@pytest.mark.parametrize("coding", CODINGS)
async def test_bodies_and_answers_are_packed_as_the_client_asks(http: Http, database: str, coding: str) -> None:
    """Rows, and a statement, in a packed body; short answers and streamed ones; plain without Accept-Encoding."""
    pack, unpack = CODINGS[coding]
    headers = {"Content-Encoding": coding}
    rows = b"".join(b"%d,name %d\n" % (at, at) for at in range(100_000))
    answer = await http.ask(pack(rows), headers=headers, query="INSERT INTO t FORMAT CSV", database=database)
    assert answer.status == 200, answer.text
    assert json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"] == "100000"
    counted = await http.ask(pack(b"SELECT count(), sum(id) FROM t"), headers=headers, database=database)
    assert counted.text == "100000\t4999950000\n"
    if unpack is None:
        return
    for number in (10, 400_000):
        statement = "SELECT number FROM numbers({rows:UInt64})"
        plain = await http.ask(statement, param_rows=number)
        packed = await http.ask(statement, headers={"Accept-Encoding": coding}, param_rows=number)
        assert "Content-Encoding" not in plain.headers
        assert packed.headers["Content-Encoding"] == coding
        assert unpack(packed.body) == plain.body


async def test_clickhouses_own_frames_go_both_ways(http: Http, database: str) -> None:
    """`decompress=1` for the body, `compress=1` for the answer, also for an error."""
    rows = frame(b"".join(b"%d,x\n" % at for at in range(1000)))
    query = "INSERT INTO t FORMAT CSV"
    assert (await http.ask(rows, query=query, database=database, decompress=1)).status == 200
    answer = await http.ask("SELECT count() FROM t", database=database, compress=1)
    assert list(unframed([answer.body])) == [b"1000\n"]
    wrong = await http.ask("SELECT nothing", compress=1)
    assert wrong.status == 404
    assert b"".join(unframed([wrong.body])).startswith(b"Code: 47.")
    damaged = await http.ask(rows[:-1] + b"?", query=query, database=database, decompress=1)
    assert damaged.headers["X-ClickHouse-Exception-Code"] == "40"
    assert (await http.ask("SELECT count() FROM t", database=database)).text == "1000\n"


@pytest.mark.parametrize(
    ("rows_format", "rows"),
    [
        ("CSV", b'1,"one"\n2,two\n'),
        ("JSONEachRow", b'{"id": 1, "name": "one"}\n{"id": 2, "name": "two"}\n'),
        ("TabSeparated", b"1\tone\n2\ttwo\n"),
        ("RowBinary", b"\x01" + bytes(7) + b"\x03one\x02" + bytes(7) + b"\x03two"),
        (
            "Native",
            b"\x02\x02\x02id\x06UInt64\x01" + bytes(7) + b"\x02" + bytes(7) + b"\x04name\x06String\x03one\x03two",
        ),
        ("Values", b"(1, 'one'), (2, 'two');"),
    ],
)
async def test_rows_come_in_any_format(http: Http, database: str, rows_format: str, rows: bytes) -> None:
    """With the statement in the URL, and with it in the body before the rows."""
    head = "INSERT INTO t " + ("VALUES " if rows_format == "Values" else f"FORMAT {rows_format}\n")
    for answer in (
        await http.ask(rows, query=head.rstrip(), database=database),
        await http.ask(head.encode() + rows, database=database),
    ):
        assert answer.status == 200, answer.text
    back = await http.ask("SELECT id, name, count() FROM t GROUP BY ALL ORDER BY id", database=database)
    assert back.text == "1\tone\t2\n2\ttwo\t2\n"


async def test_a_wrong_row_inserts_nothing(http: Http, database: str) -> None:
    """The error names the row, and the rows before it are not in the table either."""
    answer = await http.ask(b"1,one\nx,two\n", query="INSERT INTO t FORMAT CSV", database=database)
    assert answer.status == 400
    assert "row 2" in answer.text
    assert (await http.ask("SELECT count() FROM t", database=database)).text == "0\n"


async def test_no_rows_is_an_empty_answer_with_a_format(http: Http) -> None:
    """Clients tell an empty result from a statement without one by the format header."""
    empty = await http.ask("SELECT number FROM numbers(3) WHERE number > 5", headers={"Accept-Encoding": "gzip"})
    assert (empty.body, empty.headers["X-ClickHouse-Format"]) == (b"", "TabSeparated")
    nothing = await http.ask("SYSTEM FLUSH LOGS")
    assert (nothing.body, "X-ClickHouse-Format" in nothing.headers) == (b"", False)


async def test_totals_and_heads_are_not_lost_in_streams(http: Http) -> None:
    """Formats with a head or a foot, and WITH TOTALS, come whole."""
    totals = await http.ask("SELECT number % 2 AS odd, count() FROM numbers(10) GROUP BY odd WITH TOTALS ORDER BY odd")
    assert totals.text == "0\t5\n1\t5\n\n0\t10\n"
    named = await http.ask("SELECT number AS n FROM numbers(200000) FORMAT CSVWithNames")
    assert named.text.count('"n"') == 1
    assert len(json.loads((await http.ask("SELECT number FROM numbers(70000) FORMAT JSON")).body)["data"]) == 70_000


async def test_an_error_in_mid_answer_breaks_it_off(http: Http) -> None:
    """The answer ends with the error and is not closed as HTTP closes a whole one."""
    statement = "SELECT number, throwIf(number = 3000000) FROM numbers(10000000) SETTINGS max_threads = 1"
    body = b""

    async def read_to_its_end(response: aiohttp.ClientResponse) -> None:
        nonlocal body
        async for piece in response.content.iter_any():
            body = (body + piece)[-4096:]

    async with http.session.post(http.server.url, data=statement) as response:
        assert response.status == 200
        tag = response.headers["X-ClickHouse-Exception-Tag"]
        with pytest.raises(aiohttp.ClientPayloadError):
            await read_to_its_end(response)
    assert f"__exception__\r\n{tag}\r\nCode: 395." in body.decode()


async def test_users(http: Http, database: str) -> None:
    """By parameter, header or Basic; a reader cannot write, and chooses settings within its bounds."""
    basic = base64.b64encode(b"pulssi_reader:any").decode()
    insert = "INSERT INTO t SETTINGS readonly = 0 VALUES (1, 'x')"
    for headers in ({"X-ClickHouse-User": "pulssi_reader"}, {"Authorization": f"Basic {basic}"}):
        answer = await http.ask(insert, headers=headers, database=database)
        assert answer.headers.get("X-ClickHouse-Exception-Code") == "164"
    assert (await http.ask(insert, user="pulssi_writer", database=database)).status == 200
    assert (await http.ask("SELECT count() FROM t", user="pulssi_reader", database=database)).text == "1\n"
    for given, held in ((0, 60), (5, 5)):
        asked = "SELECT getSetting('max_execution_time')"
        assert (await http.ask(asked, user="pulssi_reader", max_execution_time=given)).text == f"{held}\n"


async def test_get_reads_only(http: Http, database: str) -> None:
    """A link that somebody follows changes nothing."""
    for statement in ("DROP TABLE t", "INSERT INTO t VALUES (1, 'x')"):
        answer = await http.ask(method="GET", query=statement, database=database)
        assert answer.headers["X-ClickHouse-Exception-Code"] == "164"


async def test_pages_from_elsewhere_are_not_answered(http: Http) -> None:
    """A browser says where a request comes from; another site's page could otherwise use the port."""
    for headers in ({"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}):
        assert (await http.ask("SELECT 1", headers=headers)).status == 403
    assert (await http.ask("SELECT 1", headers={"Origin": "http://localhost:3000"})).status == 200


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE /**/ TEMPORARY TABLE kept (a UInt8)", "TEMPORARY"),
        ("SET max_threads = 3", "SET"),
        ("USE default", "USE"),
        ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV", "FROM INFILE"),
        ("INSERT INTO FUNCTION null('a Int8') VALUES (1)", "This INSERT"),
        # It would insert nothing, silently.
        ("INSERT INTO t SELECT id, name FROM input('id UInt64, name String') FORMAT CSV\n1,x\n", "input()"),
    ],
)
async def test_what_is_not_supported_is_said(http: Http, database: str, statement: str, reason: str) -> None:
    """In one line: not half done, nor without effect."""
    answer = await http.ask(statement, database=database, session_id="mine")
    assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"], answer.text.count("\n")) == (501, "48", 1)
    assert reason in answer.text


async def test_a_form_holds_the_statement_and_its_parameters(http: Http, database: str) -> None:
    """As a server takes it: what would make the URL too long."""
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("query", "SELECT length({ids:Array(String)}), {unit:String}, currentDatabase()")
    form.add_field("param_ids", str([f"asterisk:main:{number}" for number in range(2_000)]))
    answer = await http.ask(form, database=database, param_unit="it")
    assert (answer.status, answer.text) == (200, f"2000\tit\t{database}\n")
    form = aiohttp.FormData(default_to_multipart=True)
    form.add_field("user", "pulssi_reader")
    form.add_field("query", "INSERT INTO t VALUES (1, 'x')")
    assert (await http.ask(form, database=database)).headers["X-ClickHouse-Exception-Code"] == "164"


async def test_what_a_form_cannot_bring_is_refused(http: Http) -> None:
    """External tables, fields without a name, more than a statement may take, and what is no form."""
    table, nameless, large = (aiohttp.FormData(default_to_multipart=True) for _ in range(3))
    table.add_field("brought", b"1,x\n", filename="brought.csv")
    answer = await http.ask(table, query="SELECT 1")
    assert (answer.status, "not supported" in answer.text) == (501, True)
    nameless.add_field("", "1")
    large.add_field("param_of", "x" * ((16 << 20) + 1))
    for refused in (nameless, large):
        answer = await http.ask(refused, query="SELECT 1")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "36")
    for kind in ("multipart/form-data", "multipart/form-data; boundary=b"):
        answer = await http.ask(b"no form", headers={"Content-Type": kind}, query="SELECT 1")
        assert (answer.status, answer.headers["X-ClickHouse-Exception-Code"]) == (400, "36"), kind


async def test_a_long_statement_is_refused_in_one_line(http: Http) -> None:
    """Beyond max_query_size, as with a server; the setting raises it."""
    statement = "SELECT length('" + "x" * 300_000 + "')"
    assert "Max query size" in (await http.ask(statement)).text
    assert (await http.ask(statement, max_query_size=1_000_000)).text == "300000\n"
    assert (await http.ask("SELECT '" + "x" * 200_000 + "'")).status == 200


async def test_more_requests_than_slots_are_all_answered(http: Http) -> None:
    """They wait for a slot; none is turned away for a moment's rush."""
    asked = [http.ask("SELECT sleep(0.05), {at:UInt8}", param_at=at) for at in range(80)]
    assert [answer.text for answer in await asyncio.gather(*asked)] == [f"0\t{at}\n" for at in range(80)]


def test_values_of_all_kinds_come_back(client: Client) -> None:
    """Native both ways, packed both ways: what was inserted is what is read."""
    client.command(
        "CREATE TABLE kinds (id UInt64, at DateTime64(3, 'UTC'), queue LowCardinality(String), tags Array(String),"
        " hist Map(Int32, UInt64), agent Nullable(String), share Decimal(18, 6), within Nullable(Bool), value Int64)"
        " ENGINE = MergeTree ORDER BY id"
    )
    at = dt.datetime(2026, 3, 1, 8, 30, 15, 125_000, tzinfo=dt.UTC)
    rows = [
        [2**64 - 1, at, "billing", ["a", "ä"], {-3: 4}, None, Decimal("0.250000"), None, -5],
        [1, at, "billing", [], {}, "agent-1", Decimal("1.000000"), True, 2**62],
    ]
    summary = client.insert("kinds", rows).summary
    assert summary["written_rows"] == "2"
    read = client.query("SELECT * FROM kinds ORDER BY id DESC", tz_mode="aware").result_rows
    assert [list(row) for row in read] == rows


def test_parameters_streams_and_no_rows(client: Client) -> None:
    """Values that need escapes, answers in many blocks; LIMIT 0 gives names, a query without rows does not fail."""
    asked = client.query("SELECT {queue:String}, {ids:Array(UInt8)}", parameters={"queue": "it's\n", "ids": [1, 2]})
    assert asked.result_rows == [("it's\n", [1, 2])]
    with client.query_rows_stream("SELECT number FROM numbers(300000)") as stream:
        assert sum(row[0] for row in stream) == 300_000 * 299_999 // 2
    ids = [f"asterisk:main:1796049098.{number}" for number in range(2_000)]
    assert client.query("SELECT length({ids:Array(String)})", parameters={"ids": ids}).result_rows == [(2_000,)]
    assert client.query("SELECT 1 AS one, 'x' AS two LIMIT 0").column_names == ("one", "two")
    assert client.query("SELECT 1 WHERE 0").result_rows == []


def test_inserts_and_queries_at_once(clickhouse_server: ClickHouseServer, database: str, client: Client) -> None:
    """Eight clients in the same moment: nobody sees another's settings, and no row is lost."""
    client.command("CREATE TABLE shared (who UInt8, n UInt64) ENGINE = MergeTree ORDER BY (who, n)")

    def work(who: int) -> int:
        with clickhouse_server.client(database=database) as own:
            for batch in range(5):
                own.insert("shared", [[who, batch * 1000 + at] for at in range(1000)])
                threads = own.query("SELECT getSetting('max_threads')", settings={"max_threads": who + 1}).result_rows
                assert threads == [(who + 1,)]
            return int(str(own.command("SELECT count() FROM shared WHERE who = {who:UInt8}", parameters={"who": who})))

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(work, range(8))) == [5000] * 8
