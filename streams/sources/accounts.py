"""The accounts of `sources.toml` with their secrets: what the gateway, followers and imports work with.

A secret is a `SecretStr`: it is in no `repr`, log or error.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from schemas.configuration.mapping_file import MappingFile
from schemas.configuration.parsed_files import ParsedFiles
from schemas.configuration.source_models import SourceEntry, SourceName
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.folder import read_sources
from streams.configuration.mapping_files import read_mapping
from streams.configuration.secrets import SecretMissingError, secret_of_file, secret_of_variable
from streams.sources.adapter import AccountRules


class Account(NamedTuple):
    """An account with all that is needed to receive, follow or import its events."""

    source: SourceName
    name: str
    rules: AccountRules
    #: What hooks are signed with, the newest first.
    secrets: tuple[SecretStr, ...]
    token: SecretStr
    password: SecretStr
    #: The address of the vendor's database; it may hold a password.
    database: SecretStr
    #: As it was written; paths in it begin at `folder`.
    entry: SourceEntry
    folder: Path

    @property
    def path(self) -> str:
        """How the account is named in addresses, keys and messages."""
        return f"{self.source}/{self.name}"


def load_accounts(
    folder: Path | None, environment: Mapping[str, str], fault: Callable[[Account], str | None] = lambda _: None
) -> tuple[Account, ...]:
    """Read all accounts and their secrets; `fault` says what else an account lacks for what it is read for.

    Raises ConfigurationError with every fault at once.
    """
    files = read_sources(folder)
    found = []
    if not files.faults():  # else entries may lack what names their secrets
        found = [_Secrets(files, *each, folder or Path(), environment).account() for each in files.sources]
    if not files.faults():  # else an account lacks a secret, and that is named already
        for (number, _), account in zip(files.sources, found, strict=True):
            if (problem := fault(account)) is not None:
                files.add_fault("sources", ("source", number), problem)
    faults = files.faults()
    if faults:
        raise ConfigurationError(faults)
    return tuple(found)


def account_files(folder: Path | None) -> list[Path]:
    """Name `sources.toml` and the files of secrets and mappings that it names; where it cannot be read only itself."""
    if folder is None:
        return []
    try:
        entries = [entry for _, entry in read_sources(folder).sources]
    except ConfigurationError:
        entries = []
    return [folder / "sources.toml", *(folder / name for entry in entries for name in _files_of(entry))]


def _files_of(entry: SourceEntry) -> list[str]:
    one = (entry.pseudonym_file, entry.token_file, entry.password_file, entry.database_file, entry.mapping)
    return [*entry.secret_file, *(name for name in one if name is not None)]


class _Secrets:
    """Reads the secrets of one account, and notes those that are missing."""

    def __init__(
        self, files: ParsedFiles, number: int, entry: SourceEntry, folder: Path, environment: Mapping[str, str]
    ) -> None:
        self._files = files
        self._number = number
        self._entry = entry
        self._folder = folder
        self._environment = environment

    def account(self) -> Account:
        """Make the account; after a fault it lacks the secret that is missing."""
        entry = self._entry
        secrets = (
            *(self._of_variable(name, "secret_env", place) for place, name in enumerate(entry.secret_env)),
            *(self._of_file(name, "secret_file", place) for place, name in enumerate(entry.secret_file)),
        )
        return Account(
            source=entry.source,
            name=entry.account,
            rules=self._rules(),
            secrets=secrets,
            token=self._one("token"),
            password=self._one("password"),
            database=self._one("database"),
            entry=entry,
            folder=self._folder,
        )

    def _rules(self) -> AccountRules:
        entry = self._entry
        return AccountRules(
            source=entry.source,
            account=entry.account,
            queues=entry.queues,
            teams=entry.teams,
            queue=entry.queue or "",
            channels=entry.channels,
            channel=entry.channel,
            activities=entry.activities,
            states=entry.states,
            left_out=frozenset(entry.left_out),
            bots=frozenset(entry.bots),
            former_agents=frozenset(entry.former_agents),
            time_zone=ZoneInfo(entry.time_zone) if entry.time_zone else None,
            pseudonym_key=self._one("pseudonym"),
            agent_domains=frozenset(domain.casefold() for domain in entry.agent_domains),
            mailboxes=frozenset(mailbox.casefold() for mailbox in entry.mailboxes),
            subject_token=entry.subject_token or "",
            mapping=self._mapping(),
        )

    def _mapping(self) -> MappingFile | None:
        """Read the account's mapping file; its faults are the account's."""
        if self._entry.mapping is None:
            return None
        try:
            return read_mapping(self._folder / self._entry.mapping)
        except ConfigurationError as error:
            for fault in error.faults:
                self._files.add_fault("sources", ("source", self._number, "mapping"), fault)
            return None

    def _one(self, name: str) -> SecretStr:
        """Read the secret of NAME_env or NAME_file; empty where neither is set."""
        variable, file = getattr(self._entry, f"{name}_env"), getattr(self._entry, f"{name}_file")
        if variable is not None:
            return self._of_variable(variable, f"{name}_env")
        return SecretStr("") if file is None else self._of_file(file, f"{name}_file")

    def _of_variable(self, name: str, *path: str | int) -> SecretStr:
        return self._read(lambda: secret_of_variable(self._environment, name), *path)

    def _of_file(self, name: str, *path: str | int) -> SecretStr:
        return self._read(lambda: secret_of_file(self._folder, name), *path)

    def _read(self, secret: Callable[[], str], *path: str | int) -> SecretStr:
        try:
            return SecretStr(secret())
        except SecretMissingError as error:
            self._files.add_fault("sources", ("source", self._number, *path), str(error))
            return SecretStr("")
