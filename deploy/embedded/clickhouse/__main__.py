"""`python -m deploy.embedded.clickhouse`: the embedded ClickHouse as a program of its own, for tests and by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploy.embedded.clickhouse.process import run


@click.command(name="clickhouse")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="The data folder.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8123, show_default=True, help="0: any free port.")
@click.option("--database", default="pulssi", show_default=True, help="What readers read; `x*`: all that begin so.")
@click.option("--allowed-hosts", default="", help="Names under which it is reached, separated by commas.")
def main(data: Path, host: str, port: int, database: str, allowed_hosts: str) -> None:
    """Serve a ClickHouse data folder over HTTP."""
    sys.exit(run(data, host, port, database, allowed_hosts))


if __name__ == "__main__":
    main()
