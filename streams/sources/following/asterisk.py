"""Follows Asterisk's queue log: the file that `path` of the account names, or the realtime table of its database."""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi
from streams.sources.following.follower import Follower, FollowError
from streams.sources.following.log_file import LogFile
from streams.sources.following.queue_log_table import TABLE, QueueLogTable
from streams.sources.read_only_database import ReadOnlyDatabase

FORM: Final = "queue_log"


async def _follow(account: Account, api: VendorApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Yield the rows of the file or the table."""
    del api
    entry = account.entry
    if entry.path is not None:
        async for page in LogFile(Path(account.folder, entry.path), FORM).pages(position):
            yield page
        return
    address_key = entry.database_env or entry.database_file
    if address_key is None:
        raise FollowError(f"{account.path} has no `path` and no `database_env`: set one in sources.toml")
    async with ReadOnlyDatabase(account.database) as database:
        table = QueueLogTable(database, account.path, address_key, entry.table or TABLE)
        async with aclosing(table.pages(position)) as pages:
            async for page in pages:
                yield page


FOLLOWER: Final[Follower] = _follow
