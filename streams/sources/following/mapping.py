"""Follows a file of JSON records, a line each, by the account's mapping file."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi
from streams.sources.following.follower import Follower, FollowError
from streams.sources.following.log_file import LogFile

FORM: Final = "record"


async def _follow(account: Account, api: VendorApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Yield the records of the file."""
    del api
    if account.entry.path is None:
        raise FollowError(f"{account.path} has no `path`: set it to the file in sources.toml")
    async for page in LogFile(Path(account.folder, account.entry.path), FORM).pages(position):
        yield page


FOLLOWER: Final[Follower] = _follow
