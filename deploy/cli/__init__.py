"""The command `pulssi`: each command lives in a module of its own and is loaded when it is asked for."""

import importlib
from typing import Any, Final

import click

from deploy.cli.common import fail
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.user_input import did_you_mean
from streams import compilation

COMMANDS: Final = {
    "alerts": "deploy.cli.alerts:alerts_group",
    "broker": "deploy.cli.part_commands:broker",
    "check-config": "deploy.cli.configuration:check_config",
    "clickhouse": "deploy.cli.part_commands:clickhouse",
    "dashboards": "deploy.cli.dashboards:dashboards",
    "demo": "deploy.cli.up:demo",
    "dlq": "deploy.cli.dlq:dlq_group",
    "down": "deploy.cli.up:down",
    "drain": "deploy.cli.drain:drain",
    "epoch": "deploy.cli.epoch:epoch_group",
    "explain": "deploy.cli.explain:explain",
    "follow": "deploy.cli.follow:follow",
    "gateway": "deploy.cli.part_commands:gateway",
    "health": "deploy.cli.health:health",
    "hooks": "deploy.cli.hooks:hooks_group",
    "import": "deploy.cli.import_:import_command",
    "init": "deploy.cli.configuration:init",
    "migrate": "deploy.cli.migrate:migrate",
    "query": "deploy.cli.query:query",
    "reconcile": "deploy.cli.reconcile:reconcile_command",
    "replay": "deploy.cli.replay:replay",
    "simulate": "deploy.cli.simulate:simulate",
    "sink": "deploy.cli.part_commands:sink",
    "source": "deploy.cli.source:source_group",
    "status": "deploy.cli.up:status",
    "up": "deploy.cli.up:up",
    "wallboard": "deploy.cli.part_commands:wallboard",
    "worker": "deploy.cli.part_commands:worker",
}


#: Commands that fold, or read what was folded: never with code of other sources. Any other helps to get out of that.
FOLDING: Final = frozenset(
    {"alerts", "demo", "epoch", "explain", "hooks", "reconcile", "sink", "up", "wallboard", "worker"}
)


class LazyGroup(click.Group):
    """A group that imports a command's module only when it runs or shows that command: `--help` stays instant.

    Every command ends here where it cannot go on: with a line for each fault, and the error's exit code.
    """

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Name every command, in order."""
        return sorted(COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command; None where there is none of that name."""
        if (target := COMMANDS.get(cmd_name)) is None:
            return None
        module, name = target.split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; for a wrong name the error suggests the nearest command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            error.message = error.message.removesuffix(".") + did_you_mean(args[0], COMMANDS)
            raise

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run a command."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            fail("\npulssi: ".join(error.faults), Exit.UNUSABLE)
        except EndError as error:
            fail(str(error), error.code)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pulssi")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Live, correct numbers for contact centres.

    Start with `pulssi demo`, then open the address it prints.
    """
    if ctx.invoked_subcommand in FOLDING and compilation.is_of_other_sources():
        fail(compilation.MEND, Exit.UNUSABLE)
