"""Passwords of ClickHouse's users. Only salted hashes leave this process, so that no log or query shows a password."""

import hashlib
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.configuration.secrets import SecretMissingError, secret_of_file

#: Each user, and the setting that names its password file.
PASSWORD_FILES: Final = {
    "pulssi_writer": "clickhouse_writer_password_file",
    "pulssi_reader": "clickhouse_reader_password_file",
    "pulssi_grafana": "clickhouse_grafana_password_file",
}
_SECRET_BYTES: Final = 32
_SALT_BYTES: Final = 16


def unknown_hashes() -> dict[str, str]:
    """Make a hash of a random password for each user, by its variable's name in `08_access.sql`."""
    return {
        f"{user.removeprefix('pulssi_')}_hash": hashlib.sha256(secrets.token_bytes(_SECRET_BYTES)).hexdigest()
        for user in PASSWORD_FILES
    }


def password_statements(
    settings: Settings, salt: Callable[[], str] = lambda: secrets.token_hex(_SALT_BYTES)
) -> list[str]:
    """Write the statements that set the passwords of the files that the settings name.

    Raises EndError if a file contains no password.
    """
    made = []
    for user, setting in PASSWORD_FILES.items():
        if not (file := getattr(settings, setting)):
            continue
        try:
            password = secret_of_file(Path(), file)
        except SecretMissingError as error:
            raise EndError(f"PULSSI_{setting.upper()}: {error}", Exit.UNUSABLE) from None
        salted = salt()
        digest = hashlib.sha256(f"{password}{salted}".encode()).hexdigest()
        made.append(f"ALTER USER IF EXISTS {user} IDENTIFIED WITH sha256_hash BY '{digest}' SALT '{salted}'")
    return made
