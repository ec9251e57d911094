"""Reads an operator's TOML file: no more of it than its parser takes, so that a wrong file does not fill the memory."""

from pathlib import Path

from schemas.configuration.toml_files import LARGEST


def read_bounded(path: Path) -> str:
    """Return a file's text, of a larger one than may be the beginning, which `parse_toml` refuses.

    Raises OSError and UnicodeDecodeError.
    """
    with path.open(encoding="utf-8-sig") as file:
        return file.read(LARGEST + 1)
