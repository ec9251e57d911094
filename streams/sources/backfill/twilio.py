"""The past of a TaskRouter workspace: its list of events, up to a thousand at a time.

`url` of the account is the workspace: https://taskrouter.twilio.com/v1/Workspaces/WS…. Without `StartDate` Twilio gives
the last 15 minutes only, so it is always sent. Messages of Conversations are in no list of events and are not read.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import orjson

from streams.sources.accounts import Account
from streams.sources.adapter import Request, UnmappableError
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.vendor_values import list_at, optional_text_at
from streams.times import at

_PATH: Final = "/Events"
#: The most that Twilio gives at once.
_PAGE: Final = "1000"
#: TaskRouter is younger.
_BEGINNING: Final = "2014-01-01T00:00:00Z"
_OK: Final = 200

_Query = tuple[tuple[str, str], ...]


async def _pages(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None
) -> AsyncIterator[Page]:
    """Yield pages of rows; a position is the question for the next page, none behind the last."""
    del account
    query: _Query | None = _first(period)
    if position is not None:
        query = None if position["query"] is None else tuple((name, value) for name, value in position["query"])
    while query is not None:
        answer = await api.get(Request(_PATH, query))
        try:
            rows, following = list_at(answer, "events"), _following(optional_text_at(answer, "meta.next_page_url"))
        except UnmappableError as error:
            raise VendorRefusedError(_OK, f"no page of events: {error}: is `url` the workspace's address?") from None
        if following == query:
            raise VendorRefusedError(_OK, "the next page of events is the same page again")
        query = following
        payloads = tuple(VendorPayload("event", orjson.dumps(row), _where(row)) for row in rows)
        yield Page(payloads, {"query": None if query is None else [list(pair) for pair in query]})


def _first(period: Period) -> _Query:
    query = [("StartDate", _BEGINNING if period.begin is None else _second(period.begin)), ("PageSize", _PAGE)]
    if period.end is not None:
        # Whole seconds, rounded up: what is read beyond the end has its own ids and does no harm.
        query.append(("EndDate", _second(period.end + 999)))
    return tuple(query)


def _second(ms: int) -> str:
    return at(ms - ms % 1000).isoformat(timespec="seconds").replace("+00:00", "Z")


def _following(address: str) -> _Query | None:
    """Take the question out of the next page's address; the host is the account's, whatever the answer says."""
    return tuple(parse_qsl(urlsplit(address).query)) if address else None


def _where(row: Any) -> str:  # noqa: ANN401 - JSON
    try:
        return f"event {optional_text_at(row, 'sid')}"
    except UnmappableError:
        return "event"


BACKFILL: Final[Backfill] = _pages
