"""What no file of the tree may name: one machine's paths, and addresses of package registries.

A clone must build anywhere, behind a mirror too: which registry is asked is up to the machine, not to us.
"""

import re
import shutil
import subprocess
import tomllib
from itertools import chain
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

#: Put together here, so that this file does not name them either.
FORBIDDEN: Final = tuple(
    "".join(parts)
    for parts in (
        *(("/wo", "rk/"), ("pypi", ".org"), ("files.python", "hosted.org"), ("pypi.python", ".org")),
        *(("proxy.golang", ".org"), ("sum.golang", ".org"), ("repo1.maven", ".org"), ("repo.maven", ".apache.org")),
        *(("registry.npmjs", ".org"), ("registry.yarn", "pkg.com")),
    )
)
#: A folder beside the clone, which only tests of the whole may look for.
_SHARED: Final = f"..{'/'}shared"


def tree() -> list[Path]:
    """List the files of the tree that git would take in; skips where there is no git."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone, to know which files are the project's")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def named(text: str, *, end_to_end: bool = False) -> list[str]:
    """Tell which forbidden things a text names."""
    words = FORBIDDEN if end_to_end else (*FORBIDDEN, _SHARED)
    return [word for word in words if word in text]


#: The one default that a setting changes: where users' machines find Kafka's jars.
_DEFAULT_REPOSITORY: Final = (Path("deploy/embedded/kafka/jars.py"), FORBIDDEN[7])


def test_no_file_names_what_is_forbidden() -> None:
    """Lock files, build files and documents included."""
    found = {}
    for path in tree():
        name = path.relative_to(ROOT)
        words = named(path.read_bytes().decode("utf-8", "replace"), end_to_end=name.is_relative_to("tests/e2e"))
        words = [word for word in words if (name, word) != _DEFAULT_REPOSITORY]
        if words:
            found[str(name)] = words
    assert found == {}


def test_what_is_planted_is_found() -> None:
    """The check sees each of them."""
    assert [named(f"see https://{word}x") for word in FORBIDDEN] == [[word] for word in FORBIDDEN]
    assert named(f"cp {_SHARED}/x .") == [_SHARED]
    assert named(f"cp {_SHARED}/x .", end_to_end=True) == []


def test_modules_stay_small() -> None:
    """No Python file grows above 400 lines; what does is two things."""
    long = {
        str(path.relative_to(ROOT)): lines
        for path in tree()
        if path.suffix == ".py" and (lines := path.read_bytes().count(b"\n")) > 400
    }
    assert long == {}


def test_every_dependency_is_accounted_for() -> None:
    """Each declared dependency has its line in docs/dependencies.md with the locked version, and no other has one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [
        *project["project"]["dependencies"],
        *chain.from_iterable(project["project"]["optional-dependencies"].values()),
        *project["dependency-groups"]["dev"],
    ]
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "locks/dev.txt").read_text(), re.MULTILINE))
    told = dict(
        re.findall(r"^\| `([a-z0-9-]+)` \| ([0-9.!]+),", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    )
    names = {re.split(r"[^A-Za-z0-9-]", name)[0] for name in declared}
    assert told == {name: locked[name] for name in names}
