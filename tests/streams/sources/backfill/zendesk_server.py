"""Zendesk's API with the made day in it: cursors, rows that come twice, archived tickets that one list leaves out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from tests.streams.sources.backfill.vendor_server import Answer
from tests.streams.sources.vendors.zendesk_day import CUSTOMER, TicketDay

PAGE: Final = 25


class ZendeskServer:
    """Tickets with their audits, comments and ratings."""

    def __init__(self, tickets: Sequence[TicketDay], archived: frozenset[str], deleted: frozenset[str]) -> None:
        self._archived = archived
        self._deleted = deleted
        self._tickets: dict[str, dict[str, Any]] = {}
        self._audits: list[dict[str, Any]] = []
        self._roles: dict[str, str] = {}
        for ticket in tickets:
            for body in (told.body for told in ticket.audits()):
                number = len(self._audits) + 1
                self._audits.append({**body["audit"], "id": number})
                self._roles |= body["users"]
                row = {**body["ticket"], "id": int(ticket.number), "updated_at": body["audit"]["created_at"]}
                row["status"] = "closed" if ticket.number in archived else "solved"
                self._tickets[ticket.number] = row
        self._audits.sort(key=lambda audit: (audit["created_at"], audit["id"]))
        self.ratings: list[dict[str, Any]] = []

    def routes(self) -> dict[str, Answer]:
        """Give the paths that it answers."""
        return {
            "/api/v2/ticket_audits.json": self._all_audits,
            "/api/v2/incremental/tickets/cursor.json": self._changed,
            "/api/v2/tickets/show_many.json": self._some_tickets,
            "/api/v2/users/show_many.json": self._some_users,
            "/api/v2/tickets/{ticket}/audits.json": self._audits_of,
            "/api/v2/tickets/{ticket}/comments.json": self._comments_of,
            "/api/v2/satisfaction_ratings.json": self._all_ratings,
        }

    async def _all_audits(self, request: web.Request) -> web.Response:
        return _by_cursor(
            request, "audits", [audit for audit in self._audits if str(audit["ticket_id"]) not in self._archived]
        )

    async def _audits_of(self, request: web.Request) -> web.Response:
        ticket = request.match_info["ticket"]
        return _by_cursor(request, "audits", [audit for audit in self._audits if str(audit["ticket_id"]) == ticket])

    async def _comments_of(self, request: web.Request) -> web.Response:
        ticket = request.match_info["ticket"]
        of_ticket = [audit for audit in self._audits if str(audit["ticket_id"]) == ticket]
        comments = [event for audit in of_ticket for event in audit["events"] if event["type"] == "Comment"]
        return _by_cursor(request, "comments", comments)

    async def _all_ratings(self, request: web.Request) -> web.Response:
        since = int(request.query["start_time"])
        return _by_cursor(request, "satisfaction_ratings", [row for row in self.ratings if _s(row) >= since])

    async def _changed(self, request: web.Request) -> web.Response:
        rows = sorted(self._tickets.values(), key=lambda row: row["updated_at"])
        if "cursor" in request.query:
            since, first = (int(part) for part in request.query["cursor"].split("-"))
        else:
            since, first = int(request.query["start_time"]), 0
        rows = [row for row in rows if _s(row) >= since]
        page = rows[max(0, first - 1) : first + PAGE]  # the row at the boundary comes twice
        after = first + PAGE
        return web.json_response(
            {"tickets": page, "after_cursor": f"{since}-{after}", "end_of_stream": after >= len(rows)}
        )

    async def _some_tickets(self, request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        assert len(ids) <= 100
        known = [self._tickets[number] for number in ids if number in self._tickets and number not in self._deleted]
        return web.json_response({"tickets": known})

    async def _some_users(self, request: web.Request) -> web.Response:
        ids = request.query["ids"].split(",")
        assert len(ids) <= 100
        roles = {**self._roles, CUSTOMER: "end-user"}
        return web.json_response({"users": [{"id": int(each), "role": roles[each]} for each in ids if each in roles]})


def _by_cursor(request: web.Request, name: str, rows: Sequence[Mapping[str, Any]]) -> web.Response:
    first = int(request.query.get("page[after]", "0"))
    page = rows[max(0, first - 1) : first + PAGE]
    after = first + PAGE
    return web.json_response({name: page, "meta": {"has_more": after < len(rows), "after_cursor": str(after)}})


def _s(row: Mapping[str, Any]) -> int:
    return int(datetime.fromisoformat(row["updated_at"]).timestamp())
