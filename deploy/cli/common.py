"""What commands share: options, finding the stack that they speak to, and ending with an error.

Which stack: `--data DIR` means the `up` of that folder. Without it, settings that name a server are used. For a server
that no setting names, it is the stack of PULSSI_DATA, of the last `up` that still runs, or of `.pulssi` here; else the
default.
"""

import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from deploy.embedded import stack_state
from schemas.exits import Exit
from schemas.printable import LINES, printable
from schemas.settings import PREFIX, Settings
from schemas.user_input import did_you_mean
from streams.configuration.environment import load_settings

CONFIG: Final = f"{PREFIX}CONFIG"

running_stack_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder of an `up` (default: PULSSI_DATA, else the last `up`, else ./.pulssi).",
)
data_folder_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, resolve_path=True, path_type=Path),
    envvar="PULSSI_DATA",
    default=stack_state.DEFAULT_FOLDER,
    help="Data folder (default: PULSSI_DATA, else ./.pulssi).",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")


class NearestChoice(click.Choice[str]):
    """One word of a list; for a wrong word the error suggests the nearest one."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's own
        """List the choices, and suggest the nearest."""
        return f"{super().get_invalid_choice_message(value, ctx)[:-1]}{did_you_mean(str(value), self.choices)}"


def fail(message: str, code: int) -> NoReturn:
    """Say in one line what is wrong and how to mend it, and end with `code`."""
    click.echo(f"pulssi: {message}", err=True)
    raise SystemExit(code)


def echo_report(result: object, lines: Iterable[str], *, as_json: bool) -> None:
    """Print a command's result: as JSON, or as lines for people, without control characters for the terminal."""
    if as_json:
        click.echo(json.dumps(result, indent=2, default=str, ensure_ascii=False))
        return
    for line in lines:
        click.echo(printable(line, but=LINES))


def stack_settings(data: Path | None = None) -> Settings:
    """Load the settings for speaking to a running stack (see above); ends with 3 where `data` has none running."""
    quiet_clients()
    running = stack_state.find(data)
    if running is None:
        if data is not None:
            fail(f"no stack runs in {data}: start one with `pulssi up --data {data}`", Exit.UNREACHABLE)
        return load_settings()
    environment = dict(running.environment)
    if CONFIG in environment:  # rules and settings come from the stack's own configuration, unless another is named
        os.environ.setdefault(CONFIG, environment.pop(CONFIG))
    if data is None:
        # A server is taken whole from one source: its address from here and its kind from there would not fit.
        own = load_settings().model_fields_set
        servers = (("PULSSI_KAFKA_", "kafka_brokers"), ("PULSSI_CLICKHOUSE_", "clickhouse_url"))
        named = tuple(prefix for prefix, field in servers if field in own)
        environment = {
            name: value for name, value in environment.items() if name not in os.environ and not name.startswith(named)
        }
    return load_settings({**os.environ, **environment})


@contextmanager
def exit_if_unreachable(settings: Settings, suffix: Callable[[], str] = str) -> Iterator[None]:
    """End with one line and 3 where Kafka or ClickHouse does not answer or is unfit; `suffix` is added to the line."""
    from aiokafka.errors import KafkaError

    from sinks.store_protocol import StoreError

    try:
        yield
    except (StoreError, KafkaError, OSError) as error:
        why = str(error)
        if isinstance(error, KafkaError) or not why:
            why = f"Kafka at {settings.kafka_brokers} does not answer{f' ({why})' if why else ''}"
        fail(f"{why}{suffix()}", Exit.UNREACHABLE)


def quiet_clients() -> None:
    """Keep the client libraries' own messages off the screen: a command reports itself what it could not reach."""
    for name in ("kafka", "aiokafka", "clickhouse_connect", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
