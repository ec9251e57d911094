"""Reads a mapping file from the disk."""

from pathlib import Path

from schemas.configuration.mapping_file import MappingFile, parse_mapping
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.bounded_text import read_bounded


def read_mapping(path: Path) -> MappingFile:
    """Read a mapping file. Raises ConfigurationError with every fault, each with its line."""
    try:
        text = read_bounded(path)
    except OSError as error:
        raise ConfigurationError([f"{path}: {error.strerror or error}"]) from None
    except UnicodeDecodeError:
        raise ConfigurationError([f"{path}: is not UTF-8"]) from None
    return parse_mapping(path, text)
