"""The container image itself, and all containers together, where there is a Docker engine."""

import subprocess
from pathlib import Path

import pytest

from deploy.bare.compose_file import COMPOSE_FILE
from tests.deploy.docker import needs_docker

ROOT = Path(__file__).resolve().parent.parent.parent
pytestmark = needs_docker


@pytest.mark.parametrize("words", [("worker", "--help"), ("check-config",)])
def test_it_is_built_and_runs_read_only(words: tuple[str, ...]) -> None:
    """Commands work on a read-only file system, as nobody, without a capability; a second build is from the cache."""
    subprocess.run(["make", "image", "IMAGE=pulssi:test"], cwd=ROOT, check=True)
    closed = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "none")  # noqa: S108 - the container's
    subprocess.run(["docker", "run", "--rm", *closed, "pulssi:test", *words], check=True)


def test_all_containers_come_up_and_count() -> None:
    """Every part gets healthy, and what is simulated of today is in ClickHouse."""
    compose = ["docker", "compose", "--file", str(COMPOSE_FILE), "--profile", "demo"]
    try:
        subprocess.run(["make", "compose-up", "PROFILES=demo"], cwd=ROOT, check=True)
        subprocess.run([*compose, "up", "--detach", "--wait", "wallboard", "sink", "alerts", "grafana"], check=True)
        subprocess.run([*compose, "exec", "sink", "pulssi", "drain", "--timeout", "300"], check=True)
    finally:
        subprocess.run([*compose, "down", "--volumes"], check=True)
