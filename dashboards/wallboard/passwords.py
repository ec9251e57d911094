"""Hashes a password, and checks one against its hash: argon2id, whose cost is the point and must be bounded.

A check takes some 64 MiB and tens of milliseconds. It runs in a thread, so that the figures go on, and never more than
two run at a time, whoever asks and however soon they hang up.
"""

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import SecretStr

CHECKS_AT_ONCE: Final = 2
#: In bytes; a longer one is refused without a check.
PASSWORD_AT_MOST: Final = 1024


class BusyError(Exception):
    """As many checks as may run are under way."""


def _canonical(password: str) -> bytes:
    """Write a password in one way, however the keyboard composed its letters. Raises UnicodeEncodeError."""
    return unicodedata.normalize("NFC", password).encode()


def hash_password(password: str) -> str:
    """Hash a password with argon2id, as RFC 9106 recommends for 64 MiB. Raises UnicodeEncodeError."""
    return argon2.PasswordHasher().hash(_canonical(password))


class PasswordCheck:
    """Checks passwords against one hash."""

    def __init__(self, password_hash: SecretStr) -> None:
        self._hash = password_hash
        self._threads = ThreadPoolExecutor(CHECKS_AT_ONCE, thread_name_prefix="password")
        #: Checks that run now.
        self.running = 0

    async def matches(self, password: str) -> bool:
        """Tell whether it is the password. Raises BusyError instead of waiting."""
        try:
            given = _canonical(password)
        except UnicodeEncodeError:
            return False
        if len(given) > PASSWORD_AT_MOST:
            return False
        if self.running >= CHECKS_AT_ONCE:
            raise BusyError
        self.running += 1
        check = asyncio.get_running_loop().run_in_executor(self._threads, self._matches, given)
        check.add_done_callback(self._done)
        # Who hangs up ends the waiting, not the check: its thread is taken until it is through.
        return await asyncio.shield(check)

    def _done(self, _: asyncio.Future[bool]) -> None:
        self.running -= 1

    def _matches(self, given: bytes) -> bool:
        try:
            return argon2.PasswordHasher().verify(self._hash.get_secret_value(), given)
        except (VerificationError, InvalidHashError):
            return False
