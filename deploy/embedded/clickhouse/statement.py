"""What a request asks the engine for: a statement, and, for an insert, where its rows begin and in which format.

ClickHouse takes both as one text, from the URL, the body, or half from each. Pure: bytes in, a Statement out. It must
never look into the rows: they may be binary, and endless.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from deploy.embedded.clickhouse.lexer import Token, tokens

#: Spaces after FORMAT's name, and one line break, are no rows.
_BEFORE_ROWS: Final = re.compile(rb"[ \t\f]*(?:;?[ \t\f]*\r?\n)?")


@dataclass(frozen=True)
class Statement:
    """One statement. `rows_at` is set for an insert that brings its rows: their first byte in the request's text."""

    text: bytes
    tokens: tuple[Token, ...]
    format: str | None = None
    rows_at: int | None = None

    @property
    def empty(self) -> bool:
        """There is nothing to run."""
        return not self.tokens

    @property
    def first_word(self) -> bytes:
        """The statement's verb in capitals."""
        return self.tokens[0].text.upper() if self.tokens else b""

    @property
    def several(self) -> int | None:
        """Where a second statement begins, if there is one."""
        ended = False
        for token in self.tokens:
            if token.text == b";" and token.kind == "mark" and not token.depth:
                ended = True
            elif ended:
                return token.start
        return None


def _rows_of(text: bytes, *, whole: bool) -> Statement | None:
    """Read an INSERT up to its rows; None where the text ends before they begin."""
    seen: list[Token] = []
    before: Token | None = None  # the token before, unless it is in brackets or a table's name
    for token in tokens(text):
        names_table = bool(seen) and (seen[-1].is_word(b"INTO", b"TABLE", b"FUNCTION") or seen[-1].text == b".")
        clause = not token.depth and not names_table and (token.end < len(text) or whole)
        if clause and token.is_word(b"VALUES"):
            return Statement(text[: token.start], tuple(seen), "Values", token.end)
        if clause and token.kind == "word" and before is not None and before.is_word(b"FORMAT"):
            rows = _BEFORE_ROWS.match(text, token.end)
            rows_at = rows.end() if rows else token.end
            if rows_at == len(text) and not whole:
                return None
            return Statement(text[: before.start], tuple(seen[:-1]), token.text.decode(), rows_at)
        before = token if clause else None
        seen.append(token)
    return None


def output_format(statement: tuple[Token, ...]) -> str | None:
    """Return what the statement's own FORMAT clause names: the last FORMAT outside brackets."""
    named = None
    for before, token in pairwise(statement):
        if before.is_word(b"FORMAT") and token.kind == "word" and not token.depth:
            named = token.text.decode()
    return named


def read(text: bytes, *, whole: bool) -> Statement | None:
    """Read the request's text, or its beginning where not `whole`; None: more of it is needed."""
    first = next(tokens(text), None)
    if first is not None and first.is_word(b"INSERT"):
        with_rows = _rows_of(text, whole=whole)
        if with_rows is not None:
            return with_rows
    if not whole:
        return None
    found = tuple(tokens(text))
    return Statement(text, found, output_format(found))
