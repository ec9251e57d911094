"""Statements that an embedded engine would run and a server must not: those that reach for files of this machine.

The engine believes it is a command-line tool of its user: it would write `INTO OUTFILE`, read `FROM INFILE`, and its
function `file` reads any path. Table functions and engines are withheld by grants (users.xml); what no grant covers is
withheld here. Whoever may ask a Grafana panel must not read the home folder of who runs Pulssi.

Of the engine's own tables a reader sees those that describe what it may ask, not those that say what others ask, nor
the server's own settings and files: no grant tells them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Final

from deploy.embedded.clickhouse.faults import (
    ACCESS_DENIED,
    INTO_OUTFILE_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    PATH_ACCESS_DENIED,
    SYNTAX_ERROR,
    Fault,
)
from deploy.embedded.clickhouse.lexer import Token
from deploy.embedded.clickhouse.quoting import NAME
from deploy.embedded.clickhouse.statement import Statement

_FILE: Final = b"file"
_SYSTEM: Final = b"system"
#: The engine's tables that a reader may ask.
OPEN_TABLES: Final = frozenset(
    b"""
    aggregate_function_combinators build_options collations columns constraints contributors current_roles
    data_skipping_indices data_type_families databases enabled_roles events formats functions keywords licenses
    merge_tree_settings metrics numbers numbers_mt one primes privileges projections settings
    settings_changes statements table_engines table_functions tables time_zones tokenizers unicode zeros zeros_mt
    """.split()
)


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
        if before.is_word(b"CREATE", b"REPLACE") and token.is_word(b"TEMPORARY", b"TEMP"):
            raise Fault(NOT_IMPLEMENTED, "Temporary tables are not supported: a request leaves no connection behind")
        if before.is_word(b"INTO") and token.is_word(b"OUTFILE"):
            raise Fault(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
        if before.is_word(b"FROM") and token.is_word(b"INFILE"):
            raise Fault(NOT_IMPLEMENTED, "FROM INFILE is not supported over HTTP: send the rows in the body")
    if any(token.name == _FILE for token in statement.tokens):
        # Called or only named, as in `arrayMap((file), …)`: both read files.
        raise Fault(PATH_ACCESS_DENIED, "The name file is not available here: the function could read any file")


def check_reader(statement: Statement, parameters: Mapping[str, str], database: str) -> None:
    """Raise the Fault for what no grant withholds from a reader."""
    tokens = statement.tokens
    if database.lower().encode() == _SYSTEM:
        raise Fault(ACCESS_DENIED, "Not enough privileges: system is no database for a reader to be in")
    for at, token in enumerate(tokens):
        if token.name == _SYSTEM:
            table = tokens[at + 2].name if tokens[at + 1 : at + 2] and tokens[at + 1].text == b"." else b""
            if table not in OPEN_TABLES or at + 2 >= len(tokens):
                raise Fault(ACCESS_DENIED, "Not enough privileges: of the database system a reader reads some tables")
        if token.is_word(b"PROCESSLIST"):
            raise Fault(ACCESS_DENIED, "Not enough privileges: what others ask is not shown")
    for name in _identifiers(tokens):
        parts = parameters.get(name, "").split(".")
        if not all(NAME.fullmatch(part) and part.lower().encode() not in {_FILE, _SYSTEM} for part in parts):
            raise Fault(ACCESS_DENIED, f"Not enough privileges: the parameter {name} must be a name of your own")


def _identifiers(tokens: tuple[Token, ...]) -> Iterator[str]:
    """Yield the parameters that stand for names: `{table:Identifier}`."""
    for at, token in enumerate(tokens):
        if token.is_word(b"IDENTIFIER") and at > 1 and tokens[at - 1].text == b":":
            yield tokens[at - 2].text.decode(errors="replace")
