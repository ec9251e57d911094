"""Plain values as YAML, with texts of several lines as blocks, so that a change of a query reads as a change of a line.

Only what provisioning needs: mappings with text keys, lists, texts, numbers, booleans and null. A text is quoted as
JSON, which YAML reads alike, unless it is a bare word that no YAML version takes for anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
#: Bare words that some YAML version reads as a truth value or null.
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def _text(value: str) -> str:
    if _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    raise TypeError(f"no YAML for a {type(value).__name__}")


def _is_block(value: object) -> bool:
    """A text whose lines can stand as they are: nothing that indentation or stripping would change."""
    return isinstance(value, str) and "\n" in value and value == value.strip() and "\t" not in value


def _under(value: object, indent: str) -> tuple[str, list[str]]:
    """What stands on the line of the key or dash, and the lines below it."""
    if isinstance(value, str) and _is_block(value):
        return " |-", [f"{indent}{line}" if line else "" for line in value.split("\n")]
    if isinstance(value, Mapping) and value:
        return "", list(_mapping(value, indent))
    if isinstance(value, list) and value:
        return "", list(_sequence(value, indent))
    if isinstance(value, Mapping):
        return " {}", []
    return (" []", []) if isinstance(value, list) else (f" {_scalar(value)}", [])


def _mapping(value: Mapping[str, object], indent: str) -> Iterator[str]:
    for key, item in value.items():
        first, below = _under(item, f"{indent}  ")
        yield f"{indent}{_text(key)}:{first}"
        yield from below


def _sequence(value: list[object], indent: str) -> Iterator[str]:
    for item in value:
        first, below = _under(item, f"{indent}  ")
        if first or not below:
            yield f"{indent}-{first}"
            yield from below
        else:
            yield f"{indent}- {below[0].lstrip()}"
            yield from below[1:]


def to_yaml(value: Mapping[str, object]) -> str:
    """Write a mapping. Raises TypeError for what YAML has no plain form of."""
    return "\n".join(_mapping(value, "")) + "\n"
