"""Rows of Chatwoot's API, as the import reads them; each beside its conversation.

    conversation:    {"conversation": {…}, "first_message": {…} or null, "bot_first": true | false}
    message:         {"message": {…}, "conversation": {…}}
    reporting_event: {"event": {…}, "conversation": {…}}
    csat:            {"csat": {…}, "conversation": {…}}

A reporting event names its conversation by an internal id, which no hook knows: it is never read. The import asks for
the reporting events of one conversation at a time, and puts that conversation beside them.
"""

from collections.abc import Mapping
from typing import Any, Final

from streams.sources.adapter import AccountRules, Mapped, Payload, Request, UnmappableError
from streams.sources.vendor_values import (
    JsonObject,
    json_object,
    object_at,
    optional_text_at,
    text_at,
    time_at,
    value_at,
)
from streams.sources.vendors.chatwoot.conversation import (
    Conversation,
    as_of,
    conversation_facts,
    inbox_queue_of,
    queue_of,
    whole_second,
)
from streams.sources.vendors.chatwoot.message import begins_outreach, tell_message

_STATUS_OF: Final = {"conversation_resolved": "resolved", "conversation_opened": "open"}
_HANDED_OFF: Final = "conversation_bot_handoff"
#: What its messages, or the resolution beside it, tell too.
_REPEATS: Final = frozenset(
    {
        *("first_response", "reply_time", "conversation_bot_resolved", "agent_participation"),
        *("conversation_captain_inference_resolved", "conversation_captain_inference_handoff"),
    }
)


def map_conversation(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a conversation as it is now."""
    del answers
    body = json_object(payload.body)
    conversation = _of(body, account)
    created = whole_second(value_at(body, "conversation.created_at"), "conversation.created_at")
    first = value_at(body, "first_message")
    outreach = first is not None and begins_outreach(body, "first_message")
    conversation.started(created, outreach=outreach)
    if not outreach and value_at(body, "bot_first") is False:
        conversation.queued(created, inbox_queue_of(body, "conversation", account))
    queue = queue_of(body, "conversation", account)
    conversation.state(body, "conversation", as_of(body, "conversation"), queue)
    return Mapped(conversation.events)


def map_message(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a message of the API."""
    del answers
    body = json_object(payload.body)
    object_at(body, "message")
    conversation = _of(body, account)
    reason = tell_message(conversation, body, "message", account)
    return Mapped(conversation.events, nothing=reason)


def map_reporting_event(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map a reporting event: when its conversation was resolved, opened, or handed over by a bot."""
    del answers
    body = json_object(payload.body)
    conversation = _of(body, account)
    name = text_at(body, "event.name")
    if name in _STATUS_OF:
        conversation.status(_STATUS_OF[name], "event.name", time_at(body, "event.event_end_time"))
    elif name == _HANDED_OFF:
        conversation.handed_off(time_at(body, "event.event_end_time"))
    elif name not in _REPEATS:
        raise UnmappableError("event.name", f"is {name[:64]!r}, which is not known")
    if not conversation.events:
        return Mapped(nothing=f"{name}: told by the conversation's messages")
    return Mapped(conversation.events)


def map_csat(payload: Payload, account: AccountRules, answers: Mapping[Request, Any]) -> Mapped:
    """Map an answer to a satisfaction survey."""
    del answers
    body = json_object(payload.body)
    object_at(body, "csat")
    conversation = _of(body, account)
    if text_at(body, "csat.conversation_id") != conversation.facts.number:
        raise UnmappableError("csat.conversation_id", "is not the conversation's id")
    conversation.rated(
        text_at(body, "csat.message_id"),
        time_at(body, "csat.created_at"),
        value_at(body, "csat.rating"),
        comment=bool(value_at(body, "csat.feedback_message")),
        agent=optional_text_at(body, "csat.assigned_agent.id"),
    )
    return Mapped(conversation.events)


def _of(body: JsonObject, account: AccountRules) -> Conversation:
    object_at(body, "conversation")
    return Conversation(conversation_facts(body, "conversation", account), account)
