"""docs/proofs.md names tests that are there, and the batch is as independent as it says."""

import ast
import re
from pathlib import Path
from typing import Final

import pytest

from tests.test_layers import imported

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "proofs.md"
OURS: Final = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()} | {"tests"}

_NAMED: Final = re.compile(r"`(tests/[^`:]+\.py)(?:::(\w+))?`")


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("file", "test"), _NAMED.findall(PAGE.read_text(encoding="utf-8")))
def test_what_is_named_is_there(file: str, test: str) -> None:
    """Each file exists and has tests, and the test that is named is one of them."""
    functions = _functions(ROOT / file)
    assert any(name.startswith("test_") for name in functions)
    assert not test or test in functions


def test_every_promise_has_a_test() -> None:
    """No line of a table names none."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    told = [line for line in lines if line not in {"| promise | held by |", "| --- | --- |"}]
    assert len(told) > 30
    assert [line for line in told if not _NAMED.search(line)] == []


def test_the_batch_imports_nothing_of_what_it_checks() -> None:
    """`tests/oracle` has the standard library, holidays' dates, and itself."""
    for path in (ROOT / "tests" / "oracle").glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        ours = {name for node in ast.walk(tree) for name in imported(node) if name.split(".")[0] in OURS}
        assert all(name.startswith("tests.oracle") for name in ours), f"{path.name} imports {ours}"
