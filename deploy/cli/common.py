"""What commands share: settings or a clean refusal, the stack they speak to, and the exit codes.

Which stack: `--data DIR` means the `up` of that folder. Without it, settings that name a server win; for what they
leave open, the stack of PULSSI_DATA, of the last `up` that still runs, or of `.pulssi` here; else the defaults.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from deploy.embedded import UnavailableError, state
from deploy.embedded.state import StackState
from schemas.configuration.reading import ConfigurationError
from schemas.exits import Exit
from schemas.settings import PREFIX, Settings, SettingsError, load

CONFIG: Final = f"{PREFIX}CONFIG"

data_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder of an `up` (default: PULSSI_DATA, else the last `up`, else ./.pulssi).",
)
folder_option: Final = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder (default: PULSSI_DATA, else ./.pulssi).",
)
json_option: Final = click.option("--json", "as_json", is_flag=True, help="Report as JSON.")


def fail(message: str, code: int) -> NoReturn:
    """Say in one line what is wrong and how to mend it, and end with `code`."""
    click.echo(f"pulssi: {message}", err=True)
    raise SystemExit(code)


def refuse(faults: Iterable[str]) -> NoReturn:
    """Say every fault of a configuration, a line each, and end with 2."""
    for fault in faults:
        click.echo(f"pulssi: {fault}", err=True)
    raise SystemExit(Exit.UNUSABLE)


def settings_or_exit(environment: Mapping[str, str] | None = None) -> Settings:
    """Load the settings; where they cannot be used, print every fault and end with 2."""
    try:
        return load(environment)
    except SettingsError as error:
        refuse(error.faults)


def _belongs(name: str, server: str) -> bool:
    return name.startswith(f"PULSSI_{server.upper()}_")


def stack_settings(data: Path | None = None) -> Settings:
    """Load the settings for speaking to a running stack (see above); ends with 3 where `data` has none running."""
    quiet_clients()
    running: StackState | None
    if data is not None:
        running = state.read(data.resolve())
        if running is None:
            fail(f"no stack runs in {data}: start one with `pulssi up --data {data}`", Exit.UNREACHABLE)
        _configured_as(running)
        return settings_or_exit({**running.environment, **os.environ, **_servers(running)})
    own = settings_or_exit()
    running = state.last_running(os.environ)
    if running is None:
        return own
    _configured_as(running)
    # A server is taken from one place as a whole: its address from here and its kind from there would not fit.
    named = {
        server
        for server, field in (("kafka", "kafka_brokers"), ("clickhouse", "clickhouse_url"))
        if field in own.model_fields_set
    }
    lent = {
        name: value
        for name, value in running.environment.items()
        if name not in os.environ and not any(_belongs(name, server) for server in named)
    }
    return settings_or_exit({**os.environ, **lent})


def _servers(running: StackState) -> dict[str, str]:
    return {name: value for name, value in running.environment.items() if name != CONFIG}


def _configured_as(running: StackState) -> None:
    """Have rules and settings come from the stack's own configuration, unless another is named."""
    if CONFIG in running.environment:
        os.environ.setdefault(CONFIG, running.environment[CONFIG])


def quiet_clients() -> None:
    """Keep the client libraries' own messages off the screen: a command reports itself what it could not reach."""
    for name in ("kafka", "aiokafka", "clickhouse_connect", "urllib3"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def ends_with(main: Callable[..., int], *arguments: Any) -> NoReturn:  # noqa: ANN401 - whatever that part's main takes
    """Run a part's main function and end with its code.

    Ctrl-C is a clean end; an unusable configuration ends with 2, something that is not there with 3.
    """
    try:
        raise SystemExit(main(*arguments))
    except KeyboardInterrupt:
        raise SystemExit(Exit.DONE) from None
    except ConfigurationError as error:
        refuse(error.faults)
    except UnavailableError as error:
        fail(str(error), Exit.UNREACHABLE)
