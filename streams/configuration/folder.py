"""Reads the files of the configuration folder; `schemas.configuration` says what they may hold and what they mean."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from schemas.configuration.file_models import FILES
from schemas.configuration.parsed_files import ParsedFiles
from schemas.configuration.parsed_rules import Configuration, parse_rules
from schemas.configuration.toml_files import ConfigurationError, parse_toml
from schemas.policies import Rules

#: Files of the folder that have another reader.
_OTHERS: Final = ("pulssi",)
#: Files with rules. `sources.toml` has none: a fault in it does not stop parts that do not read sources.
RULE_FILES: Final = tuple(name for name in FILES if name != "sources")


def load_rules(folder: Path | None, time_zone: str | None = None) -> Rules:
    """Read a folder's rules but those of alerts; as `load_all_rules`."""
    return load_all_rules(folder, time_zone).rules


def load_all_rules(folder: Path | None, time_zone: str | None = None) -> Configuration:
    """Read a folder's rules and boards; without a folder, or an empty one, the defaults.

    `time_zone` is the centre's where it is set elsewhere. Raises ConfigurationError with every fault at once.
    """
    texts, unreadable = ({}, []) if folder is None else _read_all(folder)
    configuration, faults = parse_rules(folder or Path(), texts, time_zone)
    if unreadable or faults:
        raise ConfigurationError(unreadable + faults)
    return configuration


def read_hooks(folder: Path | None) -> ParsedFiles:
    """Read `hooks.toml` alone; whoever uses it adds what is wrong with the secrets. Raises ConfigurationError."""
    return ParsedFiles(folder or Path(), {} if folder is None else {"hooks": _read(folder / "hooks.toml")})


def read_sources(folder: Path | None) -> ParsedFiles:
    """Read `sources.toml` alone, as `read_hooks` does. Raises ConfigurationError."""
    return ParsedFiles(folder or Path(), {} if folder is None else {"sources": _read(folder / "sources.toml")})


def _read_all(folder: Path) -> tuple[dict[str, str], list[str]]:
    """Read every file's text; what cannot be read, or is misspelt, is among the faults."""
    if not folder.is_dir():
        return {}, [f"PULSSI_CONFIG: there is no folder {folder}"]
    texts, faults = {}, list(_misspelt(folder))
    for name in RULE_FILES:
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
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        problem = f"cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        problem = f"is not UTF-8 (byte {error.start})"
    raise ConfigurationError([f"{path}:1: {problem}"])


def _misspelt(folder: Path) -> Iterator[str]:
    """Yield a fault for each file that is not read and whose name is close to one that is."""
    known = (*FILES, *_OTHERS)
    for path in sorted(folder.glob("*.toml")):
        near = difflib.get_close_matches(path.stem.lower(), known, n=1, cutoff=0.7)
        if path.stem not in known and near:
            yield f"{path}:1: nobody reads this file; did you mean {near[0]}.toml?"
