"""Reads Intercom's conversations: searched by when they were last updated, each then got with its parts.

A search matches days of the workspace's own time zone, and a list has no parts. So it asks for two days more than it
needs at both ends, and leaves out what is not of the period. A conversation that is in progress meanwhile comes at the
end of the search, which is sorted by the time of the update.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.answers import GONE, list_of, text_of
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError

CONVERSATIONS_A_PAGE: Final = 50
_SEARCH: Final = Request("/conversations/search")
_DAY_S: Final = 86_400
#: Days are those of a zone that nobody tells us.
_MARGIN_S: Final = 2 * _DAY_S
_MS: Final = 1000
_BAD_CURSOR: Final = 400


async def pages(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None
) -> AsyncIterator[Page]:
    """Yield a page of conversations a page of the search; a position is a cursor, and since when to search without."""
    del account
    known = position or {}
    since = max(int(known.get("since", 0)), (period.begin or 0) // _MS)
    cursor = str(known.get("cursor") or "")
    read = 0
    while True:
        try:
            found = await api.post(_SEARCH, _search(since, period, cursor))
        except VendorRefusedError as error:
            if not cursor or error.status != _BAD_CURSOR:
                raise
            cursor, read = "", 0  # it is not known any more: search again, from where it stood
            continue
        listed = list_of(found, "a search for conversations", "conversations")
        payloads = [
            VendorPayload("conversation", orjson.dumps(whole), f"conversation {text_of(row, 'id')}")
            for row in listed
            if _is_wanted(row, period)
            for whole in await _whole(api, text_of(row, "id"))
        ]
        read += len(listed)
        pages_told = found.get("pages")
        following = pages_told.get("next") if isinstance(pages_told, Mapping) else None
        cursor = text_of(following, "starting_after")
        last = max([since, *(_seconds(row, "updated_at") for row in listed)])
        total = found.get("total_count")
        done = min(1.0, read / total) if isinstance(total, int) and total > 0 and position is None else None
        yield Page(tuple(payloads), {"since": last, "cursor": cursor or None}, done)
        if not cursor:
            return


def _search(since: int, period: Period, cursor: str) -> dict[str, Any]:
    conditions = [{"field": "updated_at", "operator": ">", "value": max(0, since - _MARGIN_S)}]
    if period.end is not None:
        conditions.append({"field": "created_at", "operator": "<", "value": period.end // _MS + _MARGIN_S})
    pagination = {"per_page": CONVERSATIONS_A_PAGE} | ({"starting_after": cursor} if cursor else {})
    return {
        "query": {"operator": "AND", "value": conditions},
        "sort": {"field": "updated_at", "order": "ascending"},
        "pagination": pagination,
    }


def _is_wanted(row: Any, period: Period) -> bool:  # noqa: ANN401 - JSON
    begun, updated = _seconds(row, "created_at") * _MS, _seconds(row, "updated_at") * _MS
    return (period.end is None or begun < period.end) and (period.begin is None or updated >= period.begin)


def _seconds(row: Any, key: str) -> int:  # noqa: ANN401 - JSON
    written = text_of(row, key)
    return int(written) if written.isdigit() else 0


async def _whole(api: VendorApi, conversation_id: str) -> list[Any]:
    """Get a conversation with its parts; none where it was deleted since the search."""
    try:
        return [await api.get(Request(f"/conversations/{conversation_id}"))]
    except VendorRefusedError as error:
        if error.status not in GONE:
            raise
        return []


BACKFILL: Final[Backfill] = pages
