"""A command for each part, for production: `worker`, `sink`, `gateway`, `wallboard`; embedded `broker`, `clickhouse`.

Every command only loads the settings and calls its part's main function, which runs until SIGTERM or Ctrl-C.
"""

import importlib
import logging
import sys
import time
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import click

from deploy.cli.common import data_folder_option, fail
from deploy.cli.config_option import config_option, load_configuration
from deploy.embedded.child_processes import end_with_stdin
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.configuration.folder import RULE_FILES

#: In characters; everybody on the floor may know it, and nobody outside may guess it.
SHORTEST_PASSWORD: Final = 12

_LOG: Final = logging.getLogger(__name__)

host_option: Final = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")


port_option: Final = partial(
    click.option, "--port", type=click.IntRange(0, 65535), show_default=True, help="0: any free port."
)


stdin_option: Final = click.option(
    "--while-stdin",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda _context, _parameter, wanted: end_with_stdin() if wanted else None,
    help="End when standard input is closed: for a supervisor, so that no part outlives it.",
)


def run_part(module: str, settings: Settings, *arguments: object) -> NoReturn:
    """Run the main function of a part's module, imported only now: the others' imports are not its own.

    Ends with its code. Ctrl-C is a clean end; what nothing expects ends with 70, its trace in the log.
    """
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # In an outage they write dozens of lines a second, at level ERROR; the part itself says what does not answer.
    for client in ("kafka", "aiokafka", "faust", "mode"):
        logging.getLogger(client).setLevel(logging.CRITICAL)
    # A sink that waits says so itself; its client would write two lines more each time (and sets `urllib3` back).
    for client in ("urllib3.connectionpool", "clickhouse_connect"):
        logging.getLogger(client).setLevel(logging.ERROR)
    try:
        code = importlib.import_module(module).run(*arguments)
    except KeyboardInterrupt:
        raise SystemExit(Exit.DONE) from None
    except (ConfigurationError, EndError):
        raise
    except Exception:  # noqa: BLE001 - whatever it is, the process ends, and says so
        _LOG.exception("a bug: %s ends", module)
        code = Exit.BUG
    raise SystemExit(code)


@click.command()
@config_option
@stdin_option
def worker() -> None:
    """Run a worker: it reads events and computes the numbers.

    It writes them to the journals, which the sink and the wallboard read. Several workers share the partitions: each
    has the same settings, and on one machine a PULSSI_WORKER_PORT of its own.

    Health and metrics are at PULSSI_WORKER_PORT (/healthz, /readyz, /metrics). Ends with 1 where somebody must act
    first, with 70 for a bug, with 71 where something hung: start it again after 70 and 71.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi worker
    """
    settings, _ = load_configuration()
    run_part("streams.worker", settings, settings)


@click.command()
@config_option
@stdin_option
def sink() -> None:
    """Run the sink: it writes numbers and events to ClickHouse.

    Health and metrics are at PULSSI_SINK_PORT (/healthz, /readyz, /metrics). Ends with 1 where somebody must act
    first, with 70 for a bug, with 71 where something hung: start it again after 70 and 71.

    Example: PULSSI_CLICKHOUSE_URL=http://user:password@clickhouse:8123 pulssi sink
    """
    settings = load_settings()
    run_part("sinks.sink", settings, settings)


@click.command()
@config_option
@stdin_option
def gateway() -> None:
    """Run the gateway: it receives the hooks of other systems.

    The file sources.toml names the accounts; each has an address, /hooks/SOURCE/ACCOUNT. A hook is answered with 2xx
    when Kafka has stored its events.

    Health and metrics are at PULSSI_GATEWAY_PORT (/healthz, /readyz, /metrics). Several may run behind a proxy. Ends
    with 1 where somebody must act first, as where sources.toml is no TOML, with 70 for a bug: start it again after 70.
    The log names a faulty account, which is used once it is corrected; the others are used meanwhile.

    Example: PULSSI_KAFKA_BROKERS=kafka:9092 pulssi gateway
    """
    settings = load_settings()
    run_part("streams.gateway.service", settings, settings)


@click.group(invoke_without_command=True)
@config_option
@stdin_option
@click.pass_context
def wallboard(context: click.Context) -> None:
    """Run the wallboard: the live page and its API.

    Health and metrics are at the page's address (/healthz, /readyz, /metrics). If other machines can reach it
    (PULSSI_BIND), it needs a sign-in: docs/sign-in.md. Ends with 1 where somebody must act first, with 70 for a bug:
    start it again after 70.

    Example: PULSSI_WALLBOARD_PORT=8080 pulssi wallboard
    """
    if context.invoked_subcommand is None:
        settings, _ = load_configuration(files=RULE_FILES)
        run_part("dashboards.wallboard.service", settings, settings)


@wallboard.command("hash-password")
def hash_password() -> None:
    """Ask for a password, and print its hash.

    The hash is for PULSSI_WALLBOARD_PASSWORD_HASH. The password is not shown. Where standard input is no terminal, its
    first line is the password.

    Example: pulssi wallboard hash-password > /etc/pulssi/wallboard-password-hash
    """
    from dashboards.wallboard import passwords

    if sys.stdin.isatty():
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if len(password) < SHORTEST_PASSWORD:
        fail(f"a password needs {SHORTEST_PASSWORD} or more characters: a few words are easy to keep", Exit.UNUSABLE)
    if len(password) > passwords.PASSWORD_AT_MOST // 4:
        fail(f"a password has at most {passwords.PASSWORD_AT_MOST // 4} characters", Exit.UNUSABLE)
    try:
        click.echo(passwords.hash_password(password))
    except UnicodeEncodeError:
        fail("the password is no UTF-8 text", Exit.UNUSABLE)


@click.command()
@data_folder_option
@host_option
@port_option(default=9092)
@stdin_option
def broker(data: Path, host: str, port: int) -> None:
    """Run the embedded broker: one node of Apache Kafka.

    Its records are in the data folder. Its jars are downloaded the first time, into XDG_CACHE_HOME/pulssi (default:
    ~/.cache/pulssi).

    Example: pulssi broker --data ./.pulssi --port 9092
    """
    settings = load_settings()
    run_part("deploy.embedded.broker", settings, data, host, port, settings.kafka_repository)


@click.command()
@data_folder_option
@host_option
@port_option(default=8123)
@click.option(
    "--program",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Run this official `clickhouse` program instead, in a folder of its own.",
)
@click.option("--database", hidden=True, help="What readers read instead of the settings'; `x*`: all that begin so.")
@stdin_option
def clickhouse(data: Path, host: str, port: int, program: Path | None, database: str | None) -> None:
    """Run the embedded ClickHouse, with its HTTP interface.

    The engine runs in this process.

    Example: pulssi clickhouse --data ./.pulssi --port 8123
    """
    settings = load_settings()
    database, hosts = database or settings.clickhouse_database, settings.allowed_hosts
    if program is not None:
        run_part("deploy.embedded.official_clickhouse", settings, program, data, host, port, hosts)
    run_part("deploy.embedded.clickhouse.process", settings, data, host, port, database, hosts)
