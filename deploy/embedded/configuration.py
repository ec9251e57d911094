"""Which configuration folder a data folder was run with, so that no run uses other policies by mistake."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from schemas.settings import PREFIX, config_folder

FILE: Final = "configuration"


def environment() -> dict[str, str]:
    """Return the setting that names the configuration folder of the parts, so that commands use the same rules."""
    folder = config_folder()
    return {} if folder is None else {f"{PREFIX}CONFIG": str(folder.resolve())}


def remember(folder: Path) -> None:
    """Note this run's configuration folder in the data folder."""
    named = config_folder()
    if named is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        (folder / FILE).write_text(f"{named.resolve()}\n", encoding="utf-8")


def forgotten(folder: Path) -> Path | None:
    """Return the configuration folder of the last run; None where this run names one, or that one had none."""
    if config_folder() is not None:
        return None
    try:
        return Path((folder / FILE).read_text(encoding="utf-8").strip())
    except FileNotFoundError:
        return None
