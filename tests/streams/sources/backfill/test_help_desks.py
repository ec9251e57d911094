"""Imports of Intercom, Zammad and Freshdesk from servers that page, search and limit as theirs do."""

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, cast

import orjson
import pytest

from schemas.configuration.source_models import SourceName
from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules, Payload
from streams.sources.backfill import freshdesk, intercom, zammad
from streams.sources.backfill.pages import Backfill, Page, Period, VendorRefusedError
from streams.sources.checked_events import map_payload
from streams.sources.registry import adapter_of
from tests.streams.sources.backfill.desk_apis import FreshdeskApi, IntercomApi, ZammadApi, seconds
from tests.streams.sources.backfill.vendor_server import TestedApi, VendorServer
from tests.streams.sources.vendors import test_freshdesk, test_intercom, test_zammad
from tests.streams.sources.vendors.made_desk import Contact, folded, rows

Api = IntercomApi | ZammadApi | FreshdeskApi
ALL: Final = Period(None, None)
BACKFILLS: Final[dict[SourceName, Backfill]] = {
    "intercom": intercom.BACKFILL,
    "zammad": zammad.BACKFILL,
    "freshdesk": freshdesk.BACKFILL,
}
APIS: Final[dict[SourceName, type[Api]]] = {"intercom": IntercomApi, "zammad": ZammadApi, "freshdesk": FreshdeskApi}
RULES: Final[dict[SourceName, AccountRules]] = {
    "intercom": test_intercom.ACCOUNT,
    "zammad": test_zammad.ACCOUNT,
    "freshdesk": test_freshdesk.ACCOUNT,
}
CONTACTS: Final[dict[SourceName, tuple[Contact, ...]]] = {
    "intercom": test_intercom.CONTACTS,
    "zammad": test_zammad.CONTACTS,
    "freshdesk": test_freshdesk.CONTACTS,
}
#: The samples that an import tells.
TOLD: Final = {"intercom": test_intercom.WHOLE, "zammad": test_zammad.ALL, "freshdesk": test_freshdesk.IMPORTED}
VENDORS: Final = tuple(BACKFILLS)


async def read(
    vendor: SourceName,
    server: VendorServer,
    period: Period = ALL,
    position: Mapping[str, Any] | None = None,
    most: int = 10**6,
) -> list[Page]:
    """Read at most so many pages, with a position as it is kept."""
    kept = None if position is None else orjson.loads(orjson.dumps(position))
    found: list[Page] = []
    account = cast("Account", None)  # no back-fill here needs more than the API and the period
    async with TestedApi(server) as api:
        async for page in BACKFILLS[vendor](account, api, period, kept):
            found.append(page)
            if len(found) >= most:
                break
    return found


def events_of(vendor: SourceName, pages: Iterable[Page]) -> dict[str, list[dict[str, Any]]]:
    """Map all payloads; returns the events of each contact by its number."""
    found: dict[str, list[dict[str, Any]]] = {}
    for page in pages:
        for payload in page.payloads:
            assert payload.where
            outcome = map_payload(adapter_of(vendor), payload.form, Payload(payload.body), RULES[vendor])
            for record in outcome.records:
                event = orjson.loads(record.value)
                found.setdefault(event["contact_id"].rpartition(":")[2], []).append(event)
    return found


def numbers(vendor: SourceName, pages: Iterable[Page]) -> set[int]:
    """Tell which contacts were read."""
    return {int(number) for number in events_of(vendor, pages)}


def ids(vendor: SourceName, pages: Iterable[Page]) -> dict[str, set[str]]:
    """Give the ids of the events of each contact."""
    return {number: {event["event_id"] for event in events} for number, events in events_of(vendor, pages).items()}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_the_made_day_is_imported(vendor: SourceName) -> None:
    """Every contact comes with the samples that it gives, though every third request is one too many."""
    async with VendorServer(APIS[vendor](CONTACTS[vendor]).answers()) as server:
        pages = await read(vendor, server)
    found = events_of(vendor, pages)
    assert server.limited > 10
    assert len(pages) > 2
    for contact in CONTACTS[vendor]:
        told = rows(folded(found[str(contact.number)]), TOLD[vendor])
        assert told == rows(folded(contact.samples()), TOLD[vendor]), contact
    assert len(found) == len(CONTACTS[vendor])


@pytest.mark.parametrize("vendor", VENDORS)
async def test_going_on_from_any_page(vendor: SourceName) -> None:
    """From a page's position the rest is read: nothing is missing, wherever an import ended."""
    async with VendorServer(APIS[vendor](CONTACTS[vendor]).answers()) as server:
        pages = await read(vendor, server)
        wanted = {
            number: {event["event_id"] for event in events} for number, events in events_of(vendor, pages).items()
        }
        for number, page in enumerate(pages, 1):
            rest = await read(vendor, server, position=page.position)
            found = events_of(vendor, [*pages[:number], *rest])
            assert {each: {event["event_id"] for event in found.get(each, [])} for each in wanted} == wanted


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_later_run_finds_what_is_new(vendor: SourceName) -> None:
    """From the last position of all, a run reads what was created since, and not everything again."""
    contacts = CONTACTS[vendor]
    api = APIS[vendor](contacts)
    new = max(contacts, key=lambda contact: (contact.steps[-1].at, contact.number)).number
    if vendor == "zammad":
        new = contacts[-1].number
    later = APIS[vendor](contacts)
    _remove(api, new)
    async with VendorServer(api.answers()) as server:
        before = await read(vendor, server)
    async with VendorServer(later.answers()) as server:
        after = await read(vendor, server, position=before[-1].position)
    assert new not in numbers(vendor, before)
    assert new in numbers(vendor, after)
    assert vendor == "intercom" or len(numbers(vendor, after)) < len(contacts)


def _remove(api: Api, number: int) -> None:
    """Delete a ticket."""
    if isinstance(api, IntercomApi):
        del api.conversations[str(number)]
    else:
        del api.tickets[number]
    if isinstance(api, FreshdeskApi):
        api.conversations.pop(number)
        api.days = {day: [row for row in each if row["ticket_id"] != number] for day, each in api.days.items()}


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_period(vendor: SourceName) -> None:
    """Contacts that lived in the period come, also where they were updated later; others do not."""
    period = Period(seconds(2026, 3, 3, 10), seconds(2026, 3, 3, 11))
    async with VendorServer(APIS[vendor](CONTACTS[vendor]).answers()) as server:
        found = numbers(vendor, await read(vendor, server, period))
    begin, end = cast("int", period.begin), cast("int", period.end)
    for contact in CONTACTS[vendor]:
        times = [step.at for step in contact.steps if step.type not in {"contact.rated", "contact.tagged"}]
        lived = times[0] < end and max(times) >= begin
        assert (contact.number in found) >= lived, contact
        if contact.steps[0].at >= end or max(step.at for step in contact.steps) < begin:
            assert contact.number not in found, contact


@pytest.mark.parametrize("vendor", VENDORS)
async def test_a_ticket_that_is_deleted_meanwhile(vendor: SourceName) -> None:
    """What is listed and gone when it is asked for is passed over."""
    api = APIS[vendor](CONTACTS[vendor])
    gone = CONTACTS[vendor][3].number
    answers = dict(api.answers())
    path = {
        "intercom": "/conversations/{id}",
        "zammad": "/api/v1/ticket_articles/by_ticket/{id}",
        "freshdesk": "/api/v2/tickets/{id}/conversations",
    }[vendor]
    whole = answers["GET", path]
    answers["GET", path] = lambda request: 404 if request.match_info["id"] == str(gone) else whole(request)
    async with VendorServer(answers) as server:
        pages = [page for page in await read(vendor, server) if not _is_of_activities(page)]
    assert numbers(vendor, pages) == {contact.number for contact in CONTACTS[vendor]} - {gone}


def _is_of_activities(page: Page) -> bool:
    return any(payload.form == "activity" for payload in page.payloads)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("status", [401, 500])
async def test_a_refusal_ends_it(vendor: SourceName, status: int) -> None:
    """A token that is not accepted is no empty account."""
    answers = {key: (lambda _request: status) for key in APIS[vendor]([]).answers()}
    async with VendorServer(answers) as server:
        with pytest.raises(VendorRefusedError) as refused:
            await read(vendor, server)
    assert refused.value.status == status


@pytest.mark.parametrize("vendor", VENDORS)
async def test_another_kind_of_answer_ends_it(vendor: SourceName) -> None:
    """An error page under status 200 is no empty list."""
    answers = {key: (lambda _request: {"message": "maintenance"}) for key in APIS[vendor]([]).answers()}
    async with VendorServer(answers) as server:
        with pytest.raises(VendorRefusedError, match="is no list"):
            await read(vendor, server)


async def test_intercom_forgets_its_cursor() -> None:
    """A cursor that is not known any more is done without: the search begins where it stood."""
    async with VendorServer(IntercomApi(CONTACTS["intercom"]).answers()) as server:
        pages = await read("intercom", server)
        rest = await read("intercom", server, position={**pages[1].position, "cursor": "old"})
    assert numbers("intercom", [*pages[:2], *rest]) == {contact.number for contact in CONTACTS["intercom"]}


async def test_freshdesk_tickets_that_change_while_they_are_read() -> None:
    """Tickets of the first page that are updated during the import move to the end: none between is skipped."""
    api = FreshdeskApi(CONTACTS["freshdesk"])
    answers = dict(api.answers())
    listing = answers["GET", "/api/v2/tickets"]

    def list_and_change(request: Any) -> Any:  # noqa: ANN401 - JSON
        told = listing(request)
        for ticket in told[:30]:
            api.tickets[ticket["id"]] = {**ticket, "updated_at": "2026-03-04T00:00:00Z"}
        return told

    answers["GET", "/api/v2/tickets"] = list_and_change
    async with VendorServer(answers) as server:
        pages = [page for page in await read("freshdesk", server, most=12) if not _is_of_activities(page)]
    assert numbers("freshdesk", pages) == {contact.number for contact in CONTACTS["freshdesk"]}


async def test_freshdesk_pages_are_not_deep() -> None:
    """However many tickets there are, no deep page is asked for: each list begins at the last one's end."""
    api = FreshdeskApi(CONTACTS["freshdesk"])
    async with VendorServer(api.answers()) as server:
        pages = await read("freshdesk", server)
    assert api.deepest_page == 1
    since = [page.position["since"] for page in pages]
    assert all(one <= other for one, other in pairwise(since))


async def test_freshdesk_many_updates_in_one_second() -> None:
    """Where a second has more tickets than a page, the next page of it is asked for."""
    api = FreshdeskApi(CONTACTS["freshdesk"])
    for ticket in api.tickets.values():
        ticket["updated_at"] = "2026-03-04T00:00:00Z"
    async with VendorServer(api.answers()) as server:
        pages = [page for page in await read("freshdesk", server) if not _is_of_activities(page)]
    assert numbers("freshdesk", pages) == {contact.number for contact in CONTACTS["freshdesk"]}


async def test_freshdesk_exports_without_the_token() -> None:
    """The file of a day is at another address, which gets no token of the account."""
    async with VendorServer(FreshdeskApi(CONTACTS["freshdesk"]).answers()) as server:
        pages = await read("freshdesk", server)
    assert server.asked["/files/2026-03-03"] == 1
    assert "/files/2026-03-03" not in server.with_token
    assert "/api/v2/tickets" in server.with_token
    assert any(_is_of_activities(page) for page in pages)


async def test_freshdesk_asks_for_a_day_again() -> None:
    """A day whose export is not there yet is asked for by the next run; all else was imported without it."""
    api = FreshdeskApi(CONTACTS["freshdesk"])
    days, api.days = api.days, {}
    async with VendorServer(api.answers()) as server:
        first = await read("freshdesk", server)
        api.days = days
        second = await read("freshdesk", server, position=first[-1].position)
    assert not any(_is_of_activities(page) for page in first)
    assert any(_is_of_activities(page) for page in second)


async def test_freshdesk_ratings() -> None:
    """Ratings come with what their ticket's events need; a plan without ratings is no error."""
    api = FreshdeskApi(CONTACTS["freshdesk"][:2])
    rating = {"survey_id": 1, "ratings": {"default_question": 103}, "created_at": "2026-03-03T12:00:00Z"}
    api.ratings = [{**rating, "id": number, "ticket_id": ticket} for number, ticket in enumerate([1, 2, 99999])]
    async with VendorServer(api.answers()) as server:
        rated = events_of("freshdesk", await read("freshdesk", server))
        api.ratings = None
        without = events_of("freshdesk", await read("freshdesk", server))
    assert sum(event["type"] == "contact.rated" for events in rated.values() for event in events) == 2
    assert set(without) == {"1", "2"}


async def test_freshdesk_long_conversations() -> None:
    """A ticket with more conversations than a page has all of them."""
    api = FreshdeskApi(CONTACTS["freshdesk"][:1])
    talk = {"incoming": True, "private": False, "source": 0, "user_id": 5, "created_at": "2026-03-03T12:00:00Z"}
    api.conversations[1] = [{**talk, "id": number} for number in range(250)]
    async with VendorServer(api.answers()) as server:
        found = events_of("freshdesk", await read("freshdesk", server))
    assert sum(event["event_id"].startswith("conversation:") for event in found["1"]) == 250
