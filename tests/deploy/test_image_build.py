"""The steps by which the image is built, run as they stand in the Dockerfile, in a folder in the place of its root."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.test_container import ROOT, instructions


@pytest.mark.long
@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")
def test_the_build_stage_works(tmp_path: Path) -> None:
    """Packages come by their hashes, from wheels alone; what is installed runs as C, and its commands work."""
    places = {"/opt/": f"{tmp_path}/opt/", "/wheel": f"{tmp_path}/wheel"}
    source = tmp_path / "src"
    source.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    for name, words in instructions("build"):
        if name == "ENV":
            environment |= dict(re.findall(r"(\w+)=(\S+)", words))
        if name == "COPY":
            *paths, to = words.split()
            for path in paths:
                _copy(ROOT / path, source / to / Path(path).name if to.endswith("/") else source / to)
        if name == "RUN":
            for place, here in places.items():
                words = words.replace(place, here)  # noqa: PLW2901 - the same step, elsewhere
            done = subprocess.run(["sh", "-ec", words], cwd=source, env=environment, check=False, capture_output=True)
            assert done.returncode == 0, done.stderr.decode()[-2000:]
    for words_ in (["--help"], ["worker", "--help"], ["check-config"]):
        program = tmp_path / "opt/pulssi/bin/pulssi"
        told = subprocess.run([program, *words_], cwd=tmp_path, check=False, capture_output=True, text=True)
        assert told.returncode == 0, told.stderr


def _copy(path: Path, to: Path) -> None:
    if path.is_dir():
        shutil.copytree(path, to, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    else:
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
