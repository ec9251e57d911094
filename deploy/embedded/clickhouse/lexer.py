"""ClickHouse's tokens: as much of them as it takes to see where a statement's parts begin.

The engine parses statements; this only finds FORMAT, VALUES, semicolons and a few words outside strings and comments.
It must cut the text as the engine's own lexer does (nested comments, heredocs, typographic quotes), or a word could
hide from `refusals`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, cast

Kind = Literal["word", "quoted", "string", "number", "mark"]

#: With what the engine's lexer takes for blanks beyond ASCII.
_SPACE: Final = re.compile(
    rb"(?:\s|\x00|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe1\xa0\x8e|\xe2\x80[\x80-\x8d\xa8\xa9\xaf]|\xe2\x81[\x9f\xa0]"
    rb"|\xe3\x80\x80|\xef\xbb\xbf)+"
)
_LINE_COMMENT: Final = re.compile(rb"(?:--|#[ !])[^\n]*")
_COMMENT_EDGE: Final = re.compile(rb"/\*|\*/")
_HEREDOC: Final = re.compile(rb"(\$\w*\$).*?\1", re.DOTALL)
_TOKEN: Final = re.compile(
    rb"""
      (?P<word>[A-Za-z_][A-Za-z0-9_$]*)
    | (?P<number>[0-9][A-Za-z0-9_.]* (?:\s*,\s*[0-9][A-Za-z0-9_.]*)*)
    | (?P<string>'(?:[^'\\]|\\.|'')*' (?:\s*,\s*'(?:[^'\\]|\\.|'')*')* | \xe2\x80\x98.*?\xe2\x80\x99)
    | (?P<quoted>"(?:[^"\\]|\\.|"")*" | `(?:[^`\\]|\\.|``)*` | \xe2\x80\x9c.*?\xe2\x80\x9d)
    """,
    re.VERBOSE | re.DOTALL,
)


_ESCAPE: Final = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)


def _plain(escape: re.Match[bytes]) -> bytes:
    return bytes.fromhex(escape[1].decode()) if escape[1] else bytes(escape[2])


class Token(NamedTuple):
    """One token: its kind, its bytes, where it stands, and how many brackets are open around it.

    A list of numbers or strings is one token: a filter may name a hundred thousand contacts.
    """

    kind: Kind
    text: bytes
    start: int
    end: int
    depth: int

    def is_word(self, *words: bytes) -> bool:
        """Tell whether it is one of these bare words (given in capitals), whatever its case."""
        return self.kind == "word" and self.text.upper() in words

    @property
    def name(self) -> bytes:
        """An identifier's name in lower case, without its quotes and escapes."""
        if self.kind == "quoted":
            edge = 3 if self.text.startswith(b"\xe2\x80\x9c") else 1
            return _ESCAPE.sub(_plain, self.text[edge:-edge]).lower()
        return self.text.lower() if self.kind == "word" else b""


def _after_comment(text: bytes, at: int) -> int:
    depth = 0
    for edge in _COMMENT_EDGE.finditer(text, at):
        depth += 1 if edge[0] == b"/*" else -1
        if not depth:
            return edge.end()
    return len(text)


def _after_blank(text: bytes, at: int) -> int:
    while at < len(text):
        if match := _SPACE.match(text, at) or _LINE_COMMENT.match(text, at):
            at = match.end()
        elif text.startswith(b"/*", at):
            at = _after_comment(text, at)
        else:
            break
    return at


def tokens(text: bytes) -> Iterator[Token]:
    """Yield the tokens of a statement; what is no token of ClickHouse's comes as a mark of one byte."""
    depth = 0
    at = _after_blank(text, 0)
    while at < len(text):
        kind: Kind = "mark"
        end = at + 1
        if match := _TOKEN.match(text, at):
            kind, end = cast("Kind", match.lastgroup), match.end()
        elif heredoc := _HEREDOC.match(text, at):
            kind, end = "string", heredoc.end()
        token = text[at:end]
        if kind == "mark" and token in b")]}":
            depth = max(depth - 1, 0)
        yield Token(kind, token, at, end, depth)
        if kind == "mark" and token in b"([{":
            depth += 1
        at = _after_blank(text, end)
