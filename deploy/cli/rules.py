"""The rules that commands fold by, alone or with the settings, and the folder that both come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from deploy.cli.common import refuse
from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules
from schemas.settings import PREFIX, Settings
from streams.configuration.environment import config_folder, load_settings
from streams.configuration.folder import load_rules


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


def configured(folder: Path | None) -> tuple[Settings, Rules]:
    """Read settings and rules. Raises ConfigurationError with every fault of both."""
    faults: list[str] = []
    settings, rules = None, None
    try:
        settings = load_settings(os.environ, folder)
    except ConfigurationError as error:
        faults.extend(error.faults)
    try:
        rules = load_rules(folder, None if settings is None else settings.time_zone)
    except ConfigurationError as error:
        faults.extend(fault for fault in error.faults if fault not in faults)
    if settings is None or rules is None:
        raise ConfigurationError(faults)
    return settings, rules


def configured_or_exit() -> Settings:
    """Load the settings; where they or the rules cannot be used, print every fault of both and end with 2."""
    try:
        return configured(config_folder())[0]
    except ConfigurationError as error:
        refuse(error.faults)


def rules_or_exit(settings: Settings) -> Rules:
    """Give the rules that the worker folds by; where they cannot be used, print every fault and end with 2."""
    try:
        return load_rules(config_folder(), settings.time_zone)
    except ConfigurationError as error:
        refuse(error.faults)
