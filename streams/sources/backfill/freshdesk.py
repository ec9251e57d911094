"""Reads Freshdesk: tickets with their conversations, then the daily exports of activities, then ratings.

Tickets are asked for by the time of their update, and on from the last one's: pages of a list that changes would skip
some, and deep pages are refused. An export is a file at another address, for a short time; a day without one is passed
over, and asked for again by the next run if no later day had one either.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.answers import GONE, list_of, text_of
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.vendors.freshdesk import CONVERSATIONS_A_PAGE, conversations_request, ticket_request
from streams.sources.vendors.freshdesk.activities import performed_at
from streams.times import milliseconds, rfc3339

#: The most that Freshdesk gives at once.
ROWS_A_PAGE: Final = 100
#: Without a time it gives the last 30 days; there was no Freshdesk before this one.
_BEGINNING: Final = "2010-01-01T00:00:00Z"
_DAY: Final = timedelta(days=1)
_DATE_LENGTH: Final = 10


async def pages(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None
) -> AsyncIterator[Page]:
    """Yield pages of tickets, of days and of ratings; a position names the phase, and how far it is."""
    del account
    reading = _Reading(api, period, position or {})
    if reading.phase == "tickets":
        async for page in reading.tickets():
            yield page
    if reading.phase == "activities":
        async for page in reading.days():
            yield page
    async for page in reading.ratings():
        yield page


class _Reading:
    """A run of an import."""

    def __init__(self, api: VendorApi, period: Period, position: Mapping[str, Any]) -> None:
        self._api = api
        self._begin = _written(period.begin) or _BEGINNING
        self._end = _written(period.end)
        self.phase = str(position.get("phase", "tickets"))
        self._since = str(position.get("since") or self._begin)
        self._page = int(position.get("page", 1))
        #: The days whose activities are read; the first is that of the first ticket, unless an earlier run went on.
        self._day = str(position.get("day") or "")
        self._is_later_run = bool(self._day)
        self._until = str(position.get("until") or "")
        #: What events of a ticket need; None: it was deleted.
        self._known: dict[str, dict[str, Any] | None] = {}

    async def tickets(self) -> AsyncIterator[Page]:
        """Yield pages of tickets with their conversations."""
        before: set[tuple[str, str]] = set()
        while True:
            listed = await self._list_tickets()
            versions = {(text_of(row, "id"), text_of(row, "updated_at")) for row in listed}
            payloads = []
            for row in listed:
                self._remember(row)
                self._begin_days(row)
                is_new = (text_of(row, "id"), text_of(row, "updated_at")) not in before
                if is_new and (not self._end or text_of(row, "created_at") < self._end):
                    payloads += await self._ticket(row)
            is_last = len(listed) < ROWS_A_PAGE
            last = max([self._since, *(at for _, at in versions)])
            self._page = self._page + 1 if last == self._since else 1
            self._since, before = last, versions
            if is_last:
                self.phase = "activities"
                self._until = self._end[:_DATE_LENGTH] if self._end else last[:_DATE_LENGTH]
            yield Page(tuple(payloads), self._position())
            if is_last:
                return

    async def _list_tickets(self) -> list[Any]:
        # A second early: whether the time itself is included is not said.
        since = rfc3339(milliseconds(datetime.fromisoformat(self._since) - timedelta(seconds=1)))[:19] + "Z"
        query = {"updated_since": since, "include": "stats", "order_by": "updated_at", "order_type": "asc"}
        query |= {"per_page": str(ROWS_A_PAGE), "page": str(self._page)}
        return list_of(await self._api.get(Request("/api/v2/tickets", tuple(query.items()))), "the list of tickets")

    def _remember(self, ticket: Any) -> None:  # noqa: ANN401 - JSON
        if isinstance(ticket, Mapping):
            known = {key: ticket.get(key) for key in ("id", "source", "created_at")}
            self._known[text_of(ticket, "id")] = known

    def _begin_days(self, ticket: Any) -> None:  # noqa: ANN401 - JSON
        created_at = text_of(ticket, "created_at")
        if created_at and not self._is_later_run:
            created_on = max(created_at, self._begin)[:_DATE_LENGTH]
            self._day = min(self._day or created_on, created_on)

    async def _ticket(self, ticket: Any) -> list[VendorPayload]:  # noqa: ANN401 - JSON
        number, conversations = text_of(ticket, "id"), []
        page, some = 1, [None] * CONVERSATIONS_A_PAGE
        while len(some) >= CONVERSATIONS_A_PAGE:
            try:
                answer = await self._api.get(conversations_request(number, page))
            except VendorRefusedError as error:
                if error.status not in GONE:
                    raise
                return []  # deleted since the list was read
            some = list_of(answer, "the conversations of a ticket")
            conversations += some
            page += 1
        whole = {"ticket": ticket, "conversations": conversations}
        return [VendorPayload("ticket", orjson.dumps(whole), f"ticket {number}")]

    async def days(self) -> AsyncIterator[Page]:
        """Yield a page for each day's activities, those of a ticket together."""
        day = date.fromisoformat(self._day) if self._day else None
        last = date.fromisoformat(self._until)
        while day is not None and day <= last:
            rows = await self._export(day)
            payloads = [] if rows is None else await self._activities(rows, day)
            day += _DAY
            if rows is not None:
                self._day = day.isoformat()
            yield Page(tuple(payloads), self._position())
        self.phase, self._page = "ratings", 1

    async def _export(self, day: date) -> list[Any] | None:
        """Read a day's export; None where there is none, or none yet."""
        path = "/api/v2/export/ticket_activities"
        try:
            answer = await self._api.get(Request(path, (("created_at", day.isoformat()),)))
        except VendorRefusedError as error:
            if error.status not in GONE:
                raise
            return None
        export = answer.get("export") if isinstance(answer, Mapping) else None
        rows = []
        for each in export if isinstance(export, list) else [export]:
            file = await self._api.get(Request(text_of(each, "url")))
            rows += list_of(file, "an export of activities", "activities_data")
        return rows

    async def _activities(self, rows: list[Any], day: date) -> list[VendorPayload]:
        by_ticket: dict[str, list[Any]] = {}
        for row in rows:
            if self._is_of_period(row):
                by_ticket.setdefault(text_of(row, "ticket_id"), []).append(row)
        payloads = []
        for number, some in by_ticket.items():
            whole = {"ticket": await self._ticket_of(number), "activities": some}
            where = f"activities of {day.isoformat()}, ticket {number}"
            payloads.append(VendorPayload("activity", orjson.dumps(whole), where))
        return payloads

    def _is_of_period(self, row: Any) -> bool:  # noqa: ANN401 - JSON
        """Whether a row was performed in the period; one without a time is left to the adapter to refuse."""
        try:
            at = performed_at({"activity": row})
        except UnmappableError:
            return True
        return at >= self._begin and (not self._end or at < self._end)

    async def _ticket_of(self, number: str) -> dict[str, Any] | None:
        """Return what events of a ticket need; None where it was deleted."""
        if not number.isdigit():
            return {}
        if number not in self._known:
            try:
                self._remember(await self._api.get(ticket_request(number)))
            except VendorRefusedError as error:
                if error.status not in GONE:
                    raise
                self._known[number] = None
        return self._known.get(number, {})

    async def ratings(self) -> AsyncIterator[Page]:
        """Yield pages of ratings, where the plan has them; behind them the next run begins with tickets again."""
        while self.phase == "ratings":
            ratings = await self._list_ratings()
            payloads = []
            for rating in ratings:
                if not self._end or text_of(rating, "created_at") < self._end:
                    whole = {"rating": rating, "ticket": await self._ticket_of(text_of(rating, "ticket_id"))}
                    payloads.append(VendorPayload("rating", orjson.dumps(whole), f"rating {text_of(rating, 'id')}"))
            self._page += 1
            if len(ratings) < ROWS_A_PAGE:
                self.phase, self._page = "tickets", 1
            yield Page(tuple(payloads), self._position())

    async def _list_ratings(self) -> list[Any]:
        query = {"created_since": self._begin, "per_page": str(ROWS_A_PAGE), "page": str(self._page)}
        try:
            answer = await self._api.get(Request("/api/v2/surveys/satisfaction_ratings", tuple(query.items())))
        except VendorRefusedError as error:
            if error.status not in GONE:
                raise
            return []
        return list_of(answer, "the list of ratings")

    def _position(self) -> dict[str, Any]:
        known = {"phase": self.phase, "since": self._since, "page": self._page, "day": self._day, "until": self._until}
        return {key: value for key, value in known.items() if value}


def _written(ms: int | None) -> str:
    return "" if ms is None else f"{rfc3339(ms)[:19]}Z"


BACKFILL: Final[Backfill] = pages
