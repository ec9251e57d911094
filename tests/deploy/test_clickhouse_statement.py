"""Where a statement's parts begin, and which statements are refused: pure, no engine."""

from __future__ import annotations

import pytest

from deploy.embedded.clickhouse import refusals
from deploy.embedded.clickhouse.faults import Fault, from_engine
from deploy.embedded.clickhouse.statement import Statement, read


def whole(text: str) -> Statement:
    """Read a text that is all there is."""
    statement = read(text.encode(), whole=True)
    assert statement is not None
    return statement


@pytest.mark.parametrize(
    ("text", "head", "rows_format", "rows"),
    [
        ("INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", "1,2\n"),
        ("insert into t (a, b) format Native\r\n\x01\x02", "insert into t (a, b) ", "Native", "\x01\x02"),
        ("INSERT INTO t FORMAT JSONEachRow {}", "INSERT INTO t ", "JSONEachRow", "{}"),
        ("INSERT INTO t VALUES (1, 'x')", "INSERT INTO t ", "Values", " (1, 'x')"),
        ("INSERT INTO `format` (`values`) SETTINGS a = 'FORMAT x' VALUES (1)", None, "Values", " (1)"),
        ("INSERT INTO d.format FORMAT CSV\n\n1", "INSERT INTO d.format ", "CSV", "\n1"),
        ("/* FORMAT /* x */ CSV */ INSERT INTO t -- VALUES\n FORMAT TSV\n\t", None, "TSV", "\t"),
    ],
)
def test_rows_begin_after_the_format(text: str, head: str | None, rows_format: str, rows: str) -> None:
    """An insert's head, format and rows are told apart, whatever stands in strings, comments and names."""
    statement = whole(text)
    assert statement.rows_at is not None
    assert statement.format == rows_format
    assert text.encode()[statement.rows_at :].decode() == rows
    if head is not None:
        assert statement.text.decode() == head


def test_an_insert_waits_for_its_rows() -> None:
    """While the head is not complete, more of the body is asked for; binary rows are never looked into."""
    for beginning in (b"INS", b"INSERT INTO t FOR", b"INSERT INTO t FORMAT Nat", b"INSERT INTO t FORMAT Native\n"):
        assert read(beginning, whole=False) is None
    statement = read(b"INSERT INTO t FORMAT Native\n'\xff\x00/*", whole=False)
    assert statement is not None
    assert statement.rows_at == len(b"INSERT INTO t FORMAT Native\n")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT 1", None),
        ("SELECT 1 FORMAT JSON", "JSON"),
        ("SELECT 'FORMAT CSV' FORMAT JSONEachRow SETTINGS max_threads = 1;", "JSONEachRow"),
        ("SELECT * FROM (SELECT 1 FORMAT CSV)", None),
        ("INSERT INTO t SELECT 1", None),
    ],
)
def test_the_format_clause_outside_brackets_counts(text: str, named: str | None) -> None:
    """The answer's format is that of the statement's own FORMAT clause."""
    assert whole(text).format == named
    assert whole(text).rows_at is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT 1; SELECT 2", 62),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 79),
        ("SELECT 1 into/* */outfile '/tmp/x'", 79),
        ("SELECT \u2018'\u2019 INTO OUTFILE '/tmp/x' --'", 79),
        ("SELECT $a$'$a$ INTO OUTFILE '/tmp/x' --'", 79),
        ("/* /* */ ' */ SELECT 1 INTO OUTFILE '/tmp/x' --'", 79),
        ("INSERT INTO t FROM INFILE '/etc/passwd' FORMAT TSV", 48),
        ("SELECT file('/etc/passwd')", 481),
        ("SELECT `file` ('/etc/passwd')", 481),
        ('SELECT "FILE"(x) FROM t', 481),
        ("SELECT `fil\\x65`('/etc/passwd')", 481),
        ("SELECT `fi\\le`('/etc/passwd')", 481),
        ("SELECT arrayMap(file, ['/etc/passwd'])", 481),
        ("SELECT * APPLY(file) FROM t", 481),
        ("SELECT * APPLY file FROM t", 481),
        ("CREATE FUNCTION f AS (x) -> file(x)", 481),
        ("INSERT INTO FUNCTION file('/tmp/x', 'CSV', 'a UInt8') VALUES (1)", 481),
        ("SELECT arrayMap((file), ['/etc/passwd'])", 481),
        ("SELECT 1 INTO\u00a0OUTFILE '/tmp/x'", 79),
    ],
)
def test_what_reaches_for_files_is_refused(text: str, code: int) -> None:
    """No way of writing it, with any quotes and comments, gets past."""
    with pytest.raises(Fault) as raised:
        refusals.check(whole(text))
    assert raised.value.code == code


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1;",
        "SELECT 1; -- one\n/* statement */",
        "SELECT 'INTO OUTFILE', ';', '; SELECT 2'",
        "SELECT _file FROM t WHERE name = 'file'",
        'SELECT profile(x), "into" FROM outfile',
    ],
)
def test_other_statements_pass(text: str) -> None:
    """Strings, names and a semicolon at the end are nobody's concern."""
    refusals.check(whole(text))


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
    assert from_engine(raised).line("1") == line
