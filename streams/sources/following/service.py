"""The follower's process: it follows the accounts of `sources.toml`; one whose settings change is restarted.

The others run on: a restart means another log-in, and a vendor may lock out a user after several refused ones.
"""

import asyncio
from collections.abc import Callable

from schemas import metric_definitions as declared
from schemas.configuration.toml_files import ConfigurationError
from schemas.exits import EndError, Exit
from schemas.settings import Settings
from streams.configuration.environment import config_folder
from streams.monitoring.health import Health
from streams.monitoring.prometheus import MetricValue, render
from streams.part_process import run_until_one_ends
from streams.sources.accounts import Account, FaultyAccount
from streams.sources.following.accounts import follower_of, is_followed, would_be_followed
from streams.sources.following.following import Following
from streams.sources.watched_accounts import LOOK_EVERY_S, WatchedAccounts
from streams.tasks import cancel, stop_on_signals

#: Which accounts are meant.
Wanted = Callable[[Account | FaultyAccount], bool]


def run(settings: Settings, wanted: Wanted = lambda _account: True) -> int:
    """Follow until SIGTERM or Ctrl-C; returns the exit code. Raises EndError."""
    return asyncio.run(_serve(settings, wanted))


class FollowedAccounts:
    """The accounts that are followed, as `sources.toml` says now."""

    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        """Load them. Raises ConfigurationError if the file cannot be used, and EndError if no account is followed."""
        self._settings = settings
        self.watched = WatchedAccounts(
            config_folder(),
            "it is not followed",
            uses=lambda each: wanted(each) and is_followed(each.entry),
            concerns=lambda each: wanted(each) and would_be_followed(each.written),
        )
        self.followings: list[Following] = []
        self._take_over()
        if not self.followings and not self.watched.faulty:
            raise EndError(
                "sources.toml has no such account that can be followed: docs/sources says which can", Exit.NO
            )

    async def run(self) -> None:
        """Follow all, for ever; one that has changed is restarted, from what Kafka has."""
        running: dict[Following, asyncio.Future[None]] = {}
        try:
            while True:
                gone = running.keys() - set(self.followings)
                await cancel(*(running.pop(each) for each in gone))
                running |= {each: asyncio.ensure_future(each.run()) for each in self.followings if each not in running}
                changing = asyncio.ensure_future(self._changed())
                try:
                    done, _ = await asyncio.wait({*running.values(), changing}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    changing.cancel()
                for task in done:
                    task.result()  # a bug ends the process
        finally:
            await cancel(*(task for task in running.values() if not task.done()))

    async def _changed(self) -> None:
        """Return once the files say something else of a followed account that is without a fault."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.look():
                return

    def look(self) -> bool:
        """Take over what the files say; tells whether a followed account has changed. A faulty change is logged.

        Of `followings`, those of unchanged accounts stay.
        """
        self.watched.look()
        if [each.account for each in self.followings] == list(self.watched.accounts.values()):
            return False
        self._take_over()
        return True

    def _take_over(self) -> None:
        known = {each.account.path: each for each in self.followings}
        followings = []
        for account in self.watched.accounts.values():
            former, follower = known.get(account.path), follower_of(account.source)
            if former is not None and former.account == account:
                followings.append(former)
            elif follower is not None:
                followings.append(Following(self._settings, account, follower))
        self.followings = followings

    def unready(self) -> str | None:
        """Name an account that has never been connected to Kafka; a missing vendor or file does not count."""
        return next((f"{each.account.path}: {each.fault}" for each in self.followings if not each.has_connected), None)

    def notice(self) -> str | None:
        """Return a line about the accounts that are not followed now; None if all are."""
        faults = (f"{each.account.path}: {each.fault}" for each in self.followings if each.fault)
        return "; ".join([*faults, *filter(None, [self.watched.notice()])]) or None


async def _serve(settings: Settings, wanted: Wanted) -> int:
    ended = stop_on_signals()
    try:
        accounts = FollowedAccounts(settings, wanted)
    except ConfigurationError as error:  # somebody must act first: a start again helps nobody
        raise EndError("; ".join(error.faults), Exit.NO) from None
    health = Health(
        ready=accounts.unready, progress=lambda: None, metrics=lambda: _metrics(accounts), notice=accounts.notice
    )
    port = await health.start(settings, "follow")
    named = ", ".join(each.account.path for each in accounts.followings) or "nothing yet"
    print(f"follow: {named}; health and metrics at http://{settings.bind}:{port}", flush=True)  # noqa: T201 - a command's own output
    try:
        return await run_until_one_ends("the follower", accounts.run(), ended.wait())
    finally:
        await health.stop()


def _metrics(accounts: FollowedAccounts) -> str:
    values = [MetricValue(declared.FOLLOW_CONFIGURATION_REFUSED, accounts.watched.refused)]
    faulty = {(each.source or "?", each.name or "?"): None for each in accounts.watched.faulty}
    for each in accounts.followings:
        faulty.pop((each.account.source, each.account.name), None)
    values += [MetricValue(declared.FOLLOW_FAULT, 1, of) for of in faulty]
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
