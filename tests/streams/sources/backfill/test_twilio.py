"""The past of TaskRouter: pages are followed by their questions, go on where they ended, and give what hooks give."""

from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr

from schemas.configuration.source_models import SourceEntry
from streams.sources.accounts import Account
from streams.sources.adapter import Request
from streams.sources.backfill.pages import Page, Period, VendorRefusedError
from streams.sources.backfill.twilio import BACKFILL
from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.vendors.made_day import mapped

NONE: Final = SecretStr("")
URL: Final = "https://taskrouter.example.com/v1/Workspaces/WS1"
ENTRY: Final = SourceEntry(source="twilio", account="acme", url=URL)
ACCOUNT: Final = Account("twilio", "acme", account_rules("twilio", {}), (), NONE, NONE, NONE, ENTRY, Path())
PERIOD: Final = Period(1_772_352_000_500, 1_772_355_600_500)


def row(number: int) -> dict[str, Any]:
    """Make a row."""
    data = {"task_sid": f"WT{number}", "task_channel_unique_name": "voice"}
    return {"sid": f"EV{number}", "event_type": "task.created", "event_date_ms": 1_772_352_000_000, "event_data": data}


class Workspace:
    """Answers as Twilio does: pages of two rows, the next by an address with a token."""

    def __init__(self, rows: int) -> None:
        self._rows = [row(number) for number in range(rows)]
        self.asked: list[Request] = []

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Give the page that the token names."""
        self.asked.append(request)
        query = dict(request.query)
        begin = int(query.get("PageToken", "PT0").removeprefix("PT"))
        following = begin + 2
        more = f"https://elsewhere.example.com/v1/Events?StartDate={query['StartDate']}&PageToken=PT{following}"
        meta = {"next_page_url": more if following < len(self._rows) else None, "key": "events"}
        return {"events": self._rows[begin:following], "meta": meta}

    async def post(self, request: Request, body: Any) -> Any:  # noqa: ANN401 - JSON
        """Nothing is posted."""
        raise AssertionError(request, body)


async def read(workspace: Any, position: Any = None, period: Period = PERIOD) -> list[Page]:  # noqa: ANN401 - JSON
    """Read all pages behind a position."""
    return [page async for page in BACKFILL(ACCOUNT, workspace, period, position)]


async def test_all_pages() -> None:
    """Every row comes once, as the form `event`; the first question names the period, later ones are Twilio's own."""
    workspace = Workspace(5)
    pages = await read(workspace)
    payloads = [payload for page in pages for payload in page.payloads]
    assert [payload.where for payload in payloads] == [f"event EV{number}" for number in range(5)]
    events = mapped(adapter_of("twilio"), ACCOUNT.rules, [(each.form, each.body) for each in payloads])
    assert [event["event_id"] for event in events] == [f"EV{number}" for number in range(5)]
    first = dict(workspace.asked[0].query)
    assert first == {"StartDate": "2026-03-01T08:00:00Z", "EndDate": "2026-03-01T09:00:01Z", "PageSize": "1000"}
    assert {(request.path, request.base) for request in workspace.asked} == {("/Events", "")}
    assert dict(workspace.asked[2].query)["PageToken"] == "PT4"


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_goes_on_behind_any_page(after: int) -> None:
    """Behind the position of a page comes the rest, and behind the last nothing."""
    pages = await read(Workspace(5))
    assert await read(Workspace(5), pages[after].position) == pages[after + 1 :]


async def test_without_a_period_everything_is_asked_for() -> None:
    """Twilio's own default are the last 15 minutes: a beginning is always named."""
    workspace = Workspace(1)
    await read(workspace, period=Period(None, None))
    assert dict(workspace.asked[0].query) == {"StartDate": "2014-01-01T00:00:00Z", "PageSize": "1000"}


class Fixed:
    """Gives one answer for ever."""

    def __init__(self, answer: Any) -> None:  # noqa: ANN401 - JSON
        self._answer = answer

    async def get(self, request: Request) -> Any:  # noqa: ANN401 - JSON
        """Give it."""
        del request
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        {"events": "none"},
        {"events": [], "meta": {"next_page_url": 1.5}},
        {"events": [], "meta": {"next_page_url": "https://x.example.com/?PageToken=PT1"}},
    ],
)
async def test_an_answer_that_is_no_page(answer: Any) -> None:  # noqa: ANN401 - JSON
    """An answer of another shape, and pages in a circle, end the import with a reason."""
    with pytest.raises(VendorRefusedError):
        await read(Fixed(answer))
