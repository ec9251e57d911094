"""Reads the secrets that configuration files name: from environment variables and from files.

Errors name the variable or the file, never its contents.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

#: A secret's file holds a line.
_FILE_BYTES_AT_MOST: Final = 10_000


class SecretMissingError(ValueError):
    """A variable or a file holds no secret; says which."""


def secret_of_variable(environment: Mapping[str, str], name: str) -> str:
    """Return what an environment variable holds, trimmed. Raises SecretMissingError."""
    value = environment.get(name, "").strip()
    if not value:
        raise SecretMissingError(
            f"the environment variable {name} is not set: set it before the start, or name a file, which is read again"
            " without a restart"
        )
    return value


def secret_of_file(folder: Path, name: str) -> str:
    """Return what a file holds, trimmed; a relative path begins at the folder. Raises SecretMissingError."""
    file = folder / name
    try:
        with file.open("rb") as opened:
            value = opened.read(_FILE_BYTES_AT_MOST).decode().strip()
    except OSError as error:
        raise SecretMissingError(f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        value = ""
    if not value:
        raise SecretMissingError(f"{file} holds no text")
    return value
