"""The import from Zendesk: all of the past, what the hooks tell too, and on from any page."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest

from streams.sources.accounts import Account
from streams.sources.adapter import Payload
from streams.sources.backfill import zendesk
from streams.sources.backfill.pages import Page, Period
from streams.sources.checked_events import Outcome, map_payload
from streams.sources.registry import adapter_of
from tests.streams.sources.backfill.limited_api import PlainApi, served
from tests.streams.sources.backfill.zendesk_server import ZendeskServer
from tests.streams.sources.vendor_folds import Told, events_of, folded, rows_of
from tests.streams.sources.vendors.test_zendesk import COMPARED, account, tickets

ALL: Final = Period(None, None)
#: After everything of the made day.
LATER: Final = int(datetime(2029, 6, 1, tzinfo=UTC).timestamp() * 1000)
TICKETS: Final = 150


@pytest.fixture(autouse=True)
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zendesk, "now_ms", lambda: LATER)


def server() -> ZendeskServer:
    """Give a server with some tickets, a few of them archived or deleted."""
    some = tickets("email")[:TICKETS]
    numbers = [ticket.number for ticket in some]
    return ZendeskServer(some, frozenset(numbers[::5]), frozenset(numbers[1::50]))


async def pages(api: PlainApi, period: Period = ALL, position: Mapping[str, Any] | None = None) -> list[Page]:
    """Read all pages; the entry of sources.toml is not needed for it."""
    entry: Any = None
    known: Account = entry
    return [page async for page in zendesk.BACKFILL(known, api, period, position)]


def told(found: list[Page]) -> list[Told]:
    """Give the payloads of pages."""
    return [Told(each.form, orjson.loads(each.body)) for page in found for each in page.payloads]


async def test_all_of_the_past_is_what_the_hooks_have_told() -> None:
    """Archived tickets too, deleted ones not, rows at pages' boundaries once; beside the hooks nothing changes."""
    some = tickets("email")[:TICKETS]
    async with served(server().routes()) as api:
        found = await pages(api)
    imported = events_of("zendesk", told(found), account())
    deleted = {f"zendesk:acme:{ticket.number}" for ticket in some[1::50]}
    hooks = events_of("zendesk", [each for ticket in some for each in ticket.hooks()], account())
    live = {contact: result for contact, result in folded(hooks).items() if contact not in deleted}
    past = folded(imported)
    assert set(past) == set(live)
    both = [*hooks, *imported]
    random.Random(1).shuffle(both)  # noqa: S311 - no secret
    united = folded(both)
    for contact, result in live.items():
        assert rows_of(past[contact], COMPARED) == rows_of(result, COMPARED)
        assert rows_of(united[contact], COMPARED) == rows_of(result, COMPARED)
    assert "/api/v2/ticket_audits.json" in api.asked
    words = [each for page in found for each in page.payloads if b"html_body" in each.body]
    assert words == []


async def test_it_goes_on_from_any_page() -> None:
    """Begun again behind each page it reads the rest, and nothing of what was before."""
    async with served(server().routes()) as api:
        whole = await pages(api)
        assert len(whole) > 10
        for read in range(0, len(whole), 7):
            rest = await pages(api, position=whole[read].position)
            assert [page.payloads for page in rest] == [page.payloads for page in whole[read + 1 :]] or read == (
                len(whole) - 1
            )


async def test_a_period_is_read_ticket_by_ticket() -> None:
    """Only audits within the period, of archived tickets too; the list of all audits is not walked."""
    begin = int(datetime(2027, 1, 1, tzinfo=UTC).timestamp() * 1000)
    end = int(datetime(2027, 6, 1, tzinfo=UTC).timestamp() * 1000)
    async with served(server().routes()) as api:
        found = told(await pages(api, Period(begin, end)))
    times = [each.body["audit"]["created_at"] for each in found if each.form == "audit"]
    assert times
    assert min(times) >= "2027-01-01"
    assert max(times) < "2027-06-01"
    assert "/api/v2/ticket_audits.json" not in api.asked


async def test_the_newest_minutes_are_left_to_the_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Following the end of the list skips audits, so nothing of the last minutes is read."""
    now = int(datetime(2027, 3, 1, tzinfo=UTC).timestamp() * 1000)
    monkeypatch.setattr(zendesk, "now_ms", lambda: now)
    async with served(server().routes()) as api:
        found = told(await pages(api))
    newest = max(each.body["audit"]["created_at"] for each in found if each.form == "audit")
    assert newest < datetime.fromtimestamp((now - zendesk.NEWEST_MS) / 1000, UTC).isoformat()


def outcomes(found: list[Told]) -> list[Outcome]:
    """Map payloads."""
    adapter = adapter_of("zendesk")
    return [map_payload(adapter, form, Payload(orjson.dumps(body)), account()) for form, body in found]


async def test_ratings_come_with_their_tickets() -> None:
    """Each is put beside its ticket, from which its channel comes; what the customer wrote is not."""
    some = tickets("email")[:TICKETS]
    one = server()
    at = "2026-05-01T00:00:00Z"
    for number, ticket in enumerate(some[:60]):
        score = ("good", "bad", "offered")[number % 3]
        one.ratings.append(
            {"id": number, "ticket_id": int(ticket.number), "score": score, "comment": "secret", "updated_at": at}
        )
    async with served(one.routes()) as api:
        found = [each for each in told(await pages(api)) if each.form == "satisfaction"]
    got = outcomes(found)
    assert sum(len(outcome.records) for outcome in got) >= 38
    assert {outcome.nothing for outcome in got if not outcome.records} == {
        "offered: the customer was asked, and has not answered",
        "a deleted ticket: it counts nowhere",
    }
    assert not any("secret" in str(each.body) for each in found)
    assert all(b'"comment_present":true' in record.value for outcome in got for record in outcome.records)


async def test_a_comment_that_is_made_public_names_its_author() -> None:
    """The comments of its ticket are asked for who wrote it."""
    some = tickets("email")[:1]
    one = ZendeskServer(some, frozenset(), frozenset())
    routes = one.routes()
    first = next(told.body for told in some[0].audits())
    comment = next(event for event in first["audit"]["events"] if event["type"] == "Comment")
    published = {
        "id": 99,
        "ticket_id": int(some[0].number),
        "created_at": "2026-05-01T00:00:00Z",
        "author_id": 801,
        "events": [{"id": 1, "type": "CommentPrivacyChange", "comment_id": comment["id"], "public": True}],
    }
    one._audits.append(published)  # noqa: SLF001 - a row of its own
    async with served(routes) as api:
        found = [each for each in told(await pages(api)) if each.form == "audit" and "comment_authors" in each.body]
    assert found[0].body["comment_authors"][str(comment["id"])] == str(comment["author_id"])
    (outcome,) = outcomes(found)
    assert b'"author":"customer"' in outcome.records[0].value
