"""What the pages of `docs/sources` say to write is accepted as it stands there."""

import re
from pathlib import Path

import pytest

from streams.configuration.folder import read_sources

_PAGES = Path(__file__).resolve().parents[3] / "docs"


def _entries(page: Path) -> list[str]:
    """Return the parts of a page that begin with an entry of `sources.toml`."""
    lines = [line.strip() for line in page.read_text(encoding="utf-8").splitlines()]
    starts = [number for number, line in enumerate(lines) if line == "[[source]]"]
    return ["\n".join(_until_prose(lines[start:])) for start in starts]


def _until_prose(lines: list[str]) -> list[str]:
    ends = (number for number, line in enumerate(lines) if not re.match(r"\[\[source\]\]$|[a-z_]+ = |#", line))
    return lines[: next(ends, len(lines))]


#: By the page's name and the place on it.
_ALL = {
    f"{page.stem}-{number}": entry
    for page in (*sorted((_PAGES / "sources").glob("*.md")), _PAGES / "gateway.md")
    for number, entry in enumerate(_entries(page), start=1)
}


def test_the_pages_have_entries() -> None:
    """Each source's page shows how its entry looks."""
    pages = {page.stem for page in (_PAGES / "sources").glob("*.md")} - {"README"}
    assert pages == {name.rpartition("-")[0] for name in _ALL} - {"gateway"}


@pytest.mark.parametrize("entry", _ALL.values(), ids=_ALL)
def test_entries_of_the_pages_are_accepted(tmp_path: Path, entry: str) -> None:
    """An operator who copies an entry gets no fault."""
    (tmp_path / "sources.toml").write_text(entry, encoding="utf-8")
    files = read_sources(tmp_path)
    assert files.faults() == []
    assert len(files.sources) == 1
