"""The container image itself, where there is a Docker engine."""

import subprocess
from pathlib import Path

import pytest

from tests.deploy.docker import needs_docker

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = needs_docker


@pytest.mark.parametrize("words", [("worker", "--help"), ("check-config",)])
def test_it_is_built_and_runs_read_only(words: tuple[str, ...]) -> None:
    """Commands work on a read-only file system, as nobody, without a capability; a second build is from the cache."""
    subprocess.run(["make", "image", "IMAGE=pulssi:test"], cwd=ROOT, check=True)
    closed = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")  # noqa: S108 - the container's
    subprocess.run(["docker", "run", "--rm", *closed, "pulssi:test", *words], check=True)
