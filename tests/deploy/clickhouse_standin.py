"""Stands for an official `clickhouse` program, for tests of who starts and ends it.

It tells a version, and answers `/ping` and `SELECT 1` on the port of its configuration. Usage: … VERSION [server]
--version | --config-file=FILE.
"""

import re
import sys
from pathlib import Path

import click

from tests.deploy.standin import serve

OFFICIAL = "ClickHouse server version {} (official build)."


def main(version: str, *words: str) -> None:
    """Serve until SIGTERM."""
    if "--version" in words:
        click.echo(OFFICIAL.format(version))
        return
    config = Path(words[-1].removeprefix("--config-file=")).read_text("utf-8")
    port = re.search("<http_port>([0-9]+)<", config)
    assert port is not None
    serve(int(port[1]))


def program(folder: Path, version: str = "26.9.1.1", name: str = "clickhouse") -> Path:
    """Make one in a folder."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {version} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path


if __name__ == "__main__":
    main(*sys.argv[1:])
