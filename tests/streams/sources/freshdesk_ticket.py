"""Freshdesk's API with one ticket of many conversations, which a test may have refuse or hang."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiohttp import web

NUMBER: Final = 21
GROUP: Final = "67000578161"
_BEGUN: Final = datetime(2026, 3, 1, 8, tzinfo=UTC)
_PAGE: Final = 100


def _at(second: int) -> str:
    return f"{(_BEGUN + timedelta(seconds=second)).isoformat()[:19]}Z"


class TicketApi:
    """The ticket: a customer and an agent write by turns, a message a second."""

    def __init__(self, conversations: int) -> None:
        self.conversations = conversations
        self.url = ""
        #: The pages that were asked for, in order, and how often the ticket was.
        self.pages: list[int] = []
        self.tickets = 0
        #: The status of all answers.
        self.status = 200
        #: From this page on nothing is answered; or 429.
        self.hangs_at: int | None = None
        self.limited_at: int | None = None

    async def ticket(self, _: web.Request) -> web.Response:
        """Answer with the ticket."""
        self.tickets += 1
        if self.status != web.HTTPOk.status_code:
            return web.Response(status=self.status)
        stats = dict.fromkeys(("first_responded_at", "reopened_at", "resolved_at", "closed_at", "pending_since"))
        return web.json_response(
            {
                "id": NUMBER,
                "source": 1,
                "status": 2,
                "priority": 1,
                "group_id": int(GROUP),
                "requester_id": 5,
                "created_at": _at(0),
                "updated_at": _at(self.conversations),
                "tags": [],
                "spam": False,
                "stats": {**stats, "status_updated_at": _at(0)},
                "description": "Anna wrote this",
            }
        )

    async def some(self, request: web.Request) -> web.Response:
        """Answer with a page of conversations."""
        page = int(request.query["page"])
        self.pages.append(page)
        if self.hangs_at is not None and page >= self.hangs_at:
            await asyncio.Event().wait()
        if self.limited_at is not None and page >= self.limited_at:
            return web.Response(status=web.HTTPTooManyRequests.status_code, headers={"Retry-After": "1"})
        if self.status != web.HTTPOk.status_code:
            return web.Response(status=self.status)
        size = min(_PAGE, int(request.query["per_page"]))
        numbers = range(1, self.conversations + 1)[(page - 1) * size : page * size]
        return web.json_response([self._conversation(number) for number in numbers])

    def _conversation(self, number: int) -> dict[str, Any]:
        incoming = number % 2 == 0
        return {
            "id": number,
            "created_at": _at(number),
            "incoming": incoming,
            "private": False,
            "user_id": 5 if incoming else 9,
            "source": 0,
            "body": "<p>Anna wrote this</p>",
            "body_text": "x",
        }


@asynccontextmanager
async def ticket_api(conversations: int) -> AsyncIterator[TicketApi]:
    """Serve the ticket on any free port."""
    api = TicketApi(conversations)
    app = web.Application()
    app.router.add_get(f"/api/v2/tickets/{NUMBER}", api.ticket)
    app.router.add_get(f"/api/v2/tickets/{NUMBER}/conversations", api.some)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    api.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield api
    finally:
        await runner.cleanup()


def entry(api: TicketApi, **more: object) -> str:
    """Write the account's entry; its secret and token are in the variable ACME."""
    keys = "".join(f"{name} = {value}\n" for name, value in ({"requests_per_minute": 100_000} | more).items())
    return (
        '[[source]]\nsource = "freshdesk"\naccount = "acme"\nsecret_env = ["ACME"]\ntoken_env = "ACME"\n'
        f'url = "{api.url}"\nqueues = {{ "{GROUP}" = "support" }}\n{keys}'
    )
