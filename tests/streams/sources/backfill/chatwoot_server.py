"""Chatwoot's API with the made day in it, paged and ordered as its finders do."""

from collections.abc import Sequence
from typing import Any, Final

from aiohttp import web

from tests.streams.sources.backfill.vendor_server import Answer
from tests.streams.sources.vendors.chatwoot_day import ConversationDay

PAGE: Final = 25


class ChatwootServer:
    """Conversations with their messages and reporting events, and answers to surveys."""

    def __init__(
        self, conversations: Sequence[ConversationDay], *, sorts: bool = True, enterprise: bool = True
    ) -> None:
        """`sorts`: whether it knows `sort_by`, as newer versions do; `enterprise`: whether it has reporting events."""
        self._of = {each.number: each for each in conversations}
        self._sorts = sorts
        self._enterprise = enterprise
        self.rows = {each.number: each.row() for each in conversations}
        #: Conversations that get activity, by the number of the list's request before which they do.
        self.moves: dict[int, tuple[int, int]] = {}
        self._lists = 0

    def routes(self) -> dict[str, Answer]:
        """Give the paths that it answers."""
        return {
            "/conversations": self._list,
            "/conversations/{number}": self._one,
            "/conversations/{number}/messages": self._messages,
            "/conversations/{number}/reporting_events": self._reporting,
            "/csat_survey_responses": self._answers,
        }

    async def _list(self, request: web.Request) -> web.Response:
        self._lists += 1
        if self._lists in self.moves:
            number, at = self.moves[self._lists]
            self.rows[number]["last_activity_at"] = at
        rows = list(self.rows.values())
        if request.query.get("status") != "all":
            rows = [row for row in rows if row["status"] == request.query.get("status", "open")]
        if self._sorts and request.query.get("sort_by") == "created_at_asc":
            rows.sort(key=lambda row: (row["created_at"], row["id"]))
        else:
            rows.sort(key=lambda row: (-row["last_activity_at"], row["id"]))
        meta = {"mine_count": 0, "unassigned_count": 0, "all_count": len(rows)}
        return web.json_response({"data": {"meta": meta, "payload": _page(request, rows)}})

    async def _one(self, request: web.Request) -> web.Response:
        row = self.rows.get(int(request.match_info["number"]))
        return web.json_response(row) if row else web.json_response({}, status=404)

    async def _messages(self, request: web.Request) -> web.Response:
        rows = sorted(self._conversation(request).messages, key=lambda row: row["created_at"])
        after, before = (request.query.get(name) for name in ("after", "before"))
        if after and before:
            rows = [row for row in rows if int(after) <= row["id"] < int(before)][:1000]
        elif after:
            rows = [row for row in rows if row["id"] > int(after)][:100]
        else:
            rows = rows[-20:]
        return web.json_response({"meta": {"labels": []}, "payload": rows})

    async def _reporting(self, request: web.Request) -> web.Response:
        if not self._enterprise:
            return web.json_response({}, status=404)
        return web.json_response(self._conversation(request).reporting)

    async def _answers(self, request: web.Request) -> web.Response:
        rows = [answer for each in self._of.values() for answer in each.answers]
        return web.json_response(_page(request, sorted(rows, key=lambda row: row["created_at"])))

    def _conversation(self, request: web.Request) -> ConversationDay:
        return self._of[int(request.match_info["number"])]


def _page(request: web.Request, rows: Sequence[Any]) -> Sequence[Any]:
    first = (int(request.query.get("page", "1")) - 1) * PAGE
    return rows[first : first + PAGE]
