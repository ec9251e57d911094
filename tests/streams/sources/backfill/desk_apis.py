"""The APIs of Intercom, Zammad and Freshdesk with the contacts of a made day in them.

Each pages, sorts, searches and refuses as the vendor's own does; what is in its tables may change between requests.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import orjson
from aiohttp import web

from tests.streams.sources.backfill.vendor_server import Answer
from tests.streams.sources.vendors.freshdesk_desk import FreshdeskDesk
from tests.streams.sources.vendors.intercom_desk import IntercomDesk
from tests.streams.sources.vendors.made_desk import Contact
from tests.streams.sources.vendors.zammad_desk import ZammadDesk

_NOT_FOUND: Final = 404
_REFUSED: Final = 400


class IntercomApi:
    """Searches by day of the workspace's zone; conversations are listed without their parts."""

    #: The workspace's zone: half a day ahead of UTC.
    zone: Final = timezone(timedelta(hours=13))

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self.conversations: dict[str, dict[str, Any]] = {}
        #: In which order they were got.
        self.got: list[str] = []
        for contact in contacts:
            desk = IntercomDesk(contact)
            list(desk.webhooks())
            self.conversations[str(contact.number)] = desk.conversation()

    def answers(self) -> Mapping[tuple[str, str], Answer]:
        """Return what it answers."""
        return {("POST", "/conversations/search"): self._search, ("GET", "/conversations/{id}"): self._get}

    async def _search(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        body = await request.json()
        found = list(self.conversations.values())
        for condition in body["query"]["value"]:
            field, operator, value = (condition[key] for key in ("field", "operator", "value"))
            begin = datetime.fromtimestamp(value, self.zone).replace(hour=0, minute=0, second=0, microsecond=0)
            if operator == ">":
                edge = (begin + timedelta(days=1)).timestamp()
                found = [each for each in found if each[field] >= edge]
            elif operator == "<":
                found = [each for each in found if each[field] < begin.timestamp()]
            else:
                return _REFUSED
        assert body["sort"] == {"field": "updated_at", "order": "ascending"}
        found.sort(key=_place)
        total, pagination = len(found), body["pagination"]
        if "starting_after" in pagination:
            try:
                behind = tuple(orjson.loads(bytes.fromhex(pagination["starting_after"])))
            except ValueError:
                return _REFUSED
            found = [each for each in found if _place(each) > behind]
        page = found[: min(pagination["per_page"], 150)]
        cursor = orjson.dumps(_place(page[-1])).hex() if len(found) > len(page) else None
        following = {"next": {"per_page": pagination["per_page"], "starting_after": cursor}} if cursor else {}
        listed = [{key: each[key] for key in each if key != "conversation_parts"} for each in page]
        return {
            "type": "conversation.list",
            "conversations": listed,
            "total_count": total,
            "pages": {"type": "pages", "per_page": pagination["per_page"], **following},
        }

    def _get(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        number = request.match_info["id"]
        self.got.append(number)
        return self.conversations.get(number, _NOT_FOUND)


def _place(conversation: Mapping[str, Any]) -> tuple[int, str]:
    return conversation["updated_at"], conversation["id"]


class ZammadApi:
    """Lists tickets in the order of their ids, at most a hundred at once."""

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self.tickets: dict[int, dict[str, Any]] = {}
        for contact in contacts:
            desk = ZammadDesk(contact)
            list(desk.webhooks())
            self.tickets[contact.number] = desk.answers()

    def answers(self) -> Mapping[tuple[str, str], Answer]:
        """Return what it answers."""
        return {
            ("GET", "/api/v1/tickets"): self._list,
            ("GET", "/api/v1/ticket_articles/by_ticket/{id}"): lambda request: self._of(request, "articles"),
            ("GET", "/api/v1/ticket_history/{id}"): lambda request: self._of(request, "history"),
        }

    def _list(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        assert request.query["expand"] == "true"
        size, page = min(int(request.query["per_page"]), 100), int(request.query["page"])
        tickets = [self.tickets[number]["ticket"] for number in sorted(self.tickets)]
        return tickets[(page - 1) * size : page * size]

    def _of(self, request: web.Request, what: str) -> Any:  # noqa: ANN401 - JSON
        found = self.tickets.get(int(request.match_info["id"]))
        if found is None:
            return _NOT_FOUND
        if what == "articles":
            assert request.query["expand"] == "true"
            return found[what]
        return {"history": found[what], "assets": {}}


class FreshdeskApi:
    """Lists tickets by their update, no deeper than 300 pages; a day's activities are a file at another address."""

    deepest: Final = 300

    def __init__(self, contacts: Iterable[Contact]) -> None:
        self.tickets: dict[int, dict[str, Any]] = {}
        self.conversations: dict[int, list[dict[str, Any]]] = {}
        self.days: dict[str, list[dict[str, Any]]] = {}
        self.ratings: list[dict[str, Any]] | None = []
        self.deepest_page = 0
        for contact in contacts:
            desk = FreshdeskDesk(contact)
            list(desk.webhooks())
            self.tickets[contact.number], self.conversations[contact.number] = desk.answers()
            for row in desk.activities:
                day, month, year = row["performed_at"][:10].split("-")
                self.days.setdefault(f"{year}-{month}-{day}", []).append(row)

    def answers(self) -> Mapping[tuple[str, str], Answer]:
        """Return what it answers."""
        return {
            ("GET", "/api/v2/tickets"): self._list,
            ("GET", "/api/v2/tickets/{id}"): lambda request: self.tickets.get(_number(request), _NOT_FOUND),
            ("GET", "/api/v2/tickets/{id}/conversations"): self._conversations,
            ("GET", "/api/v2/export/ticket_activities"): self._export,
            ("GET", "/files/{day}"): lambda request: {
                "metadata": {},
                "activities_data": self.days[request.match_info["day"]],
            },
            ("GET", "/api/v2/surveys/satisfaction_ratings"): self._ratings,
        }

    def _list(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        query = request.query
        size, page = min(int(query["per_page"]), 100), int(query["page"])
        self.deepest_page = max(self.deepest_page, page)
        if page > self.deepest:
            return _REFUSED
        assert (query["order_by"], query["order_type"], query["include"]) == ("updated_at", "asc", "stats")
        found = [each for each in self.tickets.values() if each["updated_at"] > query["updated_since"]]
        found.sort(key=lambda each: (each["updated_at"], each["id"]))
        return found[(page - 1) * size : page * size]

    def _conversations(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        found = self.conversations.get(_number(request))
        if found is None:
            return _NOT_FOUND
        size, page = int(request.query["per_page"]), int(request.query["page"])
        return found[(page - 1) * size : page * size]

    def _export(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        day = request.query["created_at"]
        if day not in self.days:
            return _NOT_FOUND
        return {"export": [{"url": f"{request.url.origin()}/files/{day}"}]}

    def _ratings(self, request: web.Request) -> Any:  # noqa: ANN401 - JSON
        if self.ratings is None:
            return 403
        size, page = int(request.query["per_page"]), int(request.query["page"])
        return self.ratings[(page - 1) * size : page * size]


def _number(request: web.Request) -> int:
    return int(request.match_info["id"])


def seconds(year: int, month: int, day: int, hour: int = 0) -> int:
    """Give a time as UTC milliseconds."""
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp() * 1000)
