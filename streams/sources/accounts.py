"""The accounts of `sources.toml` with their secrets: what the gateway, followers and imports work with.

An account that is faulty, or whose secret is missing, does not stop the others. A secret is a `SecretStr`: it is in no
`repr`, log or error.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast
from zoneinfo import ZoneInfo

from pydantic import SecretStr

from schemas.configuration.mapping_file import MappingFile
from schemas.configuration.parsed_files import ParsedFiles
from schemas.configuration.source_models import SOURCES, SourceEntry, SourceName, is_account_name
from schemas.configuration.toml_files import ConfigurationError
from schemas.configuration.toml_lines import TomlPath
from schemas.printable import printable
from streams.configuration.folder import read_sources
from streams.configuration.mapping_files import read_mapping
from streams.configuration.secrets import SecretMissingError, secret_of_file, secret_of_variable
from streams.sources.adapter import AccountRules
from streams.sources.pseudonyms import KEY_CHARACTERS


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


class FaultyAccount(NamedTuple):
    """An entry of `sources.toml` that cannot be used."""

    #: `source` and `name` are None if the entry has no usable one.
    source: SourceName | None
    name: str | None
    #: One line of text for each: file, line, key, and what to do.
    faults: tuple[str, ...]
    #: Those of `faults` about a secret that is missing on this machine.
    missing: tuple[str, ...]
    #: The entry as it is written.
    written: Mapping[str, Any]

    @property
    def path(self) -> str:
        """The account's name in messages, as it is written in the entry."""
        return printable(f"{self.written.get('source', '?')}/{self.written.get('account', '?')}")

    def may_be(self, source: str, name: str) -> bool:
        """Tell whether this entry may be the one of an account."""
        return self.source in {None, source} and self.name in {None, name}


#: An account's source and name.
AccountKey: TypeAlias = tuple[str, str]


class SourceAccounts(NamedTuple):
    """The accounts of `sources.toml`, in its order: usable ones, and faulty ones."""

    sound: tuple[Account, ...]
    faulty: tuple[FaultyAccount, ...]


def read_accounts(
    folder: Path | None, environment: Mapping[str, str], fault: Callable[[Account], str | None] = lambda _: None
) -> SourceAccounts:
    """Read all accounts and their secrets; `fault` says what else an account lacks for what it is read for.

    Raises ConfigurationError for faults of the file as a whole: then it is unknown which accounts there are.
    """
    files = read_sources(folder)
    missing: set[TomlPath] = set()
    found = {  # faulty entries too, so that a missing secret is reported with their other faults
        number: _Secrets(files, number, entry, folder or Path(), environment, missing).account()
        for number, entry in files.sources
    }
    faulty = files.faults_by_entry("source")
    for number, account in found.items():
        if number not in faulty and (problem := fault(account)) is not None:
            files.add_fault("sources", ("source", number), problem)
    faulty = files.faults_by_entry("source")
    written = files.written_entries("sources", "source")
    return SourceAccounts(
        tuple(account for number, account in found.items() if number not in faulty),
        tuple(_faulty_account(written[number], located, missing) for number, located in sorted(faulty.items())),
    )


def _faulty_account(
    written: Mapping[str, Any], located: list[tuple[TomlPath, str]], missing: set[TomlPath]
) -> FaultyAccount:
    source, name = written.get("source"), written.get("account")
    return FaultyAccount(
        cast("SourceName", source) if source in SOURCES else None,
        name if isinstance(name, str) and is_account_name(name) else None,
        tuple(line for _, line in located),
        tuple(line for path, line in located if path in missing),
        written,
    )


def load_accounts(
    folder: Path | None, environment: Mapping[str, str], source: str | None = None
) -> tuple[Account, ...]:
    """Read the accounts of one source, or of all, with their secrets.

    Raises ConfigurationError with all their faults, also those of entries that may be of this source.
    """
    read = read_accounts(folder, environment)
    faults = [line for each in read.faulty if source is None or each.source in {None, source} for line in each.faults]
    if faults:
        raise ConfigurationError(faults)
    return tuple(each for each in read.sound if source in {None, each.source})


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
        self,
        files: ParsedFiles,
        number: int,
        entry: SourceEntry,
        folder: Path,
        environment: Mapping[str, str],
        missing: set[TomlPath],
    ) -> None:
        """`missing` collects the place of each secret that is missing on this machine."""
        self._files = files
        self._missing = missing
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
            pseudonym_key=self._pseudonym_key(),
            agent_domains=frozenset(domain.casefold() for domain in entry.agent_domains),
            mailboxes=frozenset(mailbox.casefold() for mailbox in entry.mailboxes),
            subject_token=entry.subject_token or "",
            mapping=self._mapping(),
        )

    def _pseudonym_key(self) -> SecretStr:
        """Read the key of pseudonyms. A short key is a fault: who guesses it can tell whom a pseudonym stands for."""
        key = self._one("pseudonym")
        if 0 < len(key.get_secret_value()) < KEY_CHARACTERS:
            named = "pseudonym_env" if self._entry.pseudonym_env else "pseudonym_file"
            problem = f"the key has fewer than {KEY_CHARACTERS} characters: make one with `openssl rand -hex 32`"
            self._files.add_fault("sources", ("source", self._number, named), problem)
        return key

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
            at = ("source", self._number, *path)
            self._missing.add(at)
            self._files.add_fault("sources", at, str(error))
            return SecretStr("")
