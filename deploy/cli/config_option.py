"""The rules that commands fold by, alone or with the settings, and the folder that both come from."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

import click

from schemas.configuration.toml_files import ConfigurationError
from schemas.policies import Rules
from schemas.settings import PREFIX, Settings
from streams.configuration.environment import config_folder, load_settings
from streams.configuration.folder import FOLD_FILES, load_all_rules, load_rules


def _named(context: click.Context, parameter: click.Parameter, folder: Path | None) -> None:
    """Use that folder for settings and rules, in this process and in those that it starts."""
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


def load_configuration(folder: Path | None = None, files: Collection[str] = FOLD_FILES) -> tuple[Settings, Rules]:
    """Read settings and rules, by default of the folder in force.

    Raises ConfigurationError with all faults of the settings and of these files.
    """
    folder, faults = folder or config_folder(), list[str]()
    settings, rules = None, None
    try:
        settings = load_settings(os.environ, folder)
    except ConfigurationError as error:
        faults.extend(error.faults)
    try:
        rules = load_all_rules(folder, None if settings is None else settings.time_zone, files).rules
    except ConfigurationError as error:
        faults.extend(fault for fault in error.faults if fault not in faults)
    if settings is None or rules is None:
        raise ConfigurationError(faults)
    return settings, rules


def rules_in_force(settings: Settings) -> Rules:
    """Give the rules that the worker folds by. Raises ConfigurationError."""
    return load_rules(config_folder(), settings.time_zone)
