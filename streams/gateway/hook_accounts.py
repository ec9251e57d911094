"""The accounts that take hooks, as `sources.toml` says now: a change is used at once, a faulty one is refused."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from schemas.configuration.source_models import SourceEntry, SourceName
from schemas.configuration.toml_files import ConfigurationError
from streams.configuration.reloading import WatchedFiles
from streams.sources.accounts import Account, account_files, load_accounts
from streams.sources.adapter import Adapter, Hook

#: Finds a source's adapter.
AdapterOf = Callable[[SourceName], Adapter]

#: How often it is looked whether a file has changed.
_LOOK_EVERY_S: Final = 2.0

_LOG: Final = logging.getLogger(__name__)


class HookAccount(NamedTuple):
    """An account with a hook, and how the hook is received."""

    account: Account
    adapter: Adapter
    hook: Hook

    @property
    def path(self) -> str:
        """How the account is named in addresses and messages."""
        return self.account.path


def secret_fault(entry: SourceEntry, adapter: Adapter) -> str | None:
    """Say that an account could take hooks and names no secret to check them with; None where all is well.

    An account that can be read otherwise, from an API, a database or files, goes without hooks: then it is none.
    """
    otherwise = entry.url or entry.path or entry.mapping or entry.database_env or entry.database_file
    if lacks_secret(entry, adapter) and not otherwise:
        return f"{adapter.title} shows by a secret that a hook is its own: set `secret_env` or `secret_file`"
    return None


def lacks_secret(entry: SourceEntry, adapter: Adapter) -> bool:
    """Tell whether hooks of the account cannot be checked, for want of a secret."""
    named = entry.secret_env or entry.secret_file
    return adapter.hook is not None and adapter.hook.signature.needs_secret and not named


def load_hook_accounts(
    folder: Path | None, environment: Mapping[str, str], adapter_of: AdapterOf
) -> dict[tuple[str, str], HookAccount]:
    """Read the accounts that take hooks, by source and name. Raises ConfigurationError with every fault at once."""
    accounts = load_accounts(folder, environment, lambda each: secret_fault(each.entry, adapter_of(each.source)))
    found: dict[tuple[str, str], HookAccount] = {}
    for account in accounts:
        adapter = adapter_of(account.source)
        if lacks_secret(account.entry, adapter):
            _LOG.warning("%s takes no hooks: it names no secret", account.path)
        elif adapter.hook is not None:
            found[account.source, account.name] = HookAccount(account, adapter, adapter.hook)
    return found


class WatchedAccounts:
    """The accounts in force, and whether their files say something else by now."""

    def __init__(self, folder: Path | None, adapter_of: AdapterOf) -> None:
        """Load the accounts with their secrets. Raises ConfigurationError."""
        self._folder = folder
        self._adapter_of = adapter_of
        self._paths = account_files(folder)
        self._files = WatchedFiles(self._paths)
        #: By source and name.
        self.accounts = load_hook_accounts(folder, os.environ, adapter_of)
        #: Whether the files as they were last seen are faulty.
        self.refused = False

    def look(self) -> bool:
        """Use what the files say now; returns whether accounts have changed. A faulty change is logged, once."""
        if not self._files.changed(self._paths):
            return False
        self._paths = account_files(self._folder)
        self._files = WatchedFiles(self._paths)  # before they are read: a later change is seen
        was_refused, self.refused = self.refused, True
        try:
            accounts = load_hook_accounts(self._folder, os.environ, self._adapter_of)
        except ConfigurationError as error:
            _LOG.error("sources.toml has changed and is refused; what was in force stays")
            for fault in error.faults:
                _LOG.error("%s", fault)
            return False
        self.refused = False
        if accounts == self.accounts:
            if was_refused:  # whoever mends it looks here whether that was it
                number = len(accounts)
                _LOG.info("sources.toml is without a fault again: hooks of %d accounts are taken, as before", number)
            return False
        self.accounts = accounts
        _LOG.info("sources.toml has changed: hooks of %d accounts are taken", len(accounts))
        return True

    async def follow(self, apply: Callable[[], None]) -> None:
        """Look for ever, and call `apply` where accounts have changed."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self.look():
                apply()
