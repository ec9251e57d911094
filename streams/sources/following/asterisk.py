"""Follows Asterisk's queue_log, the file that `path` of the account names."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi
from streams.sources.following.follower import Follower, FollowError
from streams.sources.following.log_file import LogFile

FORM: Final = "queue_log"


async def _follow(account: Account, api: VendorApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Yield the rows of the file."""
    del api
    if account.entry.path is None:
        raise FollowError(f"{account.path} has no `path`: set it to Asterisk's queue_log in sources.toml")
    async for page in LogFile(Path(account.folder, account.entry.path), FORM).pages(position):
        yield page


FOLLOWER: Final[Follower] = _follow
