"""Polls Puzzel's Raw data: rows of calls and of agents' states, in the order of their numbers.

A row appears within five minutes after its session has ended, and one with a lower number may appear after one with a
higher number. So each poll begins some numbers before the last row that was read. A row that is read again gives the
same events.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from streams.sources.accounts import Account
from streams.sources.backfill.pages import Page, VendorApi, VendorPayload
from streams.sources.database_rows import DatabaseAwayError, Row
from streams.sources.following.follower import FollowedApi, Follower, FollowError
from streams.sources.following.puzzel_queues import follow_queues
from streams.sources.sql_server import RowReader, SqlServer

#: Each table with the form of its rows.
TABLES: Final[Mapping[str, str]] = {"call_events": "call_event", "agent_events": "agent_event"}
EVERY_S: Final = 30.0
ROWS_AT_ONCE: Final = 1_000
#: So many numbers before the last row are read again at each poll.
OVERLAP: Final = 500
#: Between two attempts to reach the database.
AGAIN_S: Final = 10.0


async def follow_raw_data(account: Account, _api: VendorApi, position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
    """Yield rows for ever. Raises FollowError where the account names no database."""
    if not account.database.get_secret_value():
        raise FollowError(f"{account.path}: following Raw data needs `database_env` in sources.toml")
    async with SqlServer(account.database) as database:
        async for page in pages(database, position):
            yield page


async def pages(database: RowReader, position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
    """Yield rows of all tables from a position on: the highest number that was read, by table."""
    read, is_away = {table: int((position or {}).get(table, 0)) for table in TABLES}, False
    while True:
        try:
            for table, form in TABLES.items():
                after = max(0, read[table] - OVERLAP)
                while rows := await database.rows(table, after, ROWS_AT_ONCE):
                    after = max(int(row["rec_id"]) for row in rows)
                    read[table] = max(read[table], after)
                    yield Page(tuple(_payload(table, form, row) for row in rows), dict(read))
                    if len(rows) < ROWS_AT_ONCE:
                        break
        except DatabaseAwayError as error:
            yield Page((), dict(read), fault=str(error))
            await asyncio.sleep(AGAIN_S)
            is_away = True
            continue
        if is_away:
            is_away = False
            yield Page((), dict(read))
        await asyncio.sleep(EVERY_S)


def _payload(table: str, form: str, row: Row) -> VendorPayload:
    return VendorPayload(form, orjson.dumps(row), f"{table} {row['rec_id']}")


def _follow(account: Account, api: FollowedApi, position: Mapping[str, Any] | None, /) -> AsyncIterator[Page]:
    """Follow the states of queues if the account has a `customer_key`, else Raw data."""
    return follow_queues(account, api) if account.entry.customer_key else follow_raw_data(account, api, position)


FOLLOWER: Final[Follower] = _follow
