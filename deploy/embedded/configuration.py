"""Which configuration folder a data folder is run with: noted, so that nobody counts on by other policies unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.settings import PREFIX, config_folder

FILE: Final = "configuration"


def environment() -> dict[str, str]:
    """Name the configuration folder that the parts have, so that commands go by the same rules."""
    folder = config_folder()
    return {} if folder is None else {f"{PREFIX}CONFIG": str(folder.resolve())}


def remember(folder: Path) -> None:
    """Note in the data folder what this run is configured by."""
    named = config_folder()
    if named is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        (folder / FILE).write_text(f"{named.resolve()}\n", encoding="utf-8")


def forgotten(folder: Path) -> Path | None:
    """Return the configuration that the data folder was run with where this run names none; None where all is well."""
    if config_folder() is not None:
        return None
    try:
        return Path((folder / FILE).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
