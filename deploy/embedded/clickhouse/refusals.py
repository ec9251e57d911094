"""Statements that an embedded engine would run and a server must not: those that reach for files of this machine.

The engine believes it is a command-line tool of its user: it would write `INTO OUTFILE`, read `FROM INFILE`, and its
function `file` reads any path. Table functions and engines are withheld by grants (users.xml); what no grant covers is
withheld here. Whoever may ask a Grafana panel must not read the home folder of who runs Pulssi.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from deploy.embedded.clickhouse.faults import (
    INTO_OUTFILE_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    PATH_ACCESS_DENIED,
    SYNTAX_ERROR,
    Fault,
)
from deploy.embedded.clickhouse.lexer import Token
from deploy.embedded.clickhouse.statement import Statement

_FILE: Final = b"file"


def _calls_file(tokens: tuple[Token, ...]) -> bool:
    for at, token in enumerate(tokens):
        if token.name != _FILE:
            continue
        after = tokens[at + 1].text if at + 1 < len(tokens) else b""
        before = tokens[max(at - 2, 0) : at]
        # Named, not called: `arrayMap(file, …)`, `* APPLY file`, `* APPLY(file)`.
        applied = any(word.is_word(b"APPLY") for word in before)
        passed = len(before) == 2 and before[1].text == b"(" and before[0].name.startswith((b"array", b"map"))  # noqa: PLR2004 - a name and its bracket
        if after == b"(" or applied or passed:
            return True
    return False


def check(statement: Statement) -> None:
    """Raise the Fault that a server would answer, where the statement is none for it."""
    second = statement.several
    if second is not None:
        rest = statement.text[second : second + 60].decode(errors="replace")
        raise Fault(
            SYNTAX_ERROR,
            f"Syntax error (Multi-statements are not allowed): failed at position {second + 1}: {rest}",
        )
    for before, token in pairwise(statement.tokens):
        if before.is_word(b"INTO") and token.is_word(b"OUTFILE"):
            raise Fault(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
        if before.is_word(b"FROM") and token.is_word(b"INFILE"):
            raise Fault(NOT_IMPLEMENTED, "FROM INFILE is not supported over HTTP: send the rows in the body")
    if statement.first_word == b"SET" and any(token.name == b"dialect" for token in statement.tokens):
        # Statements in another dialect could not be looked through here.
        raise Fault(NOT_IMPLEMENTED, "Only ClickHouse's own dialect is supported")
    if _calls_file(statement.tokens):
        raise Fault(PATH_ACCESS_DENIED, "The function file() is not available here: it could read any file")
