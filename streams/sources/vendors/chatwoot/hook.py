"""Chatwoot's hooks: conversations as they are now, and messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from streams.sources.adapter import AccountRules, Mapped, Payload, Request, UnmappableError
from streams.sources.vendor_values import (
    JsonObject,
    json_object,
    list_at,
    object_at,
    optional_text_at,
    text_at,
    value_at,
)
from streams.sources.vendors.chatwoot.conversation import (
    TEAM_KEY,
    Conversation,
    as_of,
    conversation_facts,
    inbox_queue_of,
    left_out,
    queue_of,
    whole_second,
)
from streams.sources.vendors.chatwoot.message import begins_outreach, tell_message, tell_rating

_CONVERSATIONS: Final = frozenset(
    {
        *("conversation_created", "conversation_updated", "conversation_status_changed"),
        *("conversation_opened", "conversation_resolved"),
    }
)
_MESSAGES: Final = frozenset({"message_created", "message_updated"})
_NOTHING: Final = {
    "contact_created": "a person, not a conversation",
    "contact_updated": "a person, not a conversation",
    "conversation_typing_on": "somebody types",
    "conversation_typing_off": "somebody has stopped typing",
    "inbox_created": "an inbox was set up",
    "inbox_updated": "an inbox was set up",
    "webwidget_triggered": "somebody has opened the widget, and written nothing",
}
#: What other hooks of Chatwoot's send, which repeat those of the account.
_OTHERS: Final = ("automation_event.", "macro.")
#: A conversation is created with its first message.
_WITH_FIRST_MESSAGE_S: Final = 1


def map_hook(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a hook."""
    del answers
    body = json_object(payload.body)
    event = text_at(body, "event")
    if event in _NOTHING:
        return Mapped(nothing=f"{event}: {_NOTHING[event]}")
    if event.startswith(_OTHERS):
        return Mapped(nothing=f"{event[:64]}: a rule's own hook; the account's hooks tell the same")
    if event in _CONVERSATIONS:
        reason = left_out(body, "", account)
        return Mapped(() if reason else _conversation(event, body, account), nothing=reason)
    if event in _MESSAGES:
        reason = left_out(body, "conversation", account)
        return Mapped(nothing=reason) if reason else _message(body, account)
    raise UnmappableError("event", f"is {event[:64]!r}, which is not known")


def _conversation(event: str, body: JsonObject, account: AccountRules) -> tuple[Any, ...]:
    conversation = Conversation(conversation_facts(body, "", account), account)
    queue = queue_of(body, "", account)
    at = as_of(body, "")
    if event == "conversation_created":
        created = whole_second(value_at(body, "created_at"), "created_at")
        outreach = _is_outreach(body, created)
        conversation.started(created, outreach=outreach)
        # Pending is with a bot, and waits for no human.
        if not outreach and optional_text_at(body, "status") == "open":
            conversation.queued(created, inbox_queue_of(body, "", account))
            if queue != inbox_queue_of(body, "", account):
                conversation.queued(at, queue)
    elif _is_handed_over(body) or (_has_other_team(body) and any(key.startswith(TEAM_KEY) for key in account.queues)):
        conversation.queued(at, queue)
    conversation.state(body, "", at, queue)
    return conversation.events


def _is_outreach(body: JsonObject, created: str) -> bool:
    """Tell whether an agent wrote first; whoever answers a second later was only quick."""
    messages = list_at(body, "messages")
    if not messages:
        return False
    first = {"messages": messages[0]}
    sent = whole_second(value_at(first, "messages.created_at"), "messages.0.created_at")
    apart = (datetime.fromisoformat(sent) - datetime.fromisoformat(created)).total_seconds()
    return begins_outreach(first, "messages") and apart <= _WITH_FIRST_MESSAGE_S


def _changes(body: JsonObject) -> Mapping[str, Any]:
    """Give what an update changed, each as {previous_value, current_value}: a list of objects of one key each."""
    found = body.get("changed_attributes")
    if isinstance(found, dict):
        return found
    return {
        key: value
        for each in list_at(body, "changed_attributes")
        if isinstance(each, dict)
        for key, value in each.items()
    }


def _is_handed_over(body: JsonObject) -> bool:
    """Tell whether a bot has passed it on to humans."""
    change = _changes(body).get("status")
    told = (value_at(change, "previous_value"), value_at(change, "current_value"))
    return told == ("pending", "open") and body.get("status") == "open"


def _has_other_team(body: JsonObject) -> bool:
    return "team_id" in _changes(body) and body.get("status") == "open"


def _message(body: JsonObject, account: AccountRules) -> Mapped:
    object_at(body, "conversation")
    conversation = Conversation(conversation_facts(body, "conversation", account), account)
    reason = tell_message(conversation, body, "", account)
    if not reason:
        tell_rating(conversation, body, "", "conversation")
    return Mapped(conversation.events, nothing=reason)
