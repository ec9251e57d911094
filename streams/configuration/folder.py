"""Reads the files of the configuration folder; `schemas.configuration` says what they may hold and what they mean."""

import difflib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from schemas.configuration.file_models import FILES
from schemas.configuration.parsed_files import ParsedFiles
from schemas.configuration.parsed_rules import Configuration, parse_rules
from schemas.configuration.toml_files import ConfigurationError, parse_toml
from schemas.policies import Rules
from streams.configuration.bounded_text import read_bounded

#: Files of the folder that have another reader.
_OTHERS: Final = ("pulssi",)
#: The files that a worker needs: by which it folds. A part is not stopped by a fault in a file that it does not need.
FOLD_FILES: Final = ("centre", "calendars", "queues", "policies", "taxonomy")
#: Those that the SLA engine needs.
ALERT_FILES: Final = (*FOLD_FILES, "alerts")
#: Those that the wallboard needs: all but the files whose secrets are read elsewhere.
RULE_FILES: Final = (*ALERT_FILES, "boards")


def load_rules(folder: Path | None, time_zone: str | None = None) -> Rules:
    """Read a folder's rules but those of alerts; as `load_all_rules`."""
    return load_all_rules(folder, time_zone, FOLD_FILES).rules


def load_all_rules(
    folder: Path | None, time_zone: str | None = None, files: Collection[str] = RULE_FILES
) -> Configuration:
    """Read a folder's rules and boards from some of its files; without a folder, or an empty one, the defaults.

    `time_zone` is the centre's where it is set elsewhere. Raises ConfigurationError with every fault at once.
    """
    texts, unreadable = ({}, []) if folder is None else _read_all(folder, files)
    configuration, faults = parse_rules(folder or Path(), texts, time_zone)
    if unreadable or faults:
        raise ConfigurationError(unreadable + faults)
    return configuration


def read_hooks(folder: Path | None) -> ParsedFiles:
    """Read `hooks.toml` alone; whoever uses it adds what is wrong with the secrets. Raises ConfigurationError."""
    return _read_alone(folder, "hooks")


def read_sources(folder: Path | None) -> ParsedFiles:
    """Read `sources.toml` alone, as `read_hooks` does. Raises ConfigurationError."""
    return _read_alone(folder, "sources")


def _read_alone(folder: Path | None, name: str) -> ParsedFiles:
    if folder is None:
        return ParsedFiles(Path(), {})
    if misspelt := list(_misspelt(folder, [name])):
        raise ConfigurationError(misspelt)
    return ParsedFiles(folder, {name: _read(folder / f"{name}.toml")})


def _read_all(folder: Path, files: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """Read the files' texts; what cannot be read, or is misspelt, is among the faults."""
    if not folder.is_dir():
        return {}, [f"PULSSI_CONFIG: there is no folder {folder}"]
    texts, faults = {}, list(_misspelt(folder, files))
    for name in files:
        try:
            texts[name] = _read(folder / f"{name}.toml")
        except ConfigurationError as error:
            faults.extend(error.faults)
    return texts, faults


def read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a file's text and content; both are empty where there is no file. Raises ConfigurationError."""
    text = _read(path)
    return text, parse_toml(path, text)


def _read(path: Path) -> str:
    try:
        return read_bounded(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start})"
    raise ConfigurationError([f"{path}:1: {problem}"])


def _misspelt(folder: Path, files: Collection[str]) -> Iterator[str]:
    """Yield a fault for each file that nobody reads and whose name is close to one of these."""
    known = (*FILES, *_OTHERS)
    for path in sorted(folder.glob("*.toml")):
        near = difflib.get_close_matches(path.stem.lower(), known, n=1, cutoff=0.7)
        if path.stem not in known and near and near[0] in {*files, *_OTHERS}:
            yield f"{path}:1: nobody reads this file; did you mean {near[0]}.toml?"
