"""The destinations of `hooks.toml` with their secrets, which come from environment variables and files.

A secret is a `SecretStr`: it is in no `repr`, log or error. Faults name the variable or the file, never what it holds.
"""

import base64
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, TypeAdapter, ValidationError

from schemas.configuration.fields import Name
from schemas.configuration.hook_models import (
    DestinationEntry,
    DestinationType,
    Filter,
    Links,
    PrivateAddress,
    address_problem,
    host_key,
)
from schemas.configuration.parsed_files import ParsedFiles
from streams.configuration.folder import read_hooks
from streams.configuration.secrets import SecretMissingError, secret_of_file, secret_of_variable

#: PagerDuty's Events API v2; accounts in the EU have one of their own.
PAGERDUTY: Final = "https://events.pagerduty.com/v2/enqueue"

_PORTS: Final = {"https": 443, "http": 80, "smtp": 587, "smtps": 465}
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
_ROUTING_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
#: Of a signing key, as Standard Webhooks has it.
_KEY_BYTES: Final = range(24, 65)


class Destination(NamedTuple):
    """A receiver of messages, with all that a delivery to it needs."""

    name: str
    type: DestinationType
    url: SecretStr
    #: A webhook's signing keys, the newest first; else one secret or none.
    secrets: tuple[SecretStr, ...]
    #: What a connection is made to: the host without brackets, and the port.
    host: str
    port: int
    events: frozenset[str]
    filter: Filter
    allow_plain: bool
    allow_private: tuple[PrivateAddress, ...]
    sender: str
    to: tuple[str, ...]

    @property
    def scheme(self) -> str:
        """The scheme of its address, such as https."""
        return urlsplit(self.url.get_secret_value()).scheme

    @property
    def user(self) -> str:
        """The user of its address; empty if the address names none."""
        return unquote(urlsplit(self.url.get_secret_value()).username or "")

    @property
    def password(self) -> str:
        """The password to sign in with: the secret, or else that of the address."""
        inline = unquote(urlsplit(self.url.get_secret_value()).password or "")
        return self.secrets[0].get_secret_value() if self.secrets else inline


class FaultyDestination(NamedTuple):
    """An entry of `hooks.toml` that cannot be used."""

    #: None: it has no name that can be used.
    name: str | None
    #: A line each: file, line, key, and what is to be done.
    faults: tuple[str, ...]

    def may_be(self, name: str) -> bool:
        """Tell whether this entry may be that of a destination: it has its name, or no name that can be used."""
        return self.name in {None, name}


class Hooks(NamedTuple):
    """What `hooks.toml` and its secrets say."""

    #: Those that can be used.
    destinations: tuple[Destination, ...]
    links: Links
    faulty: tuple[FaultyDestination, ...] = ()

    def is_held(self, name: str) -> bool:
        """Tell whether a destination's messages wait, because its entry is faulty or may be the faulty one."""
        return all(each.name != name for each in self.destinations) and any(each.may_be(name) for each in self.faulty)


def load_hooks(folder: Path | None, environment: Mapping[str, str]) -> Hooks:
    """Read the destinations and their secrets; one that is faulty leaves the others usable.

    Raises ConfigurationError if the file itself is wrong: then its destinations are not known.
    """
    files = read_hooks(folder)
    faulty = files.faults_by_entry("destination")  # of these, entries may lack what names their secrets
    found = [
        _Secrets(files, number, entry, folder or Path(), environment).destination()
        for number, entry in files.destinations
        if number not in faulty
    ]
    written = files.written_entries("hooks", "destination")
    return Hooks(
        tuple(each for each in found if each is not None),
        files.links,
        tuple(
            FaultyDestination(_name_of(written[number]), tuple(line for _, line in located))
            for number, located in sorted(files.faults_by_entry("destination").items())
        ),
    )


def _name_of(written: Mapping[str, Any]) -> str | None:
    try:
        return _NAME.validate_python(written.get("name"))
    except ValidationError:
        return None


class _Secrets:
    """Reads the secrets of one destination, and notes those that are missing or of the wrong form."""

    def __init__(
        self, files: ParsedFiles, number: int, entry: DestinationEntry, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._files = files
        self._number = number
        self._entry = entry
        self._folder = folder
        self._environment = environment

    def destination(self) -> Destination | None:
        """Make the destination; None after a fault."""
        url, entry = self._url(), self._entry
        secrets = [
            *(self._of_variable(name, "secret_env", place) for place, name in enumerate(entry.secret_env)),
            *(self._of_file(name, "secret_file", place) for place, name in enumerate(entry.secret_file)),
        ]
        if url is None or None in secrets:
            return None
        parts = urlsplit(url)
        return Destination(
            name=entry.name,
            type=entry.type,
            url=SecretStr(url),
            secrets=tuple(SecretStr(secret) for secret in secrets if secret is not None),
            host=host_key(parts.hostname or ""),
            port=parts.port or _PORTS[parts.scheme],
            events=frozenset(entry.events),
            filter=entry.filter,
            allow_plain=entry.allow_plain,
            allow_private=tuple(entry.allow_private),
            sender=entry.sender or "",
            to=tuple(entry.to),
        )

    def _url(self) -> str | None:
        entry = self._entry
        if entry.url_env is not None:
            key, url = "url_env", self._of_variable(entry.url_env, "url_env")
        elif entry.url_file is not None:
            key, url = "url_file", self._of_file(entry.url_file, "url_file")
        else:
            return entry.url or PAGERDUTY  # checked with the file
        problem = None if url is None else address_problem(entry.type, url, plain=entry.allow_plain)
        if problem is None:
            return url
        self._note(f"the address {problem}", key)
        return None

    def _of_variable(self, name: str, *path: str | int) -> str | None:
        return self._read(lambda: secret_of_variable(self._environment, name), *path)

    def _of_file(self, name: str, *path: str | int) -> str | None:
        return self._read(lambda: secret_of_file(self._folder, name), *path)

    def _read(self, secret: Callable[[], str], *path: str | int) -> str | None:
        try:
            return self._checked(secret(), *path)
        except SecretMissingError as error:
            self._note(str(error), *path)
            return None

    def _checked(self, value: str, *path: str | int) -> str | None:
        problem = secret_problem(self._entry.type, value) if str(path[0]).startswith("secret") else None
        if problem is None:
            return value
        self._note(problem, *path)
        return None

    def _note(self, problem: str, *path: str | int) -> None:
        self._files.add_fault("hooks", ("destination", self._number, *path), problem)


def secret_problem(kind: DestinationType, secret: str) -> str | None:
    """Say what is wrong with a secret, without repeating it; None if nothing is."""
    if kind == "pagerduty":
        return (
            None if _ROUTING_KEY.fullmatch(secret) else "what it holds must be a routing key of 32 letters and digits"
        )
    if kind != "webhook":
        return None
    text = secret.removeprefix("whsec_")
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    # Libraries differ in what they make of other alphabets and paddings: the receiver may have any of them.
    whole = text != secret and len(key) in _KEY_BYTES and base64.b64encode(key).decode() == text
    return None if whole else "what it holds must be `whsec_` and 24 to 64 random bytes in base64"
