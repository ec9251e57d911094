"""What a request asks the engine for: a statement, and for an INSERT with rows where these begin; and what is refused.

The engine's own parser reads each statement and writes its canonical form: no comments, no escapes in plain names, one
blank between words. The rules are about that form. Only the rows of an INSERT are cut off before, by a pattern, since
they may be binary and endless; an INSERT with rows that does not fit the pattern is refused.

The engine believes it is a command-line tool of its user: it would write `INTO OUTFILE`, read `FROM INFILE`, and its
function `file` reads any path. Table functions and engines are withheld by grants (users.xml); what no grant covers is
withheld here. Whoever may ask a Grafana panel must not read the home folder of who runs Pulssi.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from deploy.embedded.clickhouse.errors import ClickHouseError, Code
from deploy.embedded.clickhouse.request import MAX_TEXT_BYTES, NAME, QueryRequest

#: How far an INSERT's rows may stand from its beginning, bytes.
_MAX_HEAD_BYTES: Final = 1 << 20

#: Behind FORMAT's name may come `;`, a carriage return and a line break, in a piece of their own.
_LINE_END_BYTES: Final = 2

_STRING: Final = r"'(?:[^'\\]|\\.)*+'"
_QUOTED: Final = r'(?:`(?:[^`\\]|\\.)*+`|"(?:[^"\\]|\\.)*+")'
_BLANKS: Final = r"(?:\s|--[^\n]*+\n|/\*(?:(?!\*/).)*+\*/)"
_NAME: Final = rf"(?:[A-Za-z_][A-Za-z0-9_$]*+|{_QUOTED})"
_WITHIN: Final = rf"""(?:[^()'"`]|{_STRING}|{_QUOTED})"""
_COLUMNS: Final = rf"\((?:{_WITHIN}|\({_WITHIN}*+\))*+\)"
_SETTING: Final = rf"{_NAME}{_BLANKS}*+={_BLANKS}*+(?:{_STRING}|[\w.+-]++){_BLANKS}*+"
#: An INSERT up to its rows. Blanks after FORMAT's name, and one line break, are no rows.
_INSERT: Final = re.compile(
    rf"(?P<head>{_BLANKS}*+INSERT{_BLANKS}++INTO{_BLANKS}++(?:TABLE{_BLANKS}++)?"
    rf"{_NAME}{_BLANKS}*+(?:\.{_BLANKS}*+{_NAME}{_BLANKS}*+)?(?:{_COLUMNS}{_BLANKS}*+)?"
    rf"(?:SETTINGS{_BLANKS}++{_SETTING}(?:,{_BLANKS}*+{_SETTING})*+)?)"
    rf"(?:VALUES\b|FORMAT{_BLANKS}++(?P<format>\w++)[ \t\f]*+(?:;?[ \t\f]*+\r?\n)?)".encode(),
    re.DOTALL | re.IGNORECASE,
)

#: In the canonical form: what stands in quotes.
_IN_QUOTES: Final = re.compile(rf"{_STRING}|`((?:[^`\\]|\\.)*+)`", re.DOTALL)
_IDENTIFIER: Final = re.compile(r"\{(\w+):Identifier\}")
_FORMAT: Final = re.compile(r" FORMAT (\w+)(?: SETTINGS [^()]*)?$")

_REFUSED: Final = (
    (r"\bINTO OUTFILE\b", Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed"),
    (r"\bFROM INFILE\b", Code.NOT_IMPLEMENTED, "FROM INFILE is not supported: send the rows in the body"),
    (r"(?i)\bFROM input\(", Code.NOT_IMPLEMENTED, "input() is not supported: insert into a table first"),
    (r"^(?:SET|USE)\b", Code.NOT_IMPLEMENTED, "SET and USE are not supported: settings and database go into the URL"),
    (r"\bTEMPORARY\b", Code.NOT_IMPLEMENTED, "TEMPORARY is not supported: a request leaves no connection behind"),
    # Called or only named, as in `arrayMap((file), …)`: both read files.
    (r"(?i)\bfile\b", Code.PATH_ACCESS_DENIED, "The name file is not available: the function could read any file"),
)
#: The canonical form leaves rows out, and so no rule sees them: what is cut off by no pattern must insert a query. With
#: quotes and brackets emptied, the query's first word stands behind the target; it is no setting's name.
_FILLED_BRACKETS: Final = re.compile(r"\([^()]+\)")
_INSERT_INTO: Final = re.compile(
    r"\bINSERT INTO (?!(?:TABLE |FUNCTION )?\S+(?: \(\))?(?: SETTINGS .*?)? (?:SELECT|WITH) (?!=))"
)

#: By what an expression in the rows of VALUES could reach a file: the function's name in full, escaped, quoted, or as a
#: parameter. Other rows are the engine's own concern.
_MAY_NAME_A_FILE: Final = re.compile(rb"file|[\\`\"{]", re.IGNORECASE)

#: Of the engine's tables a reader may ask those that describe what it may ask, not those that say what others ask, nor
#: the server's own settings and files. No grant tells them apart.
_SYSTEM_TABLES_CLOSED_TO_READERS: Final = re.compile(
    r"""\bPROCESSLIST\b | \bsystem\b(?!\.(?:
    aggregate_function_combinators|build_options|collations|columns|constraints|contributors|current_roles|
    data_skipping_indices|data_type_families|databases|enabled_roles|events|formats|functions|keywords|licenses|
    merge_tree_settings|metrics|numbers|numbers_mt|one|primes|privileges|projections|settings|settings_changes|
    statements|table_engines|table_functions|tables|time_zones|tokenizers|unicode|zeros|zeros_mt)\b)""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Statement:
    """One statement's text. An INSERT that brings rows has their format in it, and the rows in `rows`, in pieces."""

    text: str
    head: str = ""
    format: str = ""
    rows: Iterator[bytes] | None = None


def read_statement(query: str, body: Iterator[bytes] | None, max_bytes: int) -> Statement:
    """Read a request's text, from the URL, the body, or half from each, as far as the rows of an INSERT.

    Raises ClickHouseError: it is no UTF-8, or longer than `max_bytes`.
    """
    text = query.encode()
    if body is None:
        body = iter(())
    elif text:
        text += b"\n"
    while True:
        insert = _INSERT.match(text, 0, _MAX_HEAD_BYTES)
        if insert and insert.end() + _LINE_END_BYTES < len(text):
            break
        if len(text) > max(max_bytes, _MAX_HEAD_BYTES):
            raise _too_long(max_bytes)
        piece = next(body, b"")
        if not piece:
            break
        text += piece
    statement = text if insert is None else text[: insert.end()]
    if len(statement) > max_bytes:
        raise _too_long(max_bytes)
    if insert is None:
        return Statement(_text(statement))
    head, rows_format = _text(insert["head"]), _text(insert["format"] or b"Values")
    return Statement(f"{head} FORMAT {rows_format}", head, rows_format, chain([text[insert.end() :]], body))


def read_values(rows: Iterator[bytes]) -> tuple[bytes, str]:
    """Return the rows of VALUES; again as text for `check_statement`, empty where nothing in them can reach a file."""
    found = bytearray()
    for piece in rows:
        found += piece
        if len(found) > MAX_TEXT_BYTES:
            message = f"VALUES of more than {MAX_TEXT_BYTES} bytes are not supported: use another format"
            raise ClickHouseError(Code.NOT_IMPLEMENTED, message)
    return bytes(found), _text(found).strip(" \t\r\n;") if _MAY_NAME_A_FILE.search(found) else ""


def _text(text: bytes | bytearray) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError:
        raise ClickHouseError(Code.BAD_ARGUMENTS, "The statement is not UTF-8") from None


def _too_long(max_bytes: int) -> ClickHouseError:
    message = f"Max query size exceeded: {max_bytes} bytes (can be raised by max_query_size)"
    return ClickHouseError(Code.SYNTAX_ERROR, message)


def check_statement(statement: Statement, canonical: str, request: QueryRequest) -> str:
    """Return the canonical form without what stands in quotes, but names; raise what a server would answer to it."""
    plain = _IN_QUOTES.sub(lambda quoted: quoted[1] if quoted[1] and NAME.fullmatch(quoted[1]) else "''", canonical)
    asked = _IDENTIFIER.sub(lambda parameter: _name_of(parameter[1], request.settings), plain)
    for rule, code, message in _REFUSED:
        if re.search(rule, asked):
            raise ClickHouseError(code, message)
    emptied = _IN_QUOTES.sub("''", canonical)
    while (shorter := _FILLED_BRACKETS.sub("()", emptied)) != emptied:
        emptied = shorter
    if statement.rows is None and _INSERT_INTO.search(emptied):
        message = "This INSERT is not supported: write INSERT INTO table (columns) FORMAT name, then the rows"
        raise ClickHouseError(Code.NOT_IMPLEMENTED, message)
    if request.reader and _SYSTEM_TABLES_CLOSED_TO_READERS.search(f"{asked} {request.database}"):
        message = "Not enough privileges: of the database system a reader reads some tables"
        raise ClickHouseError(Code.ACCESS_DENIED, message)
    return plain


def _name_of(parameter: str, settings: Mapping[str, str]) -> str:
    """Return what a parameter names: `{table:Identifier}`. The engine would undo escapes in it."""
    name = settings.get(f"param_{parameter}", "")
    if not all(NAME.fullmatch(part) for part in name.split(".")):
        message = f"The parameter {parameter} must be a name of letters, digits and underscores, not {name[:60]!r}"
        raise ClickHouseError(Code.BAD_ARGUMENTS, message)
    return name


def output_format(plain: str) -> str | None:
    """Return what the statement's own FORMAT clause names, if it has one; `plain` is what `check_statement` gave."""
    named = _FORMAT.search(plain)
    return named[1] if named else None
