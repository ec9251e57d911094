"""On which line of a TOML file something stands, told by parsing what comes before it: TOML has one grammar here."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any, Final

#: What may have to be closed for a part of a file to be whole.
_CLOSINGS: Final = ("", "\n]", "\n]]", "\n]]]", '"""\n', "'''\n")

Path = Sequence[str | int]


def line_of(text: str, path: Path) -> int:
    """Give the line on which a value, a list or a table begins; of what is missing, where it should be.

    `path` leads to it: keys of tables, places in lists. Whole files only: what is no TOML has its line in the message.
    """
    document = tomllib.loads(text)
    while path and not _leads(document, path):
        path = path[:-1]
    if not path:
        return 1
    lines = text.splitlines(keepends=True)
    low, high = 1, len(lines)
    while low < high:
        middle = (low + high) // 2
        # Within a value that cannot be cut there, look a little earlier.
        parsed = next((part for end in range(middle, low - 1, -1) if (part := _begun(lines[:end])) is not None), {})
        if _leads(parsed, path):
            high = middle
        else:
            low = middle + 1
    return low


def _begun(lines: list[str]) -> dict[str, Any] | None:
    """Parse the beginning of a file; None where it breaks off within a value that cannot be closed."""
    text = "".join(lines)
    for closing in _CLOSINGS:
        try:
            return tomllib.loads(text + closing)
        except tomllib.TOMLDecodeError:
            continue
    return None


def _leads(document: Any, path: Path) -> bool:  # noqa: ANN401 - any TOML value
    value = document
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
        elif not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True
