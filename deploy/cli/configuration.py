"""`pulssi init` writes a commented configuration folder; `pulssi check-config` says all that is wrong with one."""

import json
from pathlib import Path
from typing import Final

import click
from pydantic import SecretStr

from deploy.cli.common import echo_report, fail, json_option
from deploy.cli.config_option import config_option, load_configuration
from deploy.cli.source_checks import SourceChecks, check_sources
from schemas.configuration.file_models import FILES
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import Exit
from schemas.policies import Rules
from schemas.settings import FILE, PREFIX, Settings
from streams.configuration.environment import config_folder
from streams.configuration.folder import RULE_FILES, read_hooks

_TEMPLATES: Final = Path(__file__).resolve().parent.parent / "starting"

_SETTINGS_HEAD: Final = f"""\
# Settings of the parts: where Kafka and ClickHouse are, ports, the log. Take the `#` before a name away to set one.
# The environment overrides this file ({PREFIX}KAFKA_BROKERS for kafka_brokers, and so on); passwords belong there.
"""


def _plain(default: object) -> object:
    """Give a default as JSON can write it: that of a secret is empty text."""
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def _files() -> dict[str, str]:
    """Give the files to start from."""
    settings = [
        f"\n# {' '.join((field.description or '').splitlines())}\n#{name} = {json.dumps(_plain(field.default))}\n"
        for name, field in Settings.model_fields.items()
        if name != "time_zone"  # stands in centre.toml
    ]
    return {
        **{f"{topic}.toml": (_TEMPLATES / f"{topic}.toml").read_text(encoding="utf-8") for topic in FILES},
        FILE: _SETTINGS_HEAD + "".join(settings),
    }


@click.command()
@click.argument("folder", metavar="[DIR]", type=click.Path(file_okay=False, path_type=Path), default="config")
def init(folder: Path) -> None:
    """Write commented configuration files to start from.

    They go into DIR (default: ./config). Every setting stands in them, with its meaning, as a comment: as they are,
    they change nothing. A file that is there already is never overwritten.

    Example: pulssi init /etc/pulssi
    """
    files = _files()
    there = [name for name in files if (folder / name).exists()]
    if there:
        fail(f"{folder} has {', '.join(there)} already: name another folder, or move them away", Exit.UNUSABLE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        fail(f"{folder} cannot be written to: {error.strerror}", Exit.UNUSABLE)
    click.echo(f"{folder}: {', '.join(files)}")
    click.echo(f"Edit them, then: pulssi check-config {folder} && {PREFIX}CONFIG={folder} pulssi up")


@click.command("check-config")
@click.argument(
    "folder", metavar="[DIR]", type=click.Path(exists=True, file_okay=False, path_type=Path), required=False
)
@config_option
@json_option
def check_config(folder: Path | None, *, as_json: bool) -> None:
    """Check settings and configuration, and name every fault.

    Policies, calendars, queues, tags, alerts, hooks and sources with their mapping files are checked too. Each fault is
    named with its file and line. A source's secret or file that is missing on this machine is a note. DIR is the
    configuration folder (default: PULSSI_CONFIG). Exits with 2 where something is wrong.

    Example: pulssi check-config /etc/pulssi
    """
    folder = folder or config_folder()
    faults, rules, sources = list[str](), Rules(), SourceChecks([], [], [])
    try:
        _, rules = load_configuration(folder, RULE_FILES)
    except ConfigurationError as error:
        faults += error.faults
    try:
        faults += read_hooks(folder).faults()
    except ConfigurationError as error:
        faults += error.faults
    try:
        sources = check_sources(folder)
        faults += sources.faults
    except ConfigurationError as error:
        faults += error.faults
    notes = [f"note: {note}" for note in sources.notes]
    if notes:
        notes.append("Notes are about this machine: a part that finds the same where it runs does not use the account.")
    if faults:
        if not as_json:
            click.echo("".join(f"{line}\n" for line in notes), nl=False)
            raise ConfigurationError(faults)
        echo_report({"ok": False, "faults": faults, "notes": sources.notes, "version": None}, (), as_json=True)
        raise SystemExit(Exit.UNUSABLE)
    where = "no configuration folder is named, the defaults hold" if folder is None else f"{folder} is fine"
    named = ", ".join(policy.name for policy in rules.policies) or "none"
    accounts = f"; sources {', '.join(sources.accounts)}" if sources.accounts else ""
    lines = [f"{where}: policies {named}{accounts}; time zone {rules.time_zone}; version {rules.version}"]
    lines += notes
    report = {"ok": True, "faults": [], "notes": sources.notes, "version": rules.version}
    echo_report(report, lines, as_json=as_json)
