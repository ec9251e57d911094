"""Reads the settings from the environment and `pulssi.toml`: the environment wins, every fault is reported at once.

A secret (a URL with a password) is never printed: faults name the setting, not its value.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from schemas.configuration.toml_files import ConfigurationError
from schemas.configuration.toml_lines import TomlLines
from schemas.settings import CLICKHOUSE_AUTO, CLICKHOUSE_EMBEDDED, FILE, PREFIX, Settings, faults_of
from schemas.user_input import zone_name
from streams.configuration.folder import read_toml
from streams.configuration.secrets import SecretMissingError, secret_of_file

#: Names that other parts of Pulssi read from the environment; they are no settings.
_RESERVED: Final = frozenset({"config", "data", "kafka_test"})


def config_folder(environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the configuration folder that the environment names; None where it names none."""
    named = (os.environ if environment is None else environment).get(f"{PREFIX}CONFIG")
    return Path(named) if named else None


def load_settings(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Settings:
    """Read the settings from the environment over `pulssi.toml` in `folder` (default: `PULSSI_CONFIG`).

    Raises ConfigurationError with every fault at once, each naming the setting and where it was set.
    """
    environment = os.environ if environment is None else environment
    folder = folder or config_folder(environment)
    if folder is not None and not folder.is_dir():
        raise ConfigurationError([f"{PREFIX}CONFIG: there is no folder {folder}"])
    path = (folder or Path()) / FILE
    text, in_file = ("", {}) if folder is None else read_toml(path)
    named = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    in_environment = {name: value for name, value in named.items() if name not in _RESERVED}
    # Each place is judged by itself, so that a fault in the file shows though the environment overrides it.
    of_environment, of_file = _faults(in_environment, _variable), _faults(in_file)
    if of_environment or of_file:
        lines = TomlLines(text)
        raise ConfigurationError(
            [
                *(f"{_variable(name)} (environment): {problem}" for name, problem in of_environment),
                *(f"{name} ({path}:{lines.line_of((name,))}): {problem}" for name, problem in of_file),
            ]
        )
    return Settings.model_validate(_with_address({**_of_the_centre(folder), **in_file, **in_environment}))


def _with_address(given: dict[str, object]) -> dict[str, object]:
    """Put ClickHouse's address in the place of the file that holds it. Raises ConfigurationError."""
    path = str(given.get("clickhouse_url_file", ""))
    if not path:
        return given
    variable = _variable("clickhouse_url_file")
    if "clickhouse_url" in given:
        raise ConfigurationError([f"{_variable('clickhouse_url')} and {variable} are set: set only one"])
    try:
        address = secret_of_file(Path(), path)
    except SecretMissingError as error:
        raise ConfigurationError([f"{variable}: {error}"]) from None
    for _, problem in faults_of({"clickhouse_url": address}):
        raise ConfigurationError([f"{variable}: what {path} holds {problem}"])
    return {**given, "clickhouse_url": address}


def _variable(setting: str) -> str:
    return f"{PREFIX}{setting.upper()}"


def _faults(given: Mapping[str, object], form: Callable[[str], str] = str) -> list[tuple[str, str]]:
    """List each faulty setting with its problem, a file that is missing included."""
    faults = faults_of(given, form)
    ca, program = given.get("clickhouse_ca"), given.get("clickhouse_program", CLICKHOUSE_AUTO)
    if isinstance(ca, str) and ca and not Path(ca).is_file():
        faults.append(("clickhouse_ca", "must be the path of a file that is there"))
    if isinstance(program, str) and not (
        program in {CLICKHOUSE_AUTO, CLICKHOUSE_EMBEDDED} or os.access(program, os.X_OK)
    ):
        faults.append(("clickhouse_program", "must be `auto`, `embedded`, or the path of a program"))
    return faults


def _of_the_centre(folder: Path | None) -> dict[str, object]:
    """Read the time zone from `centre.toml`, so that all parts have the same one; `load_rules` reports its faults."""
    try:
        named = None if folder is None else read_toml(folder / "centre.toml")[1].get("time_zone")
        return {"time_zone": zone_name(named)} if isinstance(named, str) else {}
    except ValueError:  # a file that cannot be read, a zone that is none
        return {}
