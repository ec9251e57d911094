"""`python -m deploy.bare`: what `deploy/compose` describes, as processes of this machine (`make bare-up`)."""

import os
import subprocess
from functools import partial
from pathlib import Path
from typing import Final

import click

from deploy.bare.compose_file import COMPOSE_FILE
from deploy.bare.topology import GrafanaProgram, part_groups
from deploy.cli.common import fail, quiet_clients
from deploy.cli.up import port_base_option
from deploy.embedded import stack
from deploy.embedded.stack_output import TerminalOutput
from schemas.exits import EndError, Exit
from schemas.settings import PREFIX
from streams.configuration.environment import load_settings

#: Taken from this process: where the servers come from. A part gets all its other variables from the Compose file.
_OF_THIS_MACHINE: Final = frozenset({f"{PREFIX}{name}" for name in ("CLICKHOUSE_PROGRAM", "KAFKA_REPOSITORY")})


@click.command(name="bare")
@click.option("--data", type=click.Path(file_okay=False, resolve_path=True, path_type=Path), default=".pulssi-bare")
@click.option(
    "--config", type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path), required=True
)
@click.option("--profile", "profiles", multiple=True, help="As of `docker compose`: demo, follow.")
@click.option(
    "--grafana",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Also run this Grafana: an unpacked folder with bin and public. Its port is GRAFANA_PUBLISHED, or 3000.",
)
@click.option(
    "--grafana-plugins",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="The folder with its plugin grafana-clickhouse-datasource (default: data/plugins in Grafana's folder).",
)
@port_base_option
def bare(
    data: Path,
    config: Path,
    profiles: tuple[str, ...],
    grafana: Path | None,
    grafana_plugins: Path | None,
    port_base: int | None,
) -> None:
    """Run the services of the Compose file as processes, with the environment that it gives them.

    Kafka and ClickHouse are those of `pulssi up`. Variables of this environment are put into the file as Compose does.

    Example: python -m deploy.bare --config config --profile demo
    """
    quiet_clients()
    variables = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(PREFIX) and name not in _OF_THIS_MACHINE]:
        del os.environ[name]
    settings = load_settings({**os.environ, f"{PREFIX}CONFIG": str(config)})
    secrets = data / "secrets"
    subprocess.run([COMPOSE_FILE.parent / "make-secrets.sh", secrets], check=True)  # noqa: S603 - our own program
    program = None
    if grafana is not None:
        port = int(variables.get("GRAFANA_PUBLISHED") or 3000)
        program = GrafanaProgram(grafana, grafana_plugins or grafana / "data" / "plugins", port)
    groups = partial(
        part_groups,
        variables=variables,
        config=config,
        secrets=secrets,
        profiles=frozenset(profiles),
        grafana=program,
    )
    os.environ[f"{PREFIX}CONFIG"] = str(config)  # which parts there are depends on what it has
    try:
        raise SystemExit(stack.run(data, settings, TerminalOutput(), port_base, parts=groups))
    except EndError as error:
        fail(str(error), error.code)
    except KeyError as error:
        fail(f"compose.yaml: the variable {error} is not set", Exit.UNUSABLE)


if __name__ == "__main__":
    bare()
