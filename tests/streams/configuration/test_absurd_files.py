"""Configuration files that would take minutes to parse are refused at once, by all that read such files."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from schemas.configuration.toml_files import ConfigurationError, parse_toml
from streams.configuration.folder import load_rules, read_sources, read_toml
from streams.configuration.mapping_files import read_mapping
from streams.sources.accounts import read_accounts

#: Texts of a hundred kilobytes and more, and what is said of each.
ABSURD: Final = {
    "header": (f"[a{'.a' * 50_000}]\n", "1: a key or header has more than 100 parts"),
    "key": (f"b = 1\na{'.a' * 50_000} = 1\n", "2: a key or header has more than 100 parts"),
    "spaced": (f"a = 1\n\nb = {{ a{' . a' * 50_000} = 1 }}\n", "3: a key or header has more than 100 parts"),
    "quoted": ('[["a"' + """."b".'c'""" * 25_000 + "]]\n", "1: a key or header has more than 100 parts"),
    "escaped": ('"x"' + r'."\""' * 25_000 + " = 1\n", "1: a key or header has more than 100 parts"),
    "size": ("# a comment\n" * 100_000, "1: has more than 1,048,576 characters"),
}
#: All that read TOML files of an operator's.
READERS: Final[dict[str, Callable[[Path], object]]] = {
    "centre.toml": lambda path: load_rules(path.parent),
    "sources.toml": lambda path: read_accounts(path.parent, {}),
    "pulssi.toml": read_toml,
    "pbx.toml": read_mapping,
}


@pytest.mark.parametrize("file", READERS)
@pytest.mark.parametrize("kind", ABSURD)
def test_it_is_refused_before_it_is_parsed(tmp_path: Path, kind: str, file: str) -> None:
    """One line names the file, where that is known the line, and the limit."""
    text, said = ABSURD[kind]
    (tmp_path / file).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as refused:
        READERS[file](tmp_path / file)
    assert refused.value.faults == [f"{tmp_path / file}:{said}"]


@pytest.mark.parametrize(
    "text",
    [
        f'{"a" * 100_000} = "{"b" * 100_000}"',
        f'a = "{"One sentence. And more of it. " * 3_000}"',
        f"a{'.a' * 99} = 1",
        f'[{"a." * 98}"b.c"]',
        f'a = """{"line" + chr(10) * 10_000}"""',
        f"a = [{'1.5, ' * 20_000}]",
        f"{'#' * 10_000}{'a' * 10_000}",
    ],
    ids=str.__len__,
)
def test_what_is_only_long_is_read(text: str) -> None:
    """Long names, texts with many dots, many numbers, and a key of as many parts as may be."""
    parse_toml(Path("a.toml"), text)


def test_many_quotes_and_dots_take_no_time_either() -> None:
    """What looks like the beginning of a long key again and again is looked at once."""
    for text in ('"' * 500_000, "'.\"" * 150_000, "a " * 250_000, ("a." * 99 + " = ") * 2_000):
        with pytest.raises(ConfigurationError):
            parse_toml(Path("a.toml"), text)


def test_the_folder_is_read_all_the_same(tmp_path: Path) -> None:
    """Of several files each has its line."""
    (tmp_path / "sources.toml").write_text(ABSURD["size"][0])
    assert read_sources(tmp_path).faults() == [f"{tmp_path}/sources.toml:{ABSURD['size'][1]}"]
