"""Reads Zammad's tickets in the order of their ids, each with its articles and its history.

Nothing is searched for: that would need Elasticsearch. So an import walks through the list of all tickets, and asks for
the articles and the history of those of its period only.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.answers import GONE, list_of, text_of
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.vendor_values import time_of
from streams.times import rfc3339

#: The most that Zammad gives at once.
TICKETS_A_PAGE: Final = 100
_WITH_NAMES: Final = ("expand", "true")


async def pages(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None
) -> AsyncIterator[Page]:
    """Yield a page of tickets a page of the list; the last page that is not full is read again by the next run."""
    del account
    number = int((position or {}).get("page", 1))
    while True:
        query = (("page", str(number)), ("per_page", str(TICKETS_A_PAGE)), _WITH_NAMES)
        tickets = list_of(await api.get(Request("/api/v1/tickets", query)), "the list of tickets")
        payloads = [payload for ticket in tickets for payload in await _ticket(api, ticket, period)]
        is_full = len(tickets) >= TICKETS_A_PAGE
        yield Page(tuple(payloads), {"page": number + is_full}, None)
        if not is_full or _is_behind(tickets[-1], period):
            return
        number += 1


async def _ticket(api: VendorApi, ticket: Any, period: Period) -> list[VendorPayload]:  # noqa: ANN401 - JSON
    if not _is_wanted(ticket, period):
        return []
    number = text_of(ticket, "id")
    try:
        articles = await api.get(Request(f"/api/v1/ticket_articles/by_ticket/{number}", (_WITH_NAMES,)))
        history = await api.get(Request(f"/api/v1/ticket_history/{number}"))
    except VendorRefusedError as error:
        if error.status not in GONE:
            raise
        return []  # deleted since the list was read
    whole = {
        "ticket": ticket,
        "articles": list_of(articles, "the articles of a ticket"),
        "history": list_of(history, "the history of a ticket", "history"),
    }
    return [VendorPayload("ticket", orjson.dumps(whole), f"ticket {number}")]


def _is_wanted(ticket: Any, period: Period) -> bool:  # noqa: ANN401 - JSON
    """Whether a ticket lived in the period; one without times is left to the adapter, which says what is wrong."""
    updated_at = _time(ticket, "updated_at")
    begins = period.begin is None or not updated_at or updated_at >= rfc3339(period.begin)
    return begins and not _is_behind(ticket, period)


def _is_behind(ticket: Any, period: Period) -> bool:  # noqa: ANN401 - JSON
    """Whether a ticket was created after the period, as were all with greater ids."""
    created_at = _time(ticket, "created_at")
    return period.end is not None and bool(created_at) and created_at >= rfc3339(period.end)


def _time(ticket: Any, key: str) -> str:  # noqa: ANN401 - JSON
    try:
        return time_of(text_of(ticket, key), key)
    except UnmappableError:
        return ""


BACKFILL: Final[Backfill] = pages
