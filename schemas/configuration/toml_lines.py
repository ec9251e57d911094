"""On which line of a TOML file a value stands; the parser of the standard library does not say.

A file is cut into its tables, at their headers. A value is looked for in the tables that can have it, and there in
beginnings of the table: it stands on the last line of the shortest beginning that has it.
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

#: Keys of tables and places in lists.
TomlPath = tuple[str | int, ...]

#: A line that is a header, `[table]` or `[[list]]`, or looks like one within a list or a text.
_HEADER: Final = re.compile(r"\s*\[.*\]\s*(?:#.*)?\s*")
#: What may have to be closed for a beginning to be whole.
_CLOSINGS: Final = ("", "\n]", "\n]]", "\n]]]", '"""\n', "'''\n")


class _Table(NamedTuple):
    """A table as it stands in the file: its place in the document, its first line (from 0), its lines and its values.

    Its first line is its header; what stands before the first header is a table without one, at the place ().
    """

    place: TomlPath
    first: int
    lines: list[str]
    values: dict[str, Any]

    def contains(self, path: TomlPath) -> bool:
        """Tell whether something is in this table, or begins with its header."""
        return self.place[: len(path)] == path or (
            path[: len(self.place)] == self.place and _contains(self.values, path[len(self.place) :])
        )

    def line_of(self, path: TomlPath) -> int:
        """Return the line (from 1) of something that it contains."""
        low, high = 1, 1 if self.place[: len(path)] == path else len(self.lines)
        while low < high:
            middle = (low + high) // 2
            if self._has(middle, path):
                high = middle
            else:
                low = middle + 1
        return self.first + low

    def _has(self, n: int, path: TomlPath) -> bool:
        """Tell whether the first `n` lines have something; those within a value that cannot be cut have not."""
        content = _below_header(self.place, self.lines[:n])
        parsed = next((part for end in range(len(content), -1, -1) if (part := _parsed(content[:end])) is not None), {})
        return _contains(parsed, path[len(self.place) :])


class TomlLines:
    """The lines of one TOML file, which must be valid."""

    def __init__(self, text: str) -> None:
        self._document = tomllib.loads(text)
        self._tables = list(_tables(text.splitlines(keepends=True)))
        #: By place: the table that stands there, and the first one that stands there or further in, by their numbers.
        self._at: dict[TomlPath, int] = {}
        self._first_within: dict[TomlPath, int] = {}
        for number, table in enumerate(self._tables):
            self._at[table.place] = number
            for length in range(len(table.place) + 1):
                self._first_within.setdefault(table.place[:length], number)

    def line_of(self, path: TomlPath) -> int:
        """Return the line on which a value, a list or a table begins; of what is missing, where it should be."""
        while path and not _contains(self._document, path):
            path = path[:-1]
        if not path:
            return 1
        beginnings = (path[:length] for length in range(len(path) + 1))
        numbers = {self._at[place] for place in beginnings if place in self._at}
        if path in self._first_within:
            numbers.add(self._first_within[path])
        tables = (self._tables[number] for number in sorted(numbers))
        return next(table.line_of(path) for table in tables if table.contains(path))


def _tables(lines: list[str]) -> Iterator[_Table]:
    """Cut a file at its headers: only where all before is whole, as a line of a list or a text can look like one."""
    lists: dict[TomlPath, int] = {}
    begin = 0
    place: TomlPath = ()
    for end in (*(number for number, line in enumerate(lines) if _HEADER.fullmatch(line)), len(lines)):
        if end > begin and (values := _whole(_below_header(place, lines[begin:end]))) is not None:
            yield _Table(place, begin, lines[begin:end], values)
            begin = end
        if begin == end < len(lines):
            place = _place(lines[end], lists)


def _place(header: str, lists: dict[TomlPath, int]) -> TomlPath:
    """Return the place of a table by its header; `lists` has the newest place in each list so far."""
    place: TomlPath = ()
    level: Any = tomllib.loads(header)
    while level:
        ((key, level),) = level.items()
        place = (*place, key)
        if isinstance(level, list):
            lists[place] = lists.get(place, -1) + 1
            (level,) = level
        if place in lists:
            place = (*place, lists[place])
    return place


def _below_header(place: TomlPath, lines: list[str]) -> list[str]:
    return lines[1:] if place else lines


def _whole(lines: list[str], closing: str = "") -> dict[str, Any] | None:
    """Parse lines; None where they break off within a value."""
    try:
        return tomllib.loads("".join(lines) + closing)
    except tomllib.TOMLDecodeError:
        return None


def _parsed(lines: list[str]) -> dict[str, Any] | None:
    """Parse a beginning; None where it breaks off within a value that cannot be closed."""
    parsed = (_whole(lines, closing) for closing in _CLOSINGS)
    return next((values for values in parsed if values is not None), None)


def _contains(value: Any, path: TomlPath) -> bool:  # noqa: ANN401 - any TOML value
    try:
        for step in path:
            value = value[step]
    except (LookupError, TypeError):
        return False
    return True
