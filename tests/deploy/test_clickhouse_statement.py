"""Where a statement's rows begin, what is refused, and how an error of the engine is told."""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from deploy.embedded.clickhouse.errors import ClickHouseError, parse_engine_error
from deploy.embedded.clickhouse.statement import read_statement
from tests.fixtures.clickhouse import ClickHouseServer

MOST = 1000


@pytest.mark.parametrize("size", [1, 5, 1000])
@pytest.mark.parametrize(
    ("text", "head", "rows_format", "rows"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", b"1,2\n"),
        (b"insert into t (a, b) format Native\r\n\x01\xff'/*", "insert into t (a, b) ", "Native", b"\x01\xff'/*"),
        (b"INSERT INTO t FORMAT JSONEachRow {}", "INSERT INTO t ", "JSONEachRow", b"{}"),
        (b"INSERT INTO t VALUES (1, 'x')", "INSERT INTO t ", "Values", b" (1, 'x')"),
        (b"INSERT INTO `format` (`values`) SETTINGS a = 'FORMAT x', b=1 VALUES (1)", None, "Values", b" (1)"),
        (b"INSERT INTO table d.format(a, `b)`, c) FORMAT CSV\n\n1", None, "CSV", b"\n1"),
        (b"/* FORMAT CSV */ INSERT INTO t -- VALUES\n FORMAT TSV\n\t", None, "TSV", b"\t"),
    ],
)
def test_rows_begin_after_the_format(text: bytes, head: str | None, rows_format: str, rows: bytes, size: int) -> None:
    """Head, format and rows are told apart, in whatever pieces they come; rows are never looked into."""
    pieces = (text[at : at + size] for at in range(0, len(text), size))
    statement = read_statement("", pieces, MOST)
    assert statement.rows is not None
    assert (statement.format, b"".join(statement.rows)) == (rows_format, rows)
    assert statement.text == f"{statement.head} FORMAT {rows_format}"
    if head is not None:
        assert statement.head == head


@pytest.mark.parametrize(
    "text", ["SELECT 'INSERT INTO t VALUES (1)'", "INSERT INTO t SELECT * FROM values('a Int8', 1)"]
)
def test_a_statement_without_rows_is_whole(text: str) -> None:
    """From the URL and the body, joined by a line break."""
    statement = read_statement(text[:9], iter([text[9:].encode()]), MOST)
    assert (statement.text, statement.rows) == (f"{text[:9]}\n{text[9:]}", None)


def test_only_so_much_is_read() -> None:
    """A body without end is no statement; neither is one in another encoding."""

    def endless() -> Iterator[bytes]:
        while True:
            yield b"SELECT " * 10_000

    with pytest.raises(ClickHouseError, match="Max query size"):
        read_statement("", endless(), MOST)
    with pytest.raises(ClickHouseError, match="UTF-8"):
        read_statement("", iter([b"SELECT '\xff'"]), MOST)


REFUSED: Final = tomllib.loads(Path(__file__).with_name("refused.toml").read_text("utf-8"))


@pytest.mark.parametrize(("text", "code"), [(each, int(code)) for code, texts in REFUSED.items() for each in texts])
def test_what_reaches_for_files_is_refused(text: str, code: int, clickhouse_server: ClickHouseServer) -> None:
    """Also to who may write: no way of writing it, with any quotes and comments, gets past."""
    with clickhouse_server.client() as client, pytest.raises(DatabaseError) as raised:
        client.command(text)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("rows", "read"),
    [
        ("(1, 'a')(2, 'b')", [(1, "a"), (2, "b")]),
        ("(1, 'a'), (1 + 1, upper('b'))", [(1, "a"), (2, "B")]),
        ("(1, 'it''s'), (2, 'fi\\x6ce')", [(1, "it's"), (2, "file")]),
    ],
)
def test_rows_of_values_are_the_engines(
    rows: str, read: list[tuple[int, str]], clickhouse_server: ClickHouseServer
) -> None:
    """Whatever it takes as rows is taken; only what may name a function in them is looked at before."""
    with clickhouse_server.client() as client:
        client.command("CREATE OR REPLACE TABLE rows_of_values (id UInt8, name String) ENGINE = MergeTree ORDER BY id")
        client.command(f"INSERT INTO rows_of_values VALUES {rows}")  # noqa: S608 - the test's own rows
        assert client.query("SELECT * FROM rows_of_values ORDER BY id").result_rows == read
        client.command("DROP TABLE rows_of_values")


def test_an_error_after_many_rows_has_its_code_where_the_client_waits(clickhouse_server: ClickHouseServer) -> None:
    """`wait_end_of_query`: nothing is sent before the end. Else the client would find a broken stream."""
    late = "SELECT throwIf(number = 3000000), toString(number) FROM numbers(4000000)"
    with clickhouse_server.client() as client:
        with pytest.raises(DatabaseError) as raised:
            client.raw_query(late, settings={"wait_end_of_query": 1, "max_block_size": 1000})
        assert raised.value.code == 395


def test_a_name_as_a_parameter_is_looked_at(clickhouse_server: ClickHouseServer) -> None:
    """A function by its name, in full or in escapes."""
    with clickhouse_server.client() as client:
        for name, code in (("file", 481), ("fil\\x65", 36), ("nothing", 47)):
            with pytest.raises(DatabaseError) as raised:
                client.command("SELECT arrayMap({f:Identifier}, ['/etc/passwd'])", parameters={"f": name})
            assert raised.value.code == code


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT 1;", "1"),
        ("SELECT 1; -- one\n/* statement */", "1"),
        ("SELECT 'INTO OUTFILE', ';', '; SELECT 2'", "INTO OUTFILE\t;\t; SELECT 2"),
        ("SELECT _file FROM (SELECT 'file' AS _file) WHERE _file = 'file'", "file"),
        ("SELECT into, profile FROM (SELECT 1 AS into, 2 AS profile) AS outfile", "1\t2"),
        ("SELECT 'FORMAT CSV', 'a\\n\\'b\\\\' FORMAT TSV SETTINGS max_threads = 1;", "FORMAT CSV\ta\\n\\'b\\\\"),
    ],
)
def test_other_statements_pass(text: str, rows: str, clickhouse_server: ClickHouseServer) -> None:
    """Strings, names and a semicolon at the end are nobody's concern."""
    with clickhouse_server.client() as client:
        assert client.raw_query(text).decode() == f"{rows}\n"


@pytest.mark.parametrize(
    ("raised", "line"),
    [
        (
            "Code: 62. DB::Exception: Syntax error: failed. (SYNTAX_ERROR)",
            "Code: 62. DB::Exception: Syntax error: failed. (SYNTAX_ERROR) (version 1 (embedded))\n",
        ),
        (
            "Failed: Code: 27. DB::Exception: Code: 27. DB::Exception: No: (row 1) (NO_ROW) (version 2.1). (NO_ROW)",
            "Code: 27. DB::Exception: No: (row 1). (NO_ROW) (version 1 (embedded))\n",
        ),
        ("anything else", "Code: 1002. DB::Exception: anything else. (UNKNOWN_EXCEPTION) (version 1 (embedded))\n"),
    ],
)
def test_an_engine_error_is_told_once(raised: str, line: str) -> None:
    """The code, the reason, the name and the version stand once each, in ClickHouse's order."""
    assert parse_engine_error(raised).line("1") == line
