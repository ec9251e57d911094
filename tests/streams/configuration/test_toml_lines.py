"""On which line of a TOML file something stands: against the shortest beginning of the whole file that has it."""

import tomllib
from collections.abc import Iterator
from typing import Any, Final

from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.configuration.toml_lines import TomlLines, TomlPath

#: Pieces of files; within the lists and texts lines that look like headers.
PIECES: Final = (
    "# a comment\n",
    "\n",
    "a = 1\n",
    "b.c = { d = 1, e = [2] }\n",
    "b.f = 'x'\n",
    'f = """\n[t]\nx = 1\n[[u]]\n"""\n',
    "g = '''\n[[u]]\n'''\n",
    "h = [\n [1, 2],\n [3]\n]\n",
    "i = [\n { j = 1 },\n # [t]\n { j = 2 },\n]\n",
    "[t]\n",
    "[ t.'v w' ] # why\n",
    "[t.u.x]\n",
    "[[u]]\n",
    "[[u]] # more\n",
    "[u.k]\n",
    "[[u.l]]\n",
    "[[u.l]]\nm = 1\n",
    "[u.k.n]\n",
    "[[t.o]]\n",
)
_CLOSINGS: Final = ("", "\n]", "\n]]", '"""\n', "'''\n")


def _paths(value: Any, path: TomlPath = ()) -> Iterator[TomlPath]:  # noqa: ANN401 - any TOML value
    yield path
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _paths(inner, (*path, step))


def _beginnings(text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    lines = text.splitlines(keepends=True)
    for n in range(1, len(lines) + 1):
        for closing in _CLOSINGS:
            try:
                yield n, tomllib.loads("".join(lines[:n]) + closing)
            except tomllib.TOMLDecodeError:
                continue
            break


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_every_value_is_on_the_line_that_it_begins_on(pieces: list[str]) -> None:
    """Whatever tables, lists and texts a file has: the line that ends the shortest beginning that has the value."""
    text = "".join(pieces)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        assume(False)
    expected: dict[TomlPath, int] = {(): 1}
    for n, beginning in _beginnings(text):
        for path in _paths(beginning):
            expected.setdefault(path, n)
    lines = TomlLines(text)
    assert {path: lines.line_of(path) for path in _paths(document)} == {
        path: expected[path] for path in _paths(document)
    }


def test_lines_in_files_of_any_shape() -> None:
    """Lists over many lines, tables in one line, keys with dots, text over many lines; what is missing, too."""
    text = '# c\na = [\n "1",\n # c\n "2", "3",\n]\nb.c = { d = 1 }\ns = """\nx\n"""\n[[t]]\n[t.u]\nv = 1\n[[t]]\n'
    places = ("a", "a.0", "a.2", "b.c.d", "s", "t.0", "t.0.u", "t.0.u.v", "t.1", "t.1.missing", "missing")
    paths = [tuple(int(step) if step.isdecimal() else step for step in place.split(".")) for place in places]
    assert [TomlLines(text).line_of(path) for path in paths] == [2, 3, 5, 7, 8, 11, 12, 13, 14, 14, 1]
