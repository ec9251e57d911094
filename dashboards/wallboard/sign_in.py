"""How people, TVs and programs sign in to the wallboard: what the settings say, and whether it may start with that.

Where only this machine can reach it, none is needed. Anywhere else a wallboard without a sign-in does not start.
Secrets are `SecretStr`: they are in no `repr`, log or error; faults name the setting or the file, never what it holds.
"""

from __future__ import annotations

import hashlib
import hmac
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import SecretStr

from schemas.configuration.toml_files import ConfigurationError
from schemas.settings import PREFIX, Settings, password_hash_text, token_text
from streams.monitoring.peers import TrustedProxies, address_of

NONE: Final = SecretStr("")
#: A secret's file holds a line.
_FILE_BYTES_AT_MOST: Final = 10_000
_KEY_AT_LEAST: Final = 32


class SignIn(NamedTuple):
    """The ways to sign in; without any, everybody is let in."""

    token: SecretStr = NONE
    password_hash: SecretStr = NONE
    proxies: TrustedProxies = TrustedProxies()
    #: Whether a proxy tells who has signed in there.
    by_proxy: bool = False
    #: What sessions are signed with; None: a key of this process.
    session_key: SecretStr | None = None

    @property
    def needed(self) -> bool:
        """Whether a sign-in is needed."""
        return bool(self.token.get_secret_value() or self.password_hash.get_secret_value() or self.by_proxy)

    @property
    def by_page(self) -> bool:
        """Whether the sign-in page can be used: a password or a token is set."""
        return bool(self.token.get_secret_value() or self.password_hash.get_secret_value())

    def is_token(self, given: str) -> bool:
        """Tell whether this is the token, in a time that does not depend on the given text."""
        token = self.token.get_secret_value()
        digests = (hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in (given, token))
        return hmac.compare_digest(*digests) and bool(token)


def load_sign_in(settings: Settings) -> SignIn:
    """Read what the settings and their files say. Raises ConfigurationError with every fault at once."""
    faults: list[str] = []
    found = SignIn(
        token=_secret(settings, "wallboard_token", token_text, faults),
        password_hash=_secret(settings, "wallboard_password_hash", password_hash_text, faults),
        proxies=TrustedProxies(settings.wallboard_proxy_from, settings.wallboard_proxy_header),
        by_proxy=bool(settings.wallboard_proxy_header),
        session_key=_session_key(settings, faults),
    )
    if settings.wallboard_proxy_header and not settings.wallboard_proxy_from:
        faults.append(
            f"{_variable('wallboard_proxy_header')}: needs {_variable('wallboard_proxy_from')}, the addresses of the"
            " proxy: from anybody else the header is ignored"
        )
    if not faults and not found.needed and not is_of_this_machine(settings.bind):
        faults.append(
            f"others can reach the wallboard at {settings.bind} and nobody has to sign in: set "
            f"{_variable('wallboard_password_hash')} (`pulssi wallboard hash-password`), "
            f"{_variable('wallboard_token')} or {_variable('wallboard_proxy_header')} (docs/sign-in.md), or "
            f"{PREFIX}BIND=127.0.0.1"
        )
    if faults:
        raise ConfigurationError(faults)
    return found


def is_of_this_machine(host: str) -> bool:
    """Tell whether only this machine can reach a server that listens on `host`."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return False
    addresses = [address_of(str(each[4][0])) for each in found]
    return bool(addresses) and all(address is not None and address.is_loopback for address in addresses)


def _variable(setting: str) -> str:
    return f"{PREFIX}{setting.upper()}"


def _secret(settings: Settings, name: str, check: Callable[[str], str], faults: list[str]) -> SecretStr:
    """Return a secret of a setting or of its file; it is a fault if both are set."""
    value: SecretStr = getattr(settings, name)
    path: str = getattr(settings, f"{name}_file")
    if not path:
        return value
    if value.get_secret_value():
        faults.append(f"{_variable(name)} and {_variable(name)}_FILE are set: set only one")
        return NONE
    text = _text_of(path, f"{name}_file", faults)
    try:
        return SecretStr(check(text or ""))
    except ValueError as error:
        faults.append(f"{_variable(name)}_FILE: what {path} holds {error}")
        return NONE


def _session_key(settings: Settings, faults: list[str]) -> SecretStr | None:
    path = settings.wallboard_session_key_file
    text = _text_of(path, "wallboard_session_key_file", faults) if path else None
    if text is not None and len(text) < _KEY_AT_LEAST:
        faults.append(
            f"{_variable('wallboard_session_key_file')}: {path} must hold {_KEY_AT_LEAST} or more random characters,"
            " such as `openssl rand -hex 32`"
        )
        return None
    return None if text is None else SecretStr(text)


def _text_of(path: str, setting: str, faults: list[str]) -> str | None:
    """Read a secret's file; None after a fault."""
    try:
        with Path(path).open("rb") as opened:
            text = opened.read(_FILE_BYTES_AT_MOST).decode().strip()
    except OSError as error:
        faults.append(f"{_variable(setting)}: {path} cannot be read: {error.strerror}")
        return None
    except UnicodeDecodeError:
        text = ""
    if not text:
        faults.append(f"{_variable(setting)}: {path} holds no text")
        return None
    return text
