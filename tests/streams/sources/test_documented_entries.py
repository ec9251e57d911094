"""The entries of sources.toml that the documents show can be used as they are."""

import re
import tomllib
from pathlib import Path
from typing import Final

import pytest

from schemas.configuration.source_models import SourcesFile
from streams.gateway.hook_accounts import secret_fault
from streams.sources.registry import adapter_of

DOCS: Final = Path(__file__).resolve().parents[3] / "docs"
#: An entry, up to the end of its block: an empty line before text that is not indented, or the end of the fence.
_ENTRY: Final = re.compile(r"^( *)\[\[source\]\]\n((?:\1[^\n]*\n| *\n)*)", re.MULTILINE)


def entries() -> list[tuple[str, str]]:
    """Find each entry with the page that has it."""
    found = []
    for path in sorted([*DOCS.glob("*.md"), *DOCS.glob("sources/*.md")]):
        for match in _ENTRY.finditer(path.read_text(encoding="utf-8")):
            indent, lines = match[1], match[2]
            kept = []
            for line in lines.splitlines():
                text = line.removeprefix(indent)
                if text.startswith(("```", "[")) or (not indent and not text.strip()):
                    break
                kept.append(text)
            found.append((path.name, "[[source]]\n" + "\n".join(kept) + "\n"))
    return found


@pytest.mark.parametrize(("page", "text"), entries())
def test_an_entry_can_be_used(page: str, text: str) -> None:
    """Its keys are those of its source, and its values what they must be."""
    (entry,) = SourcesFile.model_validate(tomllib.loads(text)).source
    assert entry.account, page
    assert secret_fault(entry, adapter_of(entry.source)) is None, page


def test_each_source_has_one() -> None:
    """Every page of a source shows an entry."""
    pages = {page for page, _ in entries()}
    assert pages >= {path.name for path in DOCS.glob("sources/*.md")} - {"README.md"}
