"""Asks giosg for the state of its rooms, again and again: how many chats wait, and how long.

Chats and messages come by webhooks; this follower adds only the source gauges of rooms. giosg's documentation names no
rate limit, so it is asked four times a minute, unless `every` of the account says otherwise.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.pages import Page, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.following.follower import Follower, FollowError
from streams.times import now_ms

EVERY_MS: Final = 15_000
ROOMS: Final = Request("/api/v4/reporting/realtime/rooms", (("timezone", "UTC"),))
_UNAUTHORIZED: Final = 401


async def follow_rooms(account: Account, api: VendorApi, _position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
    """Yield the rooms' states for ever."""
    if not account.entry.url or not account.token.get_secret_value():
        raise FollowError(f"{account.path}: following rooms needs `url` and `token_env` in sources.toml")
    loop, every_s = asyncio.get_running_loop(), (account.entry.every or EVERY_MS) / 1000
    while True:
        begun = loop.time()
        try:
            answer = await api.get(ROOMS)
        except VendorRefusedError as error:
            if error.status != _UNAUTHORIZED:
                raise
            raise FollowError(
                f"{account.path}: giosg does not know the token: it ends with the user who made it, so make a new one"
            ) from None
        body = answer if isinstance(answer, dict) else {"rooms": answer}
        yield Page((VendorPayload("rooms", orjson.dumps(body), "rooms"),), {}, polled_at=now_ms())
        await asyncio.sleep(max(0.0, begun + every_s - loop.time()))


FOLLOWER: Final[Follower] = follow_rooms
