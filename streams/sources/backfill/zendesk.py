"""The past of a Zendesk account: the audits of its tickets, and its satisfaction ratings.

The whole past is read from the list of all audits, a hundred at a time. It leaves out archived tickets (closed for four
months), which are read one by one, and it cannot begin in the middle: of a period, all tickets that have changed since
its beginning are read one by one. Where one follows the newest end of the list it skips records, so the last minutes
are left to the hooks. An audit names neither its ticket's channel nor its authors' roles: both are added to it.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.answers import backfill_of
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.vendor_values import JsonObject, list_at, optional_text_at, time_of, value_at
from streams.times import milliseconds, now_ms

#: What the list of audits may still skip.
NEWEST_MS: Final = 5 * 60_000
#: Closed tickets of this age may be archived, which Zendesk does at 120 days; some are then read twice.
ARCHIVED_MS: Final = 100 * 86_400_000
_PAGE: Final = "100"
#: Ids that `show_many` takes.
_MANY: Final = 100
_ROLES_KEPT: Final = 50_000
_SYSTEM: Final = "-1"
#: Of a ticket, what is put beside its audits; of a via, what a channel comes of.
_TICKET: Final = ("id", "via", "created_at", "requester_id", "submitter_id")
#: What people wrote, and where from: not needed, so not kept anywhere.
_WORDS: Final = frozenset({"body", "html_body", "plain_body", "attachments", "subject", "recipients", "data"})


class _Import:
    """Reads one account; remembers roles for as long as it runs."""

    def __init__(self, api: VendorApi, period: Period) -> None:
        self._api = api
        self._begin = period.begin or 0
        self._of_period = period.begin is not None
        newest = now_ms() - NEWEST_MS
        self._end = newest if period.end is None else min(period.end, newest)
        self._roles: dict[str, str] = {}

    async def pages(self, position: Mapping[str, Any] | None) -> AsyncIterator[Page]:
        """Yield what comes after a position."""
        first = "tickets" if self._of_period else "audits"
        part, cursor = (position["part"], position.get("cursor")) if position else (first, None)
        if part == "audits":
            async for page in self._audits(cursor):
                yield page
            part, cursor = "tickets", None
        if part == "tickets":
            async for page in self._changed_tickets(cursor):
                yield page
            part, cursor = "ratings", None
        async for page in self._ratings(cursor):
            yield page

    async def _audits(self, cursor: str | None) -> AsyncIterator[Page]:
        """Walk the list from the oldest audit on."""
        more = True
        while more:
            answer = await self._api.get(Request("/api/v2/ticket_audits.json", _by_cursor(cursor)))
            audits = _objects(answer, "audits")
            payloads = await self._with_tickets([audit for audit in audits if self._is_within(audit)])
            cursor, more = _next(answer, cursor)
            more = more and not (audits and (_ms(audits[-1], "created_at") or 0) >= self._end)
            yield Page(payloads, {"part": "audits", "cursor": cursor} if more else {"part": "tickets"})

    def _is_within(self, audit: JsonObject) -> bool:
        """Tell whether an audit is to be read; one without a time is, so that the adapter refuses it."""
        at = _ms(audit, "created_at")
        return at is None or self._begin <= at < self._end

    async def _changed_tickets(self, cursor: str | None) -> AsyncIterator[Page]:
        """Walk the tickets that have changed since the beginning, and read each; of the whole past the archived ones.

        A ticket comes back whenever the system touches it: its audits are the same.
        """
        more = True
        while more:
            begin = (("cursor", cursor),) if cursor else (("start_time", str(self._begin // 1000)),)
            query = (*begin, ("per_page", _PAGE))
            answer = await self._api.get(Request("/api/v2/incremental/tickets/cursor.json", query))
            payloads: list[VendorPayload] = []
            for ticket in _objects(answer, "tickets"):
                if self._of_period or _may_be_archived(ticket):
                    payloads += await self._of_ticket(ticket)
            following = optional_text_at(answer, "after_cursor")
            more = value_at(answer, "end_of_stream") is False and bool(following) and following != cursor
            cursor = following
            position = {"part": "tickets", "cursor": cursor} if more else {"part": "ratings"}
            yield Page(tuple(payloads), position)

    async def _of_ticket(self, ticket: JsonObject) -> tuple[VendorPayload, ...]:
        audits: list[JsonObject] = []
        cursor, more = None, True
        while more:
            path = f"/api/v2/tickets/{_id(ticket, 'id')}/audits.json"
            answer = await self._api.get(Request(path, _by_cursor(cursor)))
            audits += [each for each in _objects(answer, "audits") if self._is_within(each)]
            cursor, more = _next(answer, cursor)
        return await self._with_tickets(audits, {_id(ticket, "id"): ticket})

    async def _ratings(self, cursor: str | None) -> AsyncIterator[Page]:
        more = True
        while more:
            since = (("start_time", str(self._begin // 1000)), ("end_time", str(self._end // 1000)))
            answer = await self._api.get(Request("/api/v2/satisfaction_ratings.json", (*since, *_by_cursor(cursor))))
            ratings = _objects(answer, "satisfaction_ratings")
            tickets = await self._tickets(_id(rating, "ticket_id") for rating in ratings)
            cursor, more = _next(answer, cursor)
            payloads = tuple(
                VendorPayload(
                    "satisfaction",
                    orjson.dumps(
                        {
                            "rating": {**rating, "comment": "…" if rating.get("comment") else None, "reason": None},
                            "ticket": tickets.get(_id(rating, "ticket_id")),
                        }
                    ),
                    f"rating {optional_text_at(rating, 'id')}",
                )
                for rating in ratings
            )
            yield Page(payloads, {"part": "ratings", "cursor": cursor})

    async def _with_tickets(
        self, audits: list[JsonObject], tickets: Mapping[str, JsonObject] | None = None
    ) -> tuple[VendorPayload, ...]:
        """Put audits beside their tickets and their authors' roles."""
        if tickets is None:
            tickets = await self._tickets(_id(audit, "ticket_id") for audit in audits)
        kept = {number: {key: ticket.get(key) for key in _TICKET} for number, ticket in tickets.items()}
        writers = {number: await self._writers(audit) for number, audit in enumerate(audits) if _publishes(audit)}
        authors = {author for audit in audits for author in _authors(audit)}
        roles = await self._roles_of(authors | {each for found in writers.values() for each in found.values()})
        payloads = []
        for number, audit in enumerate(audits):
            wanted = (*_authors(audit), *writers.get(number, {}).values())
            beside = {
                "audit": {**audit, "metadata": None, "events": [_bare(event) for event in _events(audit)]},
                "ticket": kept.get(_id(audit, "ticket_id")),
                "users": {user: roles[user] for user in wanted if roles.get(user)},
                **({"comment_authors": writers[number]} if number in writers else {}),
            }
            payloads.append(VendorPayload("audit", orjson.dumps(beside), f"audit {optional_text_at(audit, 'id')}"))
        return tuple(payloads)

    async def _tickets(self, ids: Iterable[str]) -> dict[str, JsonObject]:
        """Ask for tickets; those that are deleted are not among them."""
        found: dict[str, JsonObject] = {}
        for some in _hundreds(ids):
            answer = await self._api.get(Request("/api/v2/tickets/show_many.json", (("ids", ",".join(some)),)))
            found |= {_id(each, "id"): each for each in _objects(answer, "tickets")}
        return found

    async def _roles_of(self, users: Iterable[str]) -> Mapping[str, str]:
        unknown = [user for user in users if user and user != _SYSTEM and user not in self._roles]
        if len(self._roles) > _ROLES_KEPT:
            self._roles.clear()
        for some in _hundreds(unknown):
            answer = await self._api.get(Request("/api/v2/users/show_many.json", (("ids", ",".join(some)),)))
            told = {_id(each, "id"): optional_text_at(each, "role") for each in _objects(answer, "users")}
            self._roles |= {user: told.get(user, "") for user in some}
        return self._roles

    async def _writers(self, audit: JsonObject) -> dict[str, str]:
        """Find out who wrote the comments that an audit makes public."""
        path = f"/api/v2/tickets/{_id(audit, 'ticket_id')}/comments.json"
        found: dict[str, str] = {}
        cursor, more = None, True
        try:
            while more:
                answer = await self._api.get(Request(path, _by_cursor(cursor)))
                found |= {_id(each, "id"): _id(each, "author_id") for each in _objects(answer, "comments")}
                cursor, more = _next(answer, cursor)
        except VendorRefusedError:
            return {}  # the ticket is deleted
        return found


BACKFILL: Final[Backfill] = backfill_of(_Import)


def _by_cursor(cursor: str | None) -> tuple[tuple[str, str], ...]:
    return (("page[size]", _PAGE), *((("page[after]", cursor),) if cursor else ()))


def _next(answer: Any, cursor: str | None) -> tuple[str | None, bool]:  # noqa: ANN401 - JSON
    """Give the cursor behind an answer, and whether there is more; a cursor that stays ends the list."""
    following = optional_text_at(answer, "meta.after_cursor") or None
    return following or cursor, value_at(answer, "meta.has_more") is True and following not in {None, cursor}


def _objects(answer: Any, key: str) -> list[JsonObject]:  # noqa: ANN401 - JSON
    return [each for each in list_at(answer, key) if isinstance(each, dict)]


def _events(audit: JsonObject) -> list[JsonObject]:
    return _objects(audit, "events")


def _authors(audit: JsonObject) -> tuple[str, ...]:
    """Name those who wrote the comments of an audit."""
    own = _id(audit, "author_id")
    return tuple(_id(event, "author_id") or own for event in _events(audit) if event.get("type") == "Comment")


def _publishes(audit: JsonObject) -> bool:
    return any(event.get("type") == "CommentPrivacyChange" and event.get("public") is True for event in _events(audit))


def _may_be_archived(ticket: JsonObject) -> bool:
    at = _ms(ticket, "updated_at")
    return _id(ticket, "status") == "closed" and at is not None and at < now_ms() - ARCHIVED_MS


def _bare(event: JsonObject) -> dict[str, Any]:
    """Leave out what people wrote; that there was something stays."""
    kept = {key: value for key, value in event.items() if key not in _WORDS}
    if event.get("type") == "SatisfactionRating" and event.get("body"):
        kept["body"] = "…"
    return kept


def _hundreds(ids: Iterable[str]) -> Iterable[list[str]]:
    each = sorted(set(ids))
    return (each[first : first + _MANY] for first in range(0, len(each), _MANY))


def _id(within: Any, key: str) -> str:  # noqa: ANN401 - JSON
    return optional_text_at(within, key)


def _ms(within: JsonObject, key: str) -> int | None:
    try:
        return milliseconds(datetime.fromisoformat(time_of(within.get(key), key)))
    except UnmappableError:
        return None
