"""Statements of our own: the only place that puts what a request says into a text for the engine.

What is no name, no type or no format is refused, never quoted into something that may be one. Nothing here takes a
piece of a statement as it came.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from deploy.embedded.clickhouse.faults import BAD_ARGUMENTS, Fault

NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
#: Settings of the engine's own kinds have dots in their names.
_SETTING: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
#: A type's parts: words, numbers, texts without quotes and escapes (time zones, names of an Enum), marks.
_PART: Final = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*|-?[0-9]+(?:\.[0-9]+)?|'[^'\\]*'|[(),=]|`[^`\\]+`|\"[^\"\\]+\")")
_DEEPEST: Final = 50


def quote(text: str) -> str:
    """Write a string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def identifier(text: str) -> str:
    """Write an identifier in backticks."""
    escaped = text.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def name(what: str, text: str) -> str:
    """Give back what is a plain name; `what` it names stands in the Fault otherwise."""
    if not NAME.fullmatch(text):
        raise Fault(BAD_ARGUMENTS, f"{what} must be a name of letters, digits and underscores, not {text[:60]!r}")
    return text


def setting(text: str) -> bool:
    """Tell whether a setting may be called so."""
    return _SETTING.fullmatch(text) is not None


def assignment(settings: Mapping[str, str]) -> str:
    """Write SET for these settings, each value as a text; empty where there are none."""
    parts = []
    for each, value in settings.items():
        if not setting(each):
            raise Fault(BAD_ARGUMENTS, f"{each[:60]!r} is no name of a setting")
        parts.append(f"{each} = {quote(value)}")
    return "SET " + ", ".join(parts) if parts else ""


def temporary_table(table: str, structure: str) -> str:
    """Write CREATE TEMPORARY TABLE of a structure `name Type, …`, taken apart and put together again.

    Raises Fault where it holds anything but names and types: a default is an expression, and is none.
    """
    columns = []
    for parts in _split(_parts(structure)):
        if len(parts) < 2 or not (NAME.fullmatch(parts[0]) or parts[0][0] in '`"'):  # noqa: PLR2004 - a name and a type
            raise _no_structure(structure)
        columns.append(f"{identifier(parts[0].strip(chr(34) + '`'))} {_type(parts[1:], structure)}")
    return f"CREATE TEMPORARY TABLE {identifier(name('An external table', table))} ({', '.join(columns)})"


def columns_of(types: str) -> str:
    """Name the columns `_1`, `_2`, … of a list of types."""
    return ", ".join(f"_{at} {' '.join(parts)}" for at, parts in enumerate(_split(_parts(types)), 1))


def _no_structure(text: str) -> Fault:
    return Fault(BAD_ARGUMENTS, f"An external table's structure must be names with types, not {text[:80]!r}")


def _parts(text: str) -> list[str]:
    parts, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            raise _no_structure(text)
        parts.append(found[1])
        at = found.end()
    return parts


def _split(parts: Sequence[str]) -> list[list[str]]:
    """Cut at the commas outside brackets."""
    found: list[list[str]] = [[]]
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if part == "," and not depth:
            found.append([])
        else:
            found[-1].append(part)
        if not 0 <= depth <= _DEEPEST:
            raise _no_structure(" ".join(parts))
    return found


def _type(parts: Sequence[str], structure: str) -> str:
    """Write a type: a word, or a word with everything else in one pair of brackets behind it."""
    word, rest = parts[0], parts[1:]
    bracketed = not rest or (rest[0] == "(" and rest[-1] == ")" and len(_split(rest)) == 1 and _is_one(rest))
    if not NAME.fullmatch(word) or not bracketed:
        raise _no_structure(structure)
    return " ".join(parts)


def _is_one(parts: Sequence[str]) -> bool:
    """Tell whether the first bracket is closed by the last one."""
    depth = 0
    for at, part in enumerate(parts):
        depth += (part == "(") - (part == ")")
        if not depth:
            return at == len(parts) - 1
    return False
