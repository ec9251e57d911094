"""Follows Asterisk's queue log: the file that `path` of the account names, or the realtime table of its database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any, Final

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page
from streams.sources.following.follower import FollowedApi, Follower, FollowError
from streams.sources.following.log_file import log_follower
from streams.sources.following.queue_log_table import TABLE, QueueLogTable
from streams.sources.read_only_database import ReadOnlyDatabase

_LOG: Final = log_follower("queue_log", "Asterisk's queue_log")


async def _follow(account: Account, api: FollowedApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Yield the rows of the file or the table."""
    entry = account.entry
    address_key = entry.database_env or entry.database_file
    if entry.path is None and address_key is None:
        raise FollowError(f"{account.path} has no `path` and no `database_env`: set one in sources.toml")
    if address_key is None or entry.path is not None:
        async for page in _LOG(account, api, position):
            yield page
        return
    async with ReadOnlyDatabase(account.database) as database:
        table = QueueLogTable(database, account.path, address_key, entry.table or TABLE)
        async with aclosing(table.pages(position)) as pages:
            async for page in pages:
                yield page


FOLLOWER: Final[Follower] = _follow
