"""Whether there is a Docker engine, for tests that need one."""

import shutil
import subprocess
from functools import cache

import pytest


@cache
def engine_fault() -> str:
    """Say why no container can be run here; empty where one can."""
    program = shutil.which("docker")
    if program is None:
        return "there is no program `docker`"
    asked = subprocess.run([program, "info"], check=False, capture_output=True, text=True)
    return "" if asked.returncode == 0 else "no Docker engine answers"


needs_docker = [
    pytest.mark.docker,
    pytest.mark.long,
    pytest.mark.skipif(bool(engine_fault()), reason=f"needs a Docker engine: {engine_fault()}"),
]
