"""A wheel whose hot path is C: what it holds, that it runs once it is installed, and that no checkout changes."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from streams import compilation

ROOT = Path(__file__).resolve().parent.parent.parent


def _copy(folder: Path) -> Path:
    """Copy what a wheel is built from: a build next to other tests must not compile under them."""
    for name in ("dashboards", "deploy", "schemas", "sinks", "streams"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    return folder


def _build(source: Path, **environment: str) -> list[str]:
    subprocess.run(
        [sys.executable, "-P", "-m", "hatchling", "build", "--target", "wheel", "--directory", "dist"],
        cwd=source,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    (wheel,) = (source / "dist").glob("*.whl")
    return [wheel.name, *ZipFile(wheel).namelist()]


def test_the_usual_wheel_is_plain(tmp_path: Path) -> None:
    """An install from source needs no compiler, and fits every platform."""
    name, *files = _build(_copy(tmp_path))
    assert name.endswith("-py3-none-any.whl")
    assert [file for file in files if file.endswith(".so")] == []
    assert {"sinks/clickhouse/views/08_access.sql", "deploy/embedded/kafka/jars.lock"} <= set(files)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_the_compiled_wheel_runs_as_c(tmp_path: Path) -> None:
    """Installed elsewhere, its hot path is C of the sources beside it; those it was built from are plain again."""
    source = _copy(tmp_path / "source")
    name, *files = _build(source, HATCH_BUILD_HOOKS_ENABLE="true")
    assert not name.endswith("-any.whl")
    assert sum(file.endswith(".so") for file in files) == len(compilation.MODULES) + 1
    assert [path for path in source.rglob("*.so") if ".cache" not in path.parts] == []
    there = tmp_path / "there"
    ZipFile(source / "dist" / name).extractall(there)
    assert _code(tmp_path, there, "deploy.compiled", "--check") == 0
    assert _code(tmp_path, there, "deploy.cli", "worker", "--help") == 0
    (there / "streams/core/fold.py").write_text("# another")
    assert _code(tmp_path, there, "deploy.compiled", "--check") == 1
    assert _code(tmp_path, there, "deploy.cli", "worker") == 2


def _code(home: Path, there: Path, *words: str) -> int:
    """Run a module of what is installed there; returns its exit code."""
    environment = {**os.environ, "PYTHONPATH": str(there)}
    command = [sys.executable, "-P", "-m", *words]
    return subprocess.run(command, cwd=home, env=environment, check=False, capture_output=True).returncode


def test_the_hook_builds_with_what_is_locked() -> None:
    """Its build dependencies are the versions that the image's build is locked to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = project["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["dependencies"]
    locked = (ROOT / "locks/image-build.txt").read_text(encoding="utf-8")
    assert [each for each in wanted if f"{each} \\" not in locked] == []
