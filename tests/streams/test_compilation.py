"""What was compiled is never taken for other sources than its own."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from deploy import compiled
from deploy.cli import main
from streams import compilation


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the sources of all that is compiled, and a file that stands for what they were compiled into."""
    for module in compilation.MODULES:
        source = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(compilation.source_of(module).read_bytes())
    monkeypatch.setattr(compilation, "ROOT", tmp_path)
    monkeypatch.setattr(compilation, "MARK", tmp_path / compilation.MARK.name)
    (tmp_path / f"{compilation.GROUP}__mypyc.any.so").touch()
    return tmp_path


def test_every_module_is_there() -> None:
    """A module that was moved is compiled where it is."""
    assert [module for module in compilation.MODULES if not compilation.source_of(module).is_file()] == []


def test_an_edited_source_is_noticed(folder: Path) -> None:
    """Compiled and then changed, nothing folds and what to do is said; what ends a stack still works."""
    compilation.MARK.write_text(compilation.fingerprint())
    assert compilation.is_compiled()
    assert not compilation.is_of_other_sources()
    assert CliRunner().invoke(main, ["worker", "--help"]).exit_code == 0
    (folder / "streams" / "core" / "fold.py").write_text("# another")
    assert compilation.is_of_other_sources()
    for command in ("worker", "up"):
        refused = CliRunner().invoke(main, [command])
        assert refused.exit_code == 2
        assert "make compiled" in refused.output
    assert CliRunner().invoke(main, ["down", "--help"]).exit_code == 0


def test_without_a_fingerprint_nothing_is_trusted(folder: Path) -> None:
    """A compilation that was broken off leaves none."""
    assert not (folder / compilation.MARK.name).exists()
    assert compilation.is_of_other_sources()


def test_taken_away_it_is_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make plain` leaves the sources alone."""
    monkeypatch.setattr(compiled, "ROOT", folder)
    monkeypatch.setattr(compiled, "MARK", compilation.MARK)
    (folder / "streams" / "partition" / "state.cpython-311.so").touch()
    (folder / "streams" / "once.cpython-311.so").touch()  # of a version that compiled another module
    compiled.remove_all(folder)
    assert not compilation.is_compiled()
    assert [path.name for path in folder.rglob("*.so")] == []
    assert (folder / "streams" / "partition" / "state.py").exists()
