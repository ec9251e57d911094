"""The embedded ClickHouse: the engine from a wheel behind ClickHouse's own HTTP interface.

It exists so that `pulssi up` needs neither Docker nor root, and so that the rest of Pulssi, Grafana, planners and curl
talk to it exactly as they would to a server. It must never offer an interface of its own that a real server lacks.

Only `run` is public. Nothing here loads the engine on import: it takes a second and 200 MB.
"""

from __future__ import annotations

from pathlib import Path


def run(folder: Path, host: str, port: int, database: str = "pulssi", allowed_hosts: str = "") -> int:
    """Serve the data folder until SIGTERM or SIGINT; returns the exit code of the command.

    `pulssi_reader` reads `database`, or with a star at its end all databases whose names begin so. `allowed_hosts`:
    names, separated by commas, under which the server is reached besides localhost and addresses.

    Prints `clickhouse ready at http://HOST:PORT` once queries are answered; port 0 takes any free one. Returns 0 after
    a clean end, 2 where the folder cannot be used, 3 where another process has it or the address is taken.
    """
    from deploy.embedded.clickhouse.process import run as run_process  # noqa: PLC0415 - the engine loads on use only

    return run_process(folder, host, port, database, allowed_hosts)
