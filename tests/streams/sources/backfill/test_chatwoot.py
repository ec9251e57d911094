"""The import from Chatwoot: all of the past, what the hooks tell too, and on from any page."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import pytest

from streams.core.fold import FoldResult
from streams.sources.accounts import Account
from streams.sources.backfill import chatwoot
from streams.sources.backfill.pages import Page, Period
from tests.streams.sources.backfill.chatwoot_server import PAGE, ChatwootServer
from tests.streams.sources.backfill.limited_api import PlainApi, served
from tests.streams.sources.vendor_folds import Told, events_of, folded, state_of
from tests.streams.sources.vendors.chatwoot_day import ConversationDay
from tests.streams.sources.vendors.test_chatwoot import account, conversations

ALL: Final = Period(None, None)
#: After everything of the made day.
LATER: Final = int(datetime(2029, 6, 1, tzinfo=UTC).timestamp() * 1000)
#: What messages and reporting events tell: not which queue, priority or labels a conversation had in between.
TOLD: Final = ("offered", "first_response", "next_response", "nudges", "replies", "resolution", "reopened", "rated")
#: What has one id and one form in both.
FACTS: Final = {"message.sent", "contact.started", "contact.queued"}


@pytest.fixture(autouse=True)
def _later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chatwoot, "now_ms", lambda: LATER)


def some() -> list[ConversationDay]:
    """Give some of the day's conversations."""
    return conversations("chat", "email")[:160]


async def pages(api: PlainApi, period: Period = ALL, position: Mapping[str, Any] | None = None) -> list[Page]:
    """Read all pages; the entry of sources.toml is not needed for it."""
    entry: Any = None
    known: Account = entry
    return [page async for page in chatwoot.BACKFILL(known, api, period, position)]


def told(found: list[Page]) -> list[Told]:
    """Give the payloads of pages."""
    return [Told(each.form, orjson.loads(each.body)) for page in found for each in page.payloads]


def rows(result: FoldResult) -> list[tuple[str, int, int | None, int | None]]:
    """Take from samples what the import tells alike."""
    samples = [sample for sample in result.samples if sample.sample in TOLD]
    return sorted((each.sample, each.at, each.value_ms, each.value) for each in samples)


@pytest.mark.parametrize("sorts", [True, False])
async def test_all_of_the_past_is_what_the_hooks_have_told(sorts: bool) -> None:  # noqa: FBT001 - two servers
    """Resolved conversations too; beside the hooks in any order nothing is counted twice."""
    made = some()
    async with served(ChatwootServer(made, sorts=sorts).routes()) as api:
        found = await pages(api)
    imported = events_of("chatwoot", told(found), account())
    hooks = events_of("chatwoot", [each for one in made for each in one.hooks()], account())
    live, past = folded(hooks), folded(imported)
    assert set(past) == set(live)
    by_id = {(event["contact_id"], event["event_id"]): event for event in hooks}
    shared = [event for event in imported if (event["contact_id"], event["event_id"]) in by_id]
    assert all(by_id[event["contact_id"], event["event_id"]] == event for event in shared if event["type"] in FACTS)
    assert {event["type"] for event in shared} >= FACTS
    both = [*hooks, *imported]
    random.Random(1).shuffle(both)  # noqa: S311 - no secret
    united = folded(both)
    for contact, result in live.items():
        assert rows(past[contact]) == rows(result), contact
        assert rows(united[contact]) == rows(result), contact
        ends = ("queue", "tags", "open", "replies", "reopens")
        assert [state_of(past[contact])[name] for name in ends] == [state_of(result)[name] for name in ends]
        entered = [len([s for s in one.samples if s.sample == "entered"]) for one in (united[contact], result)]
        assert entered[0] == entered[1], contact


async def test_nothing_that_people_wrote_is_passed_on() -> None:
    """No text, no name; of people their ids."""
    async with served(ChatwootServer(some()).routes()) as api:
        found = await pages(api)
    assert not any(b"secret" in each.body or b'"name":"X"' in each.body for page in found for each in page.payloads)


async def test_without_reporting_events_a_resolution_is_as_of_the_last_update() -> None:
    """Other editions refuse them: that is asked once, and the state in the end is right all the same."""
    made = some()
    async with served(ChatwootServer(made, enterprise=False).routes()) as api:
        past = folded(events_of("chatwoot", told(await pages(api)), account()))
        assert len([path for path in api.asked if path.endswith("reporting_events")]) <= 2
    live = folded(events_of("chatwoot", [each for one in made for each in one.hooks()], account()))
    assert {contact: state_of(result)["open"] for contact, result in past.items()} == {
        contact: state_of(result)["open"] for contact, result in live.items()
    }


async def test_it_goes_on_from_any_page() -> None:
    """Begun again behind each page it reads the rest, and nothing of what was before."""
    async with served(ChatwootServer(some()).routes()) as api:
        whole = await pages(api)
        assert len(whole) > 8
        for read in range(len(whole) - 2):
            rest = await pages(api, position=whole[read].position)
            assert [page.payloads for page in rest] == [page.payloads for page in whole[read + 1 :]]


async def test_a_conversation_that_moves_while_it_is_read_is_not_lost() -> None:
    """An old server lists by activity: one that moves to a page that was read is found at the end."""
    made = some()
    server = ChatwootServer(made, sorts=False)
    last = min(server.rows.values(), key=lambda row: row["last_activity_at"])
    server.moves[3] = (last["id"], LATER // 1000 + 60)
    async with served(server.routes()) as api:
        found = told(await pages(api))
    read = {each.body["conversation"]["id"] for each in found if each.form == "conversation"}
    assert read == {one.number for one in made}
    assert len(made) > 4 * PAGE


async def test_a_period_passes_over_what_was_not_active_in_it() -> None:
    """Conversations with activity since its beginning are read whole, up to its end."""
    made = some()
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    end = datetime(2027, 6, 1, tzinfo=UTC)
    period = Period(int(begin.timestamp() * 1000), int(end.timestamp() * 1000))
    async with served(ChatwootServer(made).routes()) as api:
        found = told(await pages(api, period))
    shown = [each.body["conversation"] for each in found if each.form == "conversation"]
    assert 0 < len(shown) < len(made)
    assert all(row["last_activity_at"] >= begin.timestamp() > 0 for row in shown)
    sent = [each.body["message"]["created_at"] for each in found if each.form == "message"]
    assert max(sent) < end.timestamp()


async def test_messages_whose_times_are_in_another_order_than_their_ids() -> None:
    """`after` gives the earliest of those with a greater id: none is lost where imported ones are mixed in."""
    (one,) = conversations("email")[:1]
    template = one.messages[0]
    one.messages = [{**template, "id": number, "created_at": 1_772_400_000 + number} for number in range(1, 251)]
    one.messages[200] = {**one.messages[200], "created_at": 1_772_300_000}
    async with served(ChatwootServer([one]).routes()) as api:
        found = [each for each in told(await pages(api)) if each.form == "message"]
    assert sorted(each.body["message"]["id"] for each in found) == list(range(1, 251))


async def test_a_deleted_conversation_s_answer_is_passed_over() -> None:
    """Its rating has nobody to belong to."""
    made = some()
    rated = next(one for one in made if one.answers)
    server = ChatwootServer(made)
    del server.rows[rated.number]
    async with served(server.routes()) as api:
        found = [each for each in told(await pages(api)) if each.form == "csat"]
    assert rated.number not in {each.body["csat"]["conversation_id"] for each in found}
    assert found
