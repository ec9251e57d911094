"""giosg: webhooks in any order and again give the same events; rooms are states; the access token is nowhere kept."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from streams.sources.accounts import Account, load_accounts
from streams.sources.adapter import Payload, Request
from streams.sources.backfill.http_api import HttpApi
from streams.sources.checked_events import Outcome, map_payload
from streams.sources.following.follower import FollowError
from streams.sources.following.giosg import FOLLOWER
from streams.sources.registry import adapter_of
from tests.streams.sources.golden_cases import account_rules
from tests.streams.sources.vendors import made_day
from tests.streams.sources.vendors.made_day import Event

CHAT: Final = "c-1"
ROOM: Final = "r-1"
CHATS: Final = "/api/v5/orgs/o/owned_chats"
ADAPTER: Final = adapter_of("giosg")
ACCOUNT: Final = account_rules("giosg", {"queues": {ROOM: "web-chat"}, "bots": ["u-bot"]})

#: The chat as giosg shows it, from its begin to its end.
STATES: Final[list[dict[str, Any]]] = [
    {
        "id": CHAT,
        "chat_type": "visitor",
        "room_id": ROOM,
        "created_at": "2026-03-01T08:00:00",
        "is_autosuggested": False,
    },
    {"waiting_started_at": "2026-03-01T08:00:02", "user_message_count": 0, "visitor_message_count": 1},
    {"user_message_count": 2, "visitor_message_count": 3},
    {"ended_at": "2026-03-01T08:10:00", "is_ended": True},
]


def chat_at(state: int) -> dict[str, Any]:
    """Give the whole chat as it is at a state."""
    whole: dict[str, Any] = {"ended_at": None, "waiting_started_at": None, "user_message_count": 0}
    for change in STATES[: state + 1]:
        whole |= change
    return whole


def mapped(state: int, answered_at: int) -> Outcome:
    """Map the webhook of a change; giosg is asked for the chat when it is in another state already."""
    action = "added" if state == 0 else "changed"
    resource = chat_at(0) if state == 0 else STATES[state]
    body = {"channel": CHATS, "action": action, "resource_id": CHAT, "resource": resource, "app_user_auth": {"x": "t"}}
    answers = {Request(f"{CHATS}/{CHAT}"): chat_at(answered_at)}
    return map_payload(ADAPTER, "hook", Payload(orjson.dumps(body)), ACCOUNT, answers)


@given(st.permutations(range(len(STATES))), st.integers(0, len(STATES) - 1))
def test_any_order_and_the_last_alone(order: list[int], late_by: int) -> None:
    """However the changes come, and however late giosg is asked, the events are the same; the last alone gives all."""
    events: dict[str, bytes] = {}
    for state in order:
        for record in mapped(state, min(state + late_by, len(STATES) - 1)).records:
            name = orjson.loads(record.value)["event_id"]
            assert events.setdefault(name, record.value) == record.value
    last = {
        orjson.loads(each.value)["event_id"]: each.value for each in mapped(len(STATES) - 1, len(STATES) - 1).records
    }
    assert events == last
    assert [orjson.loads(value)["type"] for value in last.values()] == [
        *("contact.started", "contact.queued", "contact.resolved"),
    ]


@pytest.mark.parametrize("room", [None, "", ROOM])
def test_a_message_without_a_room_moves_the_chat_nowhere(room: str | None) -> None:
    """The account's own queue is for chats that name none, and not for messages of chats that have one."""
    message = {"id": "m-1", "chat_id": CHAT, "type": "msg", "sender_type": "visitor", "sender_id": "v-1"}
    body = json.dumps({**message, "created_at": "2026-03-01T08:00:03", "room_id": room}).encode()
    records = map_payload(ADAPTER, "message", Payload(body), ACCOUNT._replace(queue="other")).records
    assert [orjson.loads(each.value).get("queue") for each in records] == ["web-chat" if room else None]


ROOMS: Final = [
    {
        "id": ROOM,
        "name": "Shop",
        "currently_open_chats": 4,
        "free_capacity": 2,
        "waiting_chats": 3,
        "max_wait_time": 41.5,
    },
    {"id": "r-2", "name": "Support", "currently_open_chats": 0, "waiting_chats": 0, "max_wait_time": None},
]


@pytest.mark.parametrize("wrapped", ["results", "rooms"])
def test_rooms_are_states_of_queues(wrapped: str) -> None:
    """Rooms have the names of queues, by their id; what giosg does not tell is not made up."""
    states = map_payload(ADAPTER, "rooms", Payload(orjson.dumps({wrapped: ROOMS})), ACCOUNT).states
    assert [(each.queue, each.waiting, each.longest_wait_ms, each.handling, each.free_slots) for each in states] == [
        ("web-chat", 3, 41_500, 4, 2),
        ("r-2", 0, None, 0, None),
    ]


def test_the_access_token_is_named_as_a_secret() -> None:
    """What is kept of a payload is kept without it."""
    assert "app_user_auth" in ADAPTER.secret_keys


@pytest.fixture
async def giosg() -> AsyncIterator[BaseTestServer]:
    """Answer as giosg does: the rooms to who has the key, 401 to others."""

    async def rooms(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Token k3y":
            return web.json_response({"detail": "Invalid token."}, status=401)
        assert request.query["timezone"] == "UTC"
        return web.json_response(ROOMS)

    app = web.Application()
    app.router.add_get("/api/v4/reporting/realtime/rooms", rooms)
    async with TestServer(app) as server:
        yield server


def account_of(folder: Path, url: str, token: str) -> Account:
    """Read an account as an operator writes it."""
    written = {"source": "giosg", "account": "acme", "url": url, "token_env": "GIOSG"}
    lines = "\n".join(f"{name} = {json.dumps(value)}" for name, value in written.items())
    (folder / "sources.toml").write_text(f"[[source]]\n{lines}\n", encoding="utf-8")
    (account,) = load_accounts(folder, {"GIOSG": token})
    return account


async def test_rooms_are_followed(giosg: BaseTestServer, tmp_path: Path) -> None:
    """A page has the rooms as they are; a token that has died is told with what to do."""
    account = account_of(tmp_path, str(giosg.make_url("")), "k3y")
    async with HttpApi(account) as api:
        pages = FOLLOWER(account, api, None)
        page = await anext(pages)
    assert page.payloads[0].form == "rooms"
    assert len(map_payload(ADAPTER, "rooms", Payload(page.payloads[0].body), ACCOUNT).states) == 2
    dead = account._replace(token=SecretStr("gone"))
    async with HttpApi(dead) as api:
        with pytest.raises(FollowError, match="make a new one"):
            await anext(FOLLOWER(dead, api, None))


#: What giosg tells exactly. It does not tell when a visitor left, nor tags, wrap-up and transfers.
SAMPLES: Final = ("offered", "entered", "queue_wait", "first_response", "next_response", "nudges", "replies")


def webhooks(chat: str, events: list[Event]) -> list[tuple[str, Any]]:
    """Tell a simulated chat by webhooks: the chat as it is in the end, and each message."""
    queue = next(each["queue"] for each in events if each["type"] == "contact.queued")
    times = {each["type"]: each["occurred_at"] for each in reversed(events)}
    answered = sum(each["type"] == "message.sent" and each["author"] == "agent" for each in events)
    whole = {
        "id": chat,
        "chat_type": "visitor",
        "room_id": queue,
        "is_autosuggested": False,
        "created_at": times["contact.started"],
        "waiting_started_at": times["contact.queued"],
        "ended_at": times.get("contact.resolved"),
        "user_message_count": answered,
        "visitor_message_count": 1,
    }
    told = [(CHATS, whole["id"], whole)]
    for number, event in enumerate(events):
        kind = {"contact.connected": "join", "contact.disconnected": "leave", "message.sent": "msg"}.get(event["type"])
        if kind is None:
            continue
        author = event.get("author", "agent")
        if event.get("automatic") or author == "system":
            kind = "autosuggest"
        message = {
            "id": f"{chat}-{number}",
            "type": kind,
            "chat_id": chat,
            "room_id": queue,
            "created_at": event["occurred_at"],
            "sender_type": "visitor" if author == "customer" else "user",
            "sender_id": {"customer": "v-1", "bot": "u-bot"}.get(author, event.get("agent_id", "u-1")),
        }
        told.append((f"{CHATS}/*/messages", message["id"], message))
    return [
        ("hook", {"channel": channel, "action": "added", "resource_id": resource_id, "resource": resource})
        for channel, resource_id, resource in told
    ]


def test_a_made_day() -> None:
    """A simulated day of chats, told by webhooks, gives the same samples within what giosg tells."""
    without = ("contact.transferred", "contact.abandoned", "contact.reopened", "contact.discarded")
    day = {
        chat: events
        for chat, events in made_day.contacts("chat", without).items()
        if sum(each["type"] == "contact.queued" for each in events) == 1
    }
    assert len(day) > 20
    told = [event for events in day.values() for event in events]
    by_webhooks = [payload for chat, events in day.items() for payload in webhooks(chat, events)]
    account = account_rules("giosg", {"bots": ["u-bot"]})
    assert made_day.rows(made_day.mapped(ADAPTER, account, by_webhooks), SAMPLES) == made_day.rows(told, SAMPLES)
