"""Configuration folders for tests: one that says much, and what is wrong with others."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from schemas.configuration.rules import load_rules
from schemas.configuration.toml_files import ConfigurationError
from tests import centres

WHOLE: Final = centres.files("whole")


def folder(at: Path, files: dict[str, str]) -> Path:
    """Write files into a folder."""
    for name, text in files.items():
        (at / f"{name}.toml").write_text(text)
    return at


def faults(at: Path, files: dict[str, str]) -> list[str]:
    """Load a folder that cannot be used; without the folder's own path."""
    with pytest.raises(ConfigurationError) as raised:
        load_rules(folder(at, files))
    return [fault.removeprefix(f"{at}/") for fault in raised.value.faults]
