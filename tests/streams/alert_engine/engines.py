"""The SLA engine as a process of its own."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.streams.flow import PartProcess


def engine_process(environment: Mapping[str, str], log: Path, port: int = 0) -> PartProcess:
    """Give an engine."""
    command = [sys.executable, "-P", "-m", "deploy.cli", "alerts", "run"]
    return PartProcess("engine", command, {**environment, "PULSSI_ALERTS_PORT": str(port)}, log)
