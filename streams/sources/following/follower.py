"""What a follower is: an iterator of pages, as an import has it, but without an end.

The module `streams.sources.following.SOURCE` holds the follower of a source as `FOLLOWER: Final[Follower]`. It knows
where to look and when; it maps nothing and sends nothing. Whoever runs it maps each payload, sends the events, and
keeps the page's position when all of them are acknowledged: after a crash the page comes again, so nothing is lost.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from pydantic import SecretStr

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi


class FollowedApi(VendorApi, Protocol):
    """The vendor's API for an account that may log in; while the vendor is away, it is asked again for ever."""

    def use_token(self, token: SecretStr) -> None:
        """Use another token from now on; none if it is empty."""
        ...


class Follower(Protocol):
    """Follows an account for ever."""

    def __call__(
        self, account: Account, api: FollowedApi, position: Mapping[str, Any] | None, /
    ) -> AsyncIterator[Page]:
        """Yield pages from a position on; None: nothing is kept of this account yet.

        It waits between pages as its source needs it, and may be cancelled while it waits. A page without payloads only
        moves the position. Raises FollowError for what a person must correct; if a fault passes by itself, it waits and
        tries again.
        """
        ...


class FollowError(RuntimeError):
    """Following cannot go on: says in one line what is wrong and how to correct it."""

    def __init__(self, problem: str, again_after_s: float | None = None) -> None:
        """`again_after_s`: how long to wait before it is tried again, where trying often does harm."""
        super().__init__(problem)
        self.again_after_s = again_after_s
