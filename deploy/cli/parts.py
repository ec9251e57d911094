"""One part each, as run in production: `worker`, `sink`, `wallboard`; and the embedded `broker` and `clickhouse`.

Every command only loads the settings and calls its part's main function, which runs until SIGTERM or Ctrl-C.
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from deploy.cli.common import ends_with, folder_option, settings_or_exit
from deploy.cli.downloads import downloading
from deploy.cli.rules import config_option, configured_or_exit
from deploy.embedded.state import folder_for
from schemas.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])

host_option: Final = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")


def _port_option(default: int) -> Callable[[Command], Command]:
    return click.option(
        "--port", type=click.IntRange(0, 65535), default=default, show_default=True, help="0: any free port."
    )


def _lifeline(context: click.Context, parameter: click.Parameter, wanted: bool) -> bool:  # noqa: FBT001 - click's order
    del context, parameter
    if wanted:
        from deploy.embedded.lifeline import end_with_stdin  # noqa: PLC0415 - only under a supervisor

        end_with_stdin()
    return wanted


stdin_option: Final = click.option(
    "--while-stdin",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_lifeline,
    help="End when standard input is closed: for a supervisor, so that no part outlives it.",
)


def _log(level: str) -> None:
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for client in ("kafka", "aiokafka"):
        logging.getLogger(client).setLevel(logging.WARNING)
    # A sink that waits says so itself; its client would write two lines more each time (and sets `urllib3` back).
    for client in ("urllib3.connectionpool", "clickhouse_connect"):
        logging.getLogger(client).setLevel(logging.ERROR)


def _main_of(module: str) -> Callable[..., int]:
    """Import a part's module when it is started: the others' imports are not its own."""
    run: Callable[..., int] = importlib.import_module(module).run
    return run


def _started(module: str, settings: Settings) -> None:
    _log(settings.log_level)
    ends_with(_main_of(module), settings)


@click.command()
@config_option
@stdin_option
def worker() -> None:
    """Run a stream worker: reads events, folds contacts, writes the journals.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi worker
    """
    _started("streams.worker", configured_or_exit())


@click.command()
@config_option
@stdin_option
def sink() -> None:
    """Run the sink: writes what the journals hold, and the events, to ClickHouse.

    Example: PULSSI_CLICKHOUSE_URL=http://user:password@clickhouse:8123 pulssi sink
    """
    _started("sinks.run", settings_or_exit())


@click.command()
@config_option
@stdin_option
def wallboard() -> None:
    """Run the wallboard: the live page and its API.

    Example: PULSSI_WALLBOARD_PORT=8080 pulssi wallboard
    """
    _started("dashboards.wallboard.service", configured_or_exit())


@click.command()
@folder_option
@host_option
@_port_option(9092)
@stdin_option
def broker(data: Path | None, host: str, port: int) -> None:
    """Run the embedded broker: one node of Apache Kafka, its records in the data folder.

    Its jars are downloaded the first time, into XDG_CACHE_HOME/pulssi (default: ~/.cache/pulssi).

    Example: pulssi broker --data ./.pulssi --port 9092
    """
    settings = settings_or_exit()
    _log(settings.log_level)
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its readiness probe fails by design at first
    place = (folder_for(data, os.environ), host, port)
    with downloading() as progress:
        ends_with(_main_of("deploy.embedded.broker"), *place, settings.kafka_repository, progress)


@click.command()
@folder_option
@host_option
@_port_option(8123)
@stdin_option
def clickhouse(data: Path | None, host: str, port: int) -> None:
    """Run the embedded ClickHouse: the engine in this process, with ClickHouse's HTTP interface.

    Example: pulssi clickhouse --data ./.pulssi --port 8123
    """
    settings = settings_or_exit()
    _log(settings.log_level)
    folder = folder_for(data, os.environ)
    database, hosts = settings.clickhouse_database, settings.allowed_hosts
    ends_with(_main_of("deploy.embedded.clickhouse.process"), folder, host, port, database, hosts)
