"""Follows Asterisk's realtime table of the queue log: reads each committed row, in the order of the column `id`.

The position is the number up to which every row was read or given up. After a restart the rows above it are read, some
of them again; they give the same events.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import orjson

from streams.sources.backfill.pages import Page, VendorPayload
from streams.sources.database_rows import DatabaseAwayError, Row
from streams.sources.following.follower import FollowError
from streams.sources.following.passed_over import PassedOver
from streams.sources.read_only_database import DatabaseRefusedError, Uniqueness, Wrong

#: How often new rows are read, so that a row is on the wallboard within two seconds.
EVERY_S: Final = 1.0
#: How often gaps in the numbers are looked for.
LATE_EVERY_S: Final = 5.0
ROWS_AT_ONCE: Final = 1_000
#: The most gaps in one statement.
GAPS_AT_ONCE: Final = 200
#: Wait after the database did not answer, and after it refused the account.
AGAIN_S: Final = 10.0
AGAIN_REFUSED_S: Final = 60.0
TABLE: Final = "queue_log"
#: The columns that payloads may contain; a table has some of them.
_COLUMNS: Final = frozenset(
    ("id", "time", "callid", "queuename", "queue", "agent", "event", "data", *(f"data{each}" for each in range(1, 6)))
)

_LOG: Final = logging.getLogger(__name__)


class Database(Protocol):
    """Answers a SELECT, and what its catalogue says of a column."""

    async def rows(self, statement: str) -> list[Row]:
        """Return rows. Raises DatabaseAwayError or DatabaseRefusedError."""
        ...

    async def uniqueness(self, table: str, column: str) -> Uniqueness:
        """Tell whether a column's values are unique and never NULL. Raises as `rows`."""
        ...


class QueueLogTable:
    """The table of one account."""

    def __init__(self, database: Database, path: str, address_key: str, table: str = TABLE) -> None:
        """`path` names the account in messages, `address_key` the variable or file with its database's address."""
        self._database = database
        self._path = path
        self._address_key = address_key
        #: The configuration has checked that it is a plain name, safe in a statement.
        self._table = table
        self._passed = PassedOver(0)
        #: The last rows that were read, by their numbers.
        self._last: dict[int, bytes] = {}
        #: When gaps were last looked for, by the loop's clock.
        self._looked_at_s = -LATE_EVERY_S
        #: Whether the ids are known to be unique: else a row behind another one with its id would be lost.
        self._is_unique = False

    async def pages(self, position: Mapping[str, Any] | None) -> AsyncGenerator[Page, None]:
        """Yield the rows after a position, then new rows for ever. Raises FollowError."""
        self._passed = PassedOver(int((position or {}).get("id", 0)))
        kept, is_away = self._passed.settled, False
        while True:
            try:
                async for page in self._new_rows():
                    kept = self._passed.settled
                    yield page
            except DatabaseAwayError as error:
                is_away, self._is_unique = True, False  # it may be another table then
                yield Page((), {"id": kept}, fault=str(error))
                await asyncio.sleep(AGAIN_S)
                continue
            except DatabaseRefusedError as error:
                raise FollowError(self._mend(error.wrong), again_after_s=AGAIN_REFUSED_S) from None
            if is_away or self._passed.settled != kept:
                is_away, kept = False, self._passed.settled
                yield Page((), {"id": kept})
            await asyncio.sleep(EVERY_S)

    async def _new_rows(self) -> AsyncIterator[Page]:
        """Yield the rows that were not read yet, gaps included."""
        if not self._is_unique:
            await self._refuse_repeated_ids()
        while rows := await self._behind(self._passed.highest):
            yield self._page(rows)
            if len(rows) < ROWS_AT_ONCE:
                break
        else:
            await self._reread_if_ids_restarted()
        now_s = asyncio.get_running_loop().time()
        if self._passed.awaited and now_s - self._looked_at_s >= LATE_EVERY_S:
            self._looked_at_s, looked_at = now_s, self._passed.clock()  # a page may take minutes to be sent
            for some in _parts(self._passed.awaited, GAPS_AT_ONCE):
                behind = 0
                while rows := await self._within(some, behind):  # all of them: then they may be given up
                    yield self._page(rows)
                    if len(rows) < ROWS_AT_ONCE:
                        break
                    behind = self._number(rows[-1])
            self._passed.give_up(looked_at)

    async def _newest(self) -> list[Row]:
        return await self._database.rows(f"SELECT * FROM {self._table} ORDER BY id DESC LIMIT 1")  # noqa: S608 - ours

    async def _behind(self, number: int) -> list[Row]:
        return await self._database.rows(
            f"SELECT * FROM {self._table} WHERE id > {number:d} ORDER BY id LIMIT {ROWS_AT_ONCE:d}"  # noqa: S608 - ours
        )

    async def _within(self, gaps: Sequence[tuple[int, int]], behind: int) -> list[Row]:
        """Read rows behind a number that have appeared among those that were passed over."""
        among = " OR ".join(f"id BETWEEN {first:d} AND {last:d}" for first, last in gaps)
        return await self._database.rows(
            f"SELECT * FROM {self._table} WHERE id > {behind:d} AND ({among})"  # noqa: S608 - ours
            f" ORDER BY id LIMIT {ROWS_AT_ONCE:d}"
        )

    async def _reread_if_ids_restarted(self) -> None:
        """Read from the first row again if the ids restarted, because the table was recreated or emptied."""
        for row in await self._newest():
            number = self._number(row)
            # If only newer rows were deleted, the last row was read before and is unchanged.
            if number < self._passed.highest and self._last.get(number) != _body(row):
                _LOG.warning(
                    "%s: the ids of %s have restarted: its rows are read from the first", self._path, self._table
                )
                await self._refuse_repeated_ids()
                self._passed = PassedOver(0)

    async def _refuse_repeated_ids(self) -> None:
        """Raise FollowError if the ids are not unique; of a view only its present rows can tell that."""
        for row in await self._newest():
            self._number(row)
        uniqueness = await self._database.uniqueness(self._table, "id")
        if uniqueness == "not unique":
            raise FollowError(self._mend("key"), again_after_s=AGAIN_REFUSED_S)
        if uniqueness == "unknown" and await self._database.rows(
            f"SELECT id FROM {self._table} WHERE id > {self._passed.settled:d}"  # noqa: S608 - ours
            " GROUP BY id HAVING COUNT(*) > 1 LIMIT 1"
        ):
            raise FollowError(self._mend("repeated"), again_after_s=AGAIN_REFUSED_S)
        self._is_unique = True

    def _page(self, rows: Sequence[Row]) -> Page:
        bodies = {self._number(row): _body(row) for row in rows}
        if len(bodies) < len(rows):
            raise FollowError(self._mend("repeated"), again_after_s=AGAIN_REFUSED_S)
        self._last = dict(list({**self._last, **bodies}.items())[-ROWS_AT_ONCE:])
        self._passed.note(bodies)
        payloads = (VendorPayload("realtime", body, f"{self._table} {number}") for number, body in bodies.items())
        return Page(tuple(payloads), {"id": self._passed.settled})

    def _number(self, row: Row) -> int:
        number = row["id"]
        if isinstance(number, bool) or not isinstance(number, int | str) or not str(number).isdecimal():
            raise FollowError(self._mend("column"))
        return int(number)

    def _mend(self, wrong: Wrong | Literal["key", "repeated"]) -> str:
        address, table = self._address_key, self._table
        problems: dict[Wrong | Literal["key", "repeated"], str] = {
            "key": f"nothing keeps `id` of {table} unique: make it the primary key (docs/sources/asterisk.md)",
            "repeated": f"{table} has several rows with the same `id`: make it unique (docs/sources/asterisk.md)",
            "sign-in": f"the database refuses the user or the password: check the address in {address}",
            "database": f"there is no such database, or its user may not use it: check the address in {address}",
            "table": f"there is no table {table}: set `table` of the account",
            "column": f"{table} has no column `id` of rising whole numbers: add it (docs/sources/asterisk.md)",
            "right": f"the database's user may not read {table}: give it the right to SELECT",
            "text": f"{table} holds text that is not UTF-8, which its database does not convert: correct its rows",
            "tls": f"no TLS with a valid certificate, which {address} asks for by ?tls=verify",
        }
        return f"{self._path}: {problems[wrong]}"


def _body(row: Row) -> bytes:
    return orjson.dumps({name: value for name, value in row.items() if name in _COLUMNS})


def _parts(gaps: Sequence[tuple[int, int]], size: int) -> Iterator[Sequence[tuple[int, int]]]:
    for begin in range(0, len(gaps), size):
        yield gaps[begin : begin + size]
