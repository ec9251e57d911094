"""The rules that commands fold by, and the folder that they come from: the one place where they are made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from deploy.cli.common import UNUSABLE
from schemas.configuration.reading import ConfigurationError
from schemas.configuration.rules import load_rules
from schemas.policies import Rules
from schemas.settings import PREFIX, Settings, config_folder


def _named(context: click.Context, parameter: click.Parameter, folder: Path | None) -> None:
    """Have settings and rules, of this process and of those it starts, come from that folder."""
    del context, parameter
    if folder is not None:
        os.environ[f"{PREFIX}CONFIG"] = str(folder.resolve())


config_option: Final = click.option(
    "--config",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_named,
    help=f"Folder of the configuration files (default: {PREFIX}CONFIG, else none).",
)


def rules_or_exit(settings: Settings) -> Rules:
    """Give the rules that the worker folds by; where they cannot be used, print every fault and end with 2."""
    try:
        return load_rules(config_folder(), settings.time_zone)
    except ConfigurationError as error:
        for fault in error.faults:
            click.echo(f"pulssi: {fault}", err=True)
        raise SystemExit(UNUSABLE) from None
