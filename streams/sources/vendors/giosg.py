"""giosg: webhooks of chats and messages, in the shapes of giosg's own public samples (demo-bot, chat connectivity).

A webhook names its channel, an action and a resource: `added` has the whole resource, `changed` only the fields that
changed. There is no event id, no time and no signature; the address holds a secret. The body carries a live access
token, which is taken out before anything is kept. Times come without a zone and are UTC.

Whenever a chat changes, all of it is mapped again, and the same fact has the same id. giosg treats bots as users, so
`bots` of the account names them.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from pydantic import ValidationError

from schemas.source_gauges import QueueState
from streams.sources.adapter import (
    FULL,
    AccountRules,
    Adapter,
    Feed,
    Hook,
    Mapped,
    Payload,
    Request,
    UnmappableError,
)
from streams.sources.contact_events import ContactEvents
from streams.sources.pseudonyms import pseudonym
from streams.sources.signatures import SharedSecret
from streams.sources.vendor_values import (
    Json,
    JsonObject,
    json_object,
    list_at,
    number_at,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)

#: `/api/v5/orgs/{org}/owned_chats`, `/api/v5/users/{user}/routed_chats`; of messages with `/*/messages` behind.
_CHANNEL: Final = re.compile(
    r"/api/v5/(?:orgs|users)/(?P<owner>[^/]+)/(?P<list>owned_chats|routed_chats)"
    r"(?:/(?P<chat>[^/]+)(?P<messages>/messages)?)?/?"
)
#: Of chats that customers begin; giosg's `task`, `operator` and `group` chats are between its users.
_CUSTOMERS: Final = frozenset({"visitor", "external"})
#: Messages that are no talk and no coming or going.
_OTHER_MESSAGES: Final = frozenset({"action", "shoppingcart_locked", "shoppingcart_unlocked"})
#: What must be known of a chat before its state can be told.
_CHAT_FIELDS: Final = ("chat_type", "created_at", "room_id")
_ENDED_FIELDS: Final = ("user_message_count", "visitor_message_count")


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a webhook."""
    body = json_object(payload.body)
    channel, action = text_at(body, "channel"), text_at(body, "action")
    found = _CHANNEL.fullmatch(channel)
    if found is None:
        raise UnmappableError("channel", "is none of owned_chats, routed_chats and their messages")
    if action not in {"added", "changed", "removed"}:
        raise UnmappableError("action", "must be added, changed or removed")
    if action == "removed":
        return Mapped(nothing="removed: giosg no longer shows it; what happened stays true")
    resource, resource_id = object_at(body, "resource"), text_at(body, "resource_id")
    if found["messages"]:
        if action == "changed":
            return Mapped(nothing="a message changed: what counts of it was told when it was added")
        return map_message(resource, resource_id, account)
    return _map_chat(resource, resource_id, account, answers, _chat_request(found["owner"], found["list"], resource_id))


def _chat_request(owner: str, kind: str, chat: str) -> Request | None:
    """Name what gives the whole chat; a list of a user's routed chats has none that is documented."""
    return Request(f"/api/v5/orgs/{owner}/owned_chats/{chat}") if kind == "owned_chats" else None


def _map_chat(
    changes: JsonObject,
    chat_id: str,
    account: AccountRules,
    answers: Mapping[Request, Any],
    request: Request | None,
) -> Mapped:
    needed = (*_CHAT_FIELDS, *(_ENDED_FIELDS if changes.get("ended_at") else ()))
    if not any(changes.get(name) for name in ("created_at", "waiting_started_at", "ended_at", "is_ended")):
        return Mapped(nothing="a chat changed in nothing that counts")
    chat = changes
    lacking = [name for name in needed if changes.get(name) is None]
    if lacking and request is None:
        raise UnmappableError(
            f"resource.{lacking[0]}", "is missing: subscribe to owned_chats, which giosg can be asked for"
        )
    if lacking and request is not None:
        if request not in answers:
            return Mapped(requests=(request,))
        if not isinstance(answers[request], dict):
            raise UnmappableError("resource", "giosg's answer for the chat is no object")
        # The answer is newer than the change, unless giosg's API lags behind its webhooks.
        chat = {**changes, **{name: value for name, value in answers[request].items() if value is not None}}
    return map_chat(chat, chat_id, account)


def map_chat(chat: JsonObject, chat_id: str, account: AccountRules) -> Mapped:
    """Map the whole of a chat, from a webhook, a list or an answer."""
    kind = text_at(chat, "chat_type")
    if kind not in _CUSTOMERS:
        return Mapped(nothing=f"a chat of the type {_known_word(kind)} is not a customer's")
    made = _contact(chat_id, chat, account)
    unasked = chat.get("is_autosuggested") is True
    made.add(
        "contact.started",
        time_at(chat, "created_at", UTC),
        "chat:started",
        direction="outbound" if unasked else None,
        initiated_by="system" if unasked else None,
    )
    waiting = optional_text_at(chat, "waiting_started_at")
    queue = account.queue_named(optional_text_at(chat, "room_id"))
    if waiting and queue:
        at = time_at(chat, "waiting_started_at", UTC)
        made.add("contact.queued", at, "chat:waiting", at)
    if optional_text_at(chat, "ended_at"):
        at = time_at(chat, "ended_at", UTC)
        unanswered = number_at(chat, "user_message_count") == 0
        # An abandonment first: it ends the wait, and the chat is over all the same.
        if unanswered:
            made.add("contact.abandoned", at, "chat:abandoned", at)
        made.add("contact.resolved", at, "chat:ended", at)
    return Mapped(tuple(made.events))


def map_message(message: JsonObject, message_id: str, account: AccountRules) -> Mapped:
    """Map one message of a chat: talk, or somebody who comes or goes."""
    kind = text_at(message, "type")
    if kind in _OTHER_MESSAGES:
        return Mapped(nothing=f"{kind}: no message of a person")
    made = _contact(text_at(message, "chat_id"), message, account)
    at, sender = time_at(message, "created_at", UTC), optional_text_at(message, "sender_id")
    sender_type = text_at(message, "sender_type")
    if sender_type not in {"user", "visitor"}:
        raise UnmappableError("resource.sender_type", "must be user or visitor")
    is_bot = sender in account.bots
    agent = account.agent_id(sender) if sender_type == "user" and sender and not is_bot else None
    if kind in {"join", "leave"}:
        if agent is None:
            return Mapped(nothing=f"{kind} of a {'bot' if is_bot else 'visitor'}")
        made.add(
            "contact.connected" if kind == "join" else "contact.disconnected", at, "message", message_id, agent_id=agent
        )
        return Mapped(tuple(made.events))
    if kind not in {"msg", "autosuggest"}:
        raise UnmappableError("resource.type", "is a type of message that is not known here")
    if sender_type == "user" and not sender:
        raise UnmappableError("resource.sender_id", "is missing")
    author = "customer" if sender_type == "visitor" else "bot" if is_bot else "agent"
    if kind == "autosuggest":
        made.add("message.sent", at, "message", message_id, author="system", automatic=True)
    else:
        made.add("message.sent", at, "message", message_id, author=author, agent_id=agent)
    return Mapped(tuple(made.events))


def _contact(chat_id: str, resource: JsonObject, account: AccountRules) -> ContactEvents:
    visitor = value_at(resource, "visitor_id") or _visitor_of(resource)
    customer = pseudonym(account.pseudonym_key, str(visitor)) if isinstance(visitor, str | int) else ""
    # What names no room, as a message may, leaves the chat in the queue that it is in.
    room = optional_text_at(resource, "room_id")
    queue = account.queue_named(room) if room else ""
    return ContactEvents(account, chat_id, account.channel or "chat", queue=queue, customer_id=customer)


def _visitor_of(resource: JsonObject) -> Json:
    return resource.get("sender_id") if resource.get("sender_type") == "visitor" else None


def _known_word(kind: str) -> str:
    return kind if kind in {"task", "operator", "group"} else "that is not known"


def map_chat_row(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map a row of a list of chats."""
    chat = json_object(payload.body)
    return map_chat(chat, text_at(chat, "id"), account)


def map_message_row(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map a row of a list of messages."""
    message = json_object(payload.body)
    return map_message(message, text_at(message, "id"), account)


def map_rooms(payload: Payload, account: AccountRules, _answers: Mapping[Request, Any]) -> Mapped:
    """Map the answer of `/api/v4/reporting/realtime/rooms`: the state of each room now."""
    body = json_object(payload.body)
    rooms = list_at(body, "results") if "results" in body else list_at(body, "rooms")
    states = [_room_state(room, account) for room in rooms]
    return Mapped(states=tuple(states), nothing="" if states else "there is no room")


def _room_state(room: Json, account: AccountRules) -> QueueState:
    queue = account.queue_named(
        optional_text_at(room, "name"), optional_text_at(room, "id") or optional_text_at(room, "room_id")
    )
    wait_s = room.get("max_wait_time") if isinstance(room, dict) else None
    try:
        return QueueState(
            queue=queue,
            channel="chat",
            waiting=_count(room, "waiting_chats"),
            longest_wait_ms=None if wait_s is None else round(number_at(room, "max_wait_time") * 1000),
            handling=_count(room, "currently_open_chats"),
            free_slots=_count(room, "free_capacity"),
        )
    except ValidationError as error:
        raise UnmappableError(str(error.errors()[0]["loc"][0]), "of a room is not what giosg documents") from None


def _count(room: Json, field: str) -> int | None:
    return None if value_at(room, field) is None else round(number_at(room, field))


#: giosg tells when a user joins and leaves a chat, and no time of wrap-up.
_JOINED: Final = Feed("part", "from joining a chat to leaving it; no wrap-up")

ADAPTER: Final = Adapter(
    name="giosg",
    title="giosg",
    forms={"hook": map_hook, "chat": map_chat_row, "message": map_message_row, "rooms": map_rooms},
    feeds={
        "offered": FULL,
        "entered": FULL,
        "queue_wait": FULL,
        "first_response": FULL,
        "next_response": FULL,
        "nudges": FULL,
        "slow": FULL,
        "replies": FULL,
        "abandoned": Feed("part", "a chat that ended without a message of a user, at its end"),
        "handle": _JOINED,
        "talk": _JOINED,
        "resolution": Feed("part", "a chat ends once; there is no reopening"),
        "untagged_resolved": Feed("part", "giosg's webhooks have no tags, so every chat counts as untagged"),
        "bot_contained": Feed("part", "where `bots` names the users that are bots"),
    },
    hook=Hook(SharedSecret(), timeout_s=5.0),
    gauges={
        "waiting": FULL,
        "longest_wait_ms": FULL,
        "handling": FULL,
        "free_slots": Feed("part", "e-mails are among what users are busy with"),
    },
    secret_keys=frozenset({"app_user_auth", "access_token", "authorization"}),
)
