"""The accounts that a running part uses, as `sources.toml` says now: a change is used without a restart.

A faulty account does not stop the others: it is logged once and left out until it is corrected. If it was in use before
the change, its former entry stays in force. A changed file that cannot be used at all, is gone or is empty, is ignored.
"""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.reloading import WatchedFiles
from streams.sources.accounts import Account, AccountKey, FaultyAccount, SourceAccounts, account_files, read_accounts

#: How often the files are checked for changes.
LOOK_EVERY_S: Final = 2.0

_LOG: Final = logging.getLogger(__name__)


class WatchedAccounts:
    """The accounts in force, and the faults of the present files."""

    def __init__(
        self,
        folder: Path | None,
        consequence: str,
        *,
        uses: Callable[[Account], bool],
        concerns: Callable[[FaultyAccount], bool],
        fault: Callable[[Account], str | None] = lambda _: None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """Load the accounts with their secrets. Raises ConfigurationError if the file cannot be used at all.

        `uses` selects the accounts of this part, `concerns` its faulty entries; `fault` checks an account further.
        `consequence` says in messages what happens while an account is faulty.
        """
        self._folder = folder
        self._consequence = consequence
        self._uses = uses
        self._concerns = concerns
        self._fault = fault
        self._environment = environment
        self._paths = account_files(folder)
        self._files = WatchedFiles(self._paths)
        #: By source and name.
        self.accounts: Mapping[AccountKey, Account] = {}
        self.faulty: tuple[FaultyAccount, ...] = ()
        #: Accounts of `faulty` whose former entries are in force.
        self._former: frozenset[AccountKey] = frozenset()
        #: Why the file as it was last seen cannot be used at all; None: it can.
        self._unusable: str | None = None
        self._use(self._read())

    @property
    def refused(self) -> bool:
        """Whether a change, or a part of it, is refused."""
        return self._unusable is not None or bool(self._former)

    def notice(self) -> str | None:
        """Say, without a setting, what is not as `sources.toml` says; None where all is."""
        if self._unusable is not None:
            return self._unusable
        told = (
            f"{each.path}: {'its change is refused' if self._has_former(each) else self._consequence}"
            for each in self.faulty
        )
        return f"{'; '.join(told)}: `pulssi check-config` says why" if self.faulty else None

    def look(self) -> bool:
        """Use the files as they are now; returns whether accounts or faulty entries have changed. Logs faults."""
        if not self._files.changed(self._paths):
            return False
        self._paths = account_files(self._folder)
        self._files = WatchedFiles(self._paths)  # before they are read: a later change is seen
        before = self.accounts, self.faulty
        had_faults = self._unusable is not None or bool(self.faulty)
        try:
            read = self._read()
        except ConfigurationError as error:
            self._unusable = "sources.toml has changed and is refused: `pulssi check-config` says why"
            _LOG.error("sources.toml has changed and is refused; what was in force stays: %s", "; ".join(error.faults))
            return False
        if before != ({}, ()) and self._says_nothing():
            self._unusable = "sources.toml is gone or empty: what it said stays in force"
            _LOG.error("%s; a line with a # says that no account is meant", self._unusable)
            return False
        self._unusable = None
        self._use(read)
        changed = before != (self.accounts, self.faulty)
        if before[0] != self.accounts:
            _LOG.info("sources.toml has changed: %d accounts are in force", len(self.accounts))
        if had_faults and not self.faulty:  # tells whoever corrected the file that it worked
            _LOG.info("sources.toml is without a fault again: %d accounts are in force", len(self.accounts))
        return changed

    def _says_nothing(self) -> bool:
        """Return whether the file is missing or empty, as it can be on a full disk or after a folder was remounted."""
        try:
            return self._folder is not None and not (self._folder / "sources.toml").read_bytes().strip()
        except OSError:
            return True

    def _read(self) -> SourceAccounts:
        return read_accounts(self._folder, self._environment, self._fault)

    def _use(self, read: SourceAccounts) -> None:
        known, self.faulty = self.faulty, tuple(each for each in read.faulty if self._concerns(each))
        sound = {(each.source, each.name): each for each in read.sound}
        former = {
            key: account
            for key, account in self.accounts.items()
            if key not in sound and any(each.may_be(*key) for each in read.faulty)
        }
        self.accounts = {key: each for key, each in sound.items() if self._uses(each)} | former
        self._former = frozenset(former)
        for each in self.faulty:
            if each not in known:
                met = "its former entry stays in force" if self._has_former(each) else self._consequence
                _LOG.error("%s: %s until this is mended: %s", each.path, met, "; ".join(each.faults))
        in_force = {each.path for each in self.accounts.values()} - {each.path for each in self.faulty}
        for path in sorted({each.path for each in known} & in_force):
            _LOG.info("%s is mended", path)

    def _has_former(self, faulty: FaultyAccount) -> bool:
        return any(faulty.may_be(*key) for key in self._former)
