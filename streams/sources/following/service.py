"""The follower's process: it follows the accounts of `sources.toml`, and begins anew when that file changes."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Final

from schemas import metric_definitions as declared
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.configuration.environment import config_folder
from streams.configuration.reloading import WatchedFiles
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.sources.accounts import Account, account_files, load_accounts
from streams.sources.following.accounts import follower_of, is_followed
from streams.sources.following.following import Following
from streams.tasks import cancel, stop_on_signals

_LOOK_EVERY_S: Final = 2.0
_LOG: Final = logging.getLogger(__name__)

#: Which accounts are meant.
Wanted = Callable[[Account], bool]


def run(settings: Settings, wanted: Wanted = lambda _account: True) -> int:
    """Follow until SIGTERM or Ctrl-C; returns the exit code. Raises EndError and ConfigurationError."""
    return asyncio.run(_serve(settings, wanted))


class FollowedAccounts:
    """The accounts that are followed, as `sources.toml` says now; after a faulty change they stay as they were."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        """Load them. Raises ConfigurationError, and EndError where there is none."""
        self._settings = settings
        self._wanted = wanted
        self._files = account_files(config_folder())
        self._watched = WatchedFiles(self._files)
        self.followings = self._load()
        #: Whether the file as it was last seen is faulty.
        self.refused = False
        if not self.followings:
            raise EndError(
                "sources.toml has no such account that can be followed: docs/sources says which can", Exit.NO
            )

    def _load(self) -> list[Following]:
        followed = (each for each in load_accounts(config_folder(), os.environ) if self._wanted(each))
        found = []
        for account in followed:
            follower = follower_of(account.source) if is_followed(account.entry) else None
            if follower is not None:
                found.append(Following(self._settings, account, follower))
        return found

    async def run(self) -> None:
        """Follow all, for ever; begin anew where the file changes, from what Kafka has."""
        while True:
            tasks = [asyncio.ensure_future(each.run()) for each in self.followings]
            changing = asyncio.ensure_future(self._changed())
            try:
                done, _ = await asyncio.wait({*tasks, changing}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()  # a bug ends the process
            finally:
                await cancel(*(task for task in (*tasks, changing) if not task.done()))

    async def _changed(self) -> None:
        """Return once the files say something else of a followed account that is without a fault."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self.look():
                return

    def look(self) -> bool:
        """Take over what the files say; tells whether a followed account has changed. A faulty change is logged."""
        if not self._watched.changed(self._files):
            return False
        self._files = account_files(config_folder())
        self._watched = WatchedFiles(self._files)  # before they are read: a later change is seen
        was_refused, self.refused = self.refused, True
        try:
            loaded = self._load()
        except ConfigurationError as error:
            _LOG.error("sources.toml was changed and is not used: %s", "; ".join(error.faults))
            return False
        self.refused = False
        if [each.account for each in loaded] == [each.account for each in self.followings]:
            if was_refused:  # whoever mends it looks here whether that was it
                _LOG.info("sources.toml is without a fault again: the same accounts are followed, as before")
            return False
        self.followings = loaded
        return True

    def unready(self) -> str | None:
        """Name an account that has never been connected to Kafka; a missing vendor or file does not count."""
        return next((f"{each.account.path}: {each.fault}" for each in self.followings if not each.has_connected), None)

    def fault(self) -> str | None:
        """Say which account is not followed now; None: all are."""
        return next((f"{each.account.path}: {each.fault}" for each in self.followings if each.fault), None)


async def _serve(settings: Settings, wanted: Wanted) -> int:
    ended = stop_on_signals()
    accounts = FollowedAccounts(settings, wanted)
    health = Health(
        ready=accounts.unready, progress=lambda: None, metrics=lambda: _metrics(accounts), slow=accounts.fault
    )
    port = await health.start(settings, "follow")
    named = ", ".join(each.account.path for each in accounts.followings)
    print(f"follow: {named}; health and metrics at http://{settings.bind}:{port}", flush=True)  # noqa: T201 - a command's own output
    try:
        return await run_until_one_ends("the follower", accounts.run(), ended.wait())
    finally:
        await health.stop()


def _metrics(accounts: FollowedAccounts) -> str:
    values = [MetricValue(declared.FOLLOW_CONFIGURATION_REFUSED, accounts.refused)]
    for each in accounts.followings:
        of = each.account.source, each.account.name
        values += [
            MetricValue(declared.FOLLOW_PAYLOADS, each.payloads, of),
            MetricValue(declared.FOLLOW_EVENTS, each.events, of),
            MetricValue(declared.FOLLOW_DEAD_LETTERS, each.dead_letters, of),
            MetricValue(declared.FOLLOW_LAST_PAYLOAD, each.last_at / 1000, of),
            MetricValue(declared.FOLLOW_FAULT, each.fault is not None, of),
        ]
    return render(values)
