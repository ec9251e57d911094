"""`make install` runs this once: it loads what a stack loads, so that each of its processes finds byte code.

A stack is many processes that start at once. To compile every installed package instead takes a minute of a processor,
most of it for what nothing here loads.
"""

from __future__ import annotations

import compileall
import contextlib
import importlib
import sys
from pathlib import Path
from typing import Final

OWN: Final = ("dashboards", "deploy", "schemas", "sinks", "streams")
#: What the parts and their commands load when they run.
LOADED: Final = (
    "dashboards.wallboard.service",
    "deploy.cli.migrate",
    "deploy.cli.parts",
    "deploy.cli.replay",
    "deploy.cli.simulate",
    "deploy.cli.up",
    "deploy.embedded.broker",
    "deploy.embedded.clickhouse.server",
    "deploy.embedded.demonstration",
    "deploy.embedded.stack",
    "sinks.clickhouse.migrations",
    "sinks.run",
    "streams.sources.producing",
    "streams.topics",
    "streams.worker",
)


def main() -> None:
    """Compile our own sources, and load what the rest is compiled by; what cannot be written costs a slower start."""
    sys.dont_write_bytecode = False
    root = Path(__file__).parent.parent
    for name in OWN:
        compileall.compile_dir(root / name, quiet=2)
    for name in LOADED:
        with contextlib.suppress(ImportError):  # an extra that is not installed
            importlib.import_module(name)


if __name__ == "__main__":
    main()
