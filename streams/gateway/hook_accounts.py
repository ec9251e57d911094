"""The accounts of `sources.toml` that take hooks now, and those that cannot because their entry is faulty."""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.configuration.source_models import SourceEntry, SourceName
from streams.sources.accounts import Account, AccountKey, FaultyAccount
from streams.sources.adapter import Adapter, Hook
from streams.sources.watched_accounts import LOOK_EVERY_S, WatchedAccounts

#: Finds a source's adapter.
AdapterOf = Callable[[SourceName], Adapter]

#: Keys by which an account can be read without hooks.
_OTHER_WAYS: Final = ("url", "path", "mapping", "database_env", "database_file", "customer_key")

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
    """Say that an account could take hooks but names no secret to check them with; None if there is no such fault.

    If an account can be read in another way, from an API, a database or files, a missing secret is no fault: it then
    takes no hooks.
    """
    if lacks_secret(entry, adapter) and not _names(entry, *_OTHER_WAYS):
        return f"{adapter.title} shows by a secret that a hook is its own: set `secret_env` or `secret_file`"
    return None


def lacks_secret(entry: SourceEntry | Mapping[str, Any], adapter: Adapter) -> bool:
    """Tell whether hooks of the account cannot be checked because its entry, parsed or as written, names no secret."""
    hook = adapter.hook
    return hook is not None and hook.signature.needs_secret and not _names(entry, "secret_env", "secret_file")


def _names(entry: SourceEntry | Mapping[str, Any], *keys: str) -> bool:
    return any(entry.get(key) if isinstance(entry, Mapping) else getattr(entry, key) for key in keys)


class HookAccounts:
    """The accounts that take hooks now."""

    def __init__(self, folder: Path | None, adapter_of: AdapterOf, environment: Mapping[str, str] = os.environ) -> None:
        """Load the accounts. Raises ConfigurationError if the file cannot be used at all."""
        self._adapter_of = adapter_of
        self.watched = WatchedAccounts(
            folder,
            "its hooks are answered with 503",
            uses=lambda _: True,
            concerns=self._would_take_hooks,
            fault=lambda each: secret_fault(each.entry, adapter_of(each.source)),
            environment=environment,
        )
        #: By source and name.
        self.accounts: Mapping[AccountKey, HookAccount] = {}
        #: Which were said to take no hooks.
        self._without: frozenset[str] = frozenset()
        self._take_over()

    @property
    def faulty(self) -> tuple[FaultyAccount, ...]:
        """Faulty entries whose accounts would take hooks."""
        return self.watched.faulty

    def look(self) -> bool:
        """Use the files as they are now; returns whether anything has changed."""
        changed = self.watched.look()
        if changed:
            self._take_over()
        return changed

    async def follow(self, apply: Callable[[], None]) -> None:
        """Look for changes for ever, and call `apply` after each."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                apply()

    def _would_take_hooks(self, faulty: FaultyAccount) -> bool:
        if faulty.source is None:
            return True
        adapter, written = self._adapter_of(faulty.source), faulty.written
        return adapter.hook is not None and not (lacks_secret(written, adapter) and _names(written, *_OTHER_WAYS))

    def _take_over(self) -> None:
        found, without = dict[AccountKey, HookAccount](), set[str]()
        for key, account in self.watched.accounts.items():
            adapter = self._adapter_of(account.source)
            if adapter.hook is None:
                continue
            if not lacks_secret(account.entry, adapter):
                found[key] = HookAccount(account, adapter, adapter.hook)
            else:
                without.add(account.path)
        for path in sorted(without - self._without):
            _LOG.warning("%s takes no hooks: it names no secret", path)
        self.accounts, self._without = found, frozenset(without)
