"""The data folder as the engine must find it: with a database `default` like any other.

Left alone, the engine makes `default` an overlay over the files of the working directory, in which each table that is
not there is looked for on the disk: CREATE OR REPLACE and DROP IF EXISTS then need a grant on files, which is withheld.
So the overlay gets a name that nobody uses (config.xml), and `default` is written down as an ordinary database.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

_DATABASE: Final = "ATTACH DATABASE _ UUID '{}'\nENGINE = Atomic\n"


def _earlier_id(link: Path) -> uuid.UUID | None:
    """Return the id of a `default` that an engine made by itself, so that its tables stay."""
    try:
        return uuid.UUID(link.readlink().name)
    except (OSError, ValueError):
        return None


def prepare(folder: Path) -> None:
    """Write down the database `default`, once; to be called before the engine opens the folder.

    Raises OSError where the folder cannot be written.
    """
    metadata = folder / "metadata"
    metadata.mkdir(parents=True, exist_ok=True)
    link = metadata / "default"
    written = metadata / "default.sql"
    if not written.exists():
        new = written.with_suffix(".new")
        new.write_text(_DATABASE.format(_earlier_id(link) or uuid.uuid4()), encoding="utf-8")
        new.replace(written)
    if link.is_symlink():
        # A mere convenience, which the engine makes again; by it, it would take the database for its overlay's.
        link.unlink()
