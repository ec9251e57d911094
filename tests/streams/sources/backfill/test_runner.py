"""An import from a vendor's API: pages, what payloads leave out, positions by period, and a vendor that says no."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import web
from pydantic import SecretStr

from schemas.configuration.source_models import SourceEntry
from schemas.settings import Settings
from streams.configuration.environment import load_settings
from streams.sources.accounts import Account
from streams.sources.adapter import AccountRules, Adapter, Mapped, Payload, Request, UnmappableError
from streams.sources.backfill import runner
from streams.sources.backfill.file_pages import FilePages
from streams.sources.backfill.pages import Backfill, Page, Period, VendorApi, VendorPayload, VendorRefusedError
from streams.sources.backfill.runner import Import, ImportProgress, ImportReport
from streams.sources.contact_events import ContactEvents
from tests.kafka.server import KafkaServer
from tests.streams.flow import read_all
from tests.streams.sources.backfill.test_http_api import serving
from tests.streams.sources.consumed import consumed

PAGES: Final = 5


def _ticket(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a ticket that lacks its queue, which the vendor must be asked for."""
    ticket = orjson.loads(payload.body)["ticket"]
    request = Request(f"/tickets/{ticket}")
    if request not in answers:
        return Mapped(requests=(request,))
    if "queue" not in answers[request]:
        raise UnmappableError("queue", "is missing")
    made = ContactEvents(account, ticket, "email", queue=answers[request]["queue"])
    made.add("contact.queued", "2026-03-01T08:00:00Z", "queued")
    return Mapped(tuple(made.events))


DESK: Final = Adapter("zammad", "Desk", {"ticket": _ticket}, {})


async def _backfill(
    account: Account, api: VendorApi, period: Period, position: Mapping[str, Any] | None, /
) -> AsyncIterator[Page]:
    """Yield pages of two tickets each."""
    del account, period
    for number in range((position or {"page": 0})["page"], PAGES):
        listed = await api.get(Request("/tickets", (("page", str(number)),)))
        payloads = tuple(
            VendorPayload("ticket", orjson.dumps({"ticket": each}), f"ticket {each}") for each in listed["ids"]
        )
        yield Page(payloads, {"page": number + 1}, (number + 1) / PAGES)


BACKFILL: Final[Backfill] = _backfill


@pytest.fixture
def settings(fresh_kafka: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings for a broker with topics; the desk has the back-fill above."""
    fresh_kafka.with_topics()
    monkeypatch.setattr(runner, "backfill_of", lambda _account: BACKFILL)
    return load_settings(fresh_kafka.settings_env())


def desk(url: str) -> Account:
    """Make the account of a desk."""
    nobody = SecretStr("")
    entry = SourceEntry.model_validate(
        {"source": "zammad", "account": "acme", "url": url, "token_env": "DESK_TOKEN", "requests_per_minute": 100_000}
    )
    return Account("zammad", "acme", AccountRules("zammad", "acme"), (), nobody, nobody, nobody, entry, Path())


def answer_of(request: web.Request) -> web.Response:
    """Answer as the desk: ticket 7 is gone, ticket 3 has no queue."""
    if request.path == "/tickets":
        page = int(request.query["page"])
        return web.json_response({"ids": [2 * page, 2 * page + 1]})
    number = int(request.path.rsplit("/", 1)[1])
    if number == 7:
        return web.Response(status=404)
    return web.json_response({} if number == 3 else {"queue": "support"})


async def imported(
    settings: Settings, url: str, period: Period, *, again: bool = False
) -> tuple[ImportReport, list[ImportProgress]]:
    """Import; give the report, and what was told on the way."""
    told: list[ImportProgress] = []
    run = Import(settings, DESK, desk(url), period=period, again=again)
    run.on_progress = told.append
    return await run.run(), told


async def test_pages_of_an_api(settings: Settings) -> None:
    """All pages are sent; what a payload lacks is fetched; what cannot be had is a dead letter."""
    async with serving(answer_of) as (url, _):
        report, told = await imported(settings, url, Period(1, None))
    assert (report.payloads, report.events, report.dead_letters, report.finished) == (10, 8, 2, True)
    assert [each.done for each in told] == [0.2, 0.4, 0.6, 0.8, 1.0]
    found = await asyncio.to_thread(consumed, settings.kafka_brokers, 8)
    assert {record.key for record in found} == {b"zammad:acme:%d" % each for each in range(10) if each not in {3, 7}}
    letters = {
        dict(each.headers())["pulssi-where"]: dict(each.headers())["pulssi-reason"]
        for each in await asyncio.to_thread(read_all, settings)
    }
    assert letters == {
        b"ticket 3": b"queue: is missing",
        b"ticket 7": b"/tickets/7 cannot be fetched: the vendor answers 404: there is no /tickets/7:"
        b" if it was not deleted, check `url`",
    }


async def test_a_position_belongs_to_its_period(settings: Settings) -> None:
    """The same period goes on where it was, another one begins, as does the same one when asked to."""
    async with serving(answer_of) as (url, came):
        await imported(settings, url, Period(1, 2))
        asked = len(came)
        again, _ = await imported(settings, url, Period(1, 2))
        assert (again.payloads, len(came)) == (0, asked)
        other, _ = await imported(settings, url, Period(1, 3))
        assert other.payloads == 10
        whole, _ = await imported(settings, url, Period(1, 2), again=True)
        assert whole.payloads == 10


async def test_several_files_are_one_way(settings: Settings, tmp_path: Path) -> None:
    """What is done of several files grows from 0 to 1 over all of them, by their sizes."""
    files = []
    for name, count in (("a.ndjson", 10), ("b.ndjson", 30)):
        (tmp_path / name).write_bytes(b'{"ticket": 1}\n' * count)
        files.append(FilePages(str(tmp_path / name), "ticket"))
    told: list[ImportProgress] = []
    async with serving(answer_of) as (url, _):
        run = Import(settings, DESK, desk(url), files=files)
        run.on_progress = told.append
        report = await run.run()
    assert report.payloads == 40
    assert [(each.what, each.done) for each in told] == [("a.ndjson", 0.25), ("b.ndjson", 1.0)]


async def test_a_vendor_that_says_no_ends_it(settings: Settings) -> None:
    """A token that is not accepted is told once, and nothing is kept as a dead letter."""

    def refused(request: web.Request) -> web.Response:
        return web.Response(status=401) if request.path == "/tickets/2" else answer_of(request)

    async with serving(refused) as (url, _):
        with pytest.raises(VendorRefusedError, match="check DESK_TOKEN of zammad/acme"):
            await imported(settings, url, Period(None, None))
    async with serving(answer_of) as (url, _):
        report, _ = await imported(settings, url, Period(None, None))
    assert report.events == 8
    assert {record.key for record in await asyncio.to_thread(consumed, settings.kafka_brokers, 8, or_more=True)} == {
        b"zammad:acme:%d" % each for each in range(10) if each not in {3, 7}
    }
