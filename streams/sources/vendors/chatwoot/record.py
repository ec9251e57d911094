"""Rows of Chatwoot's API, as the import reads them; each beside its conversation.

    conversation:    {"conversation": {…}, "first_message": {…} or null, "bot_first": true | false}
    message:         {"message": {…}, "conversation": {…}}
    reporting_event: {"event": {…}, "conversation": {…}}
    csat:            {"csat": {…}, "conversation": {…}}

A reporting event names its conversation by an internal id, which no hook knows: it is never read. The import asks for
the reporting events of one conversation at a time, and adds that conversation to them.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

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
    left_out,
    queue_of,
    whole_second,
)
from streams.sources.vendors.chatwoot.message import begins_outreach, tell_message

_STATUS_OF: Final = {"conversation_resolved": "resolved", "conversation_opened": "open"}
_HANDED_OFF: Final = "conversation_bot_handoff"
#: What its messages, or its resolution, also say.
_REPEATS: Final = frozenset(
    {
        *("first_response", "reply_time", "conversation_bot_resolved", "agent_participation"),
        *("conversation_captain_inference_resolved", "conversation_captain_inference_handoff"),
    }
)


class _Form(NamedTuple):
    """Maps a row beside its conversation."""

    #: Where the row stands; empty: it is the conversation.
    row: str
    tell: Callable[[Conversation, JsonObject, AccountRules], str]

    def __call__(self, payload: Payload, account: AccountRules, answers: Mapping[Request, Any], /) -> Mapped:
        """Map it."""
        del answers
        body = json_object(payload.body)
        for each in (self.row, "conversation") if self.row else ("conversation",):
            object_at(body, each)
        if reason := left_out(body, "conversation", account):
            return Mapped(nothing=reason)
        conversation = Conversation(conversation_facts(body, "conversation", account), account)
        reason = self.tell(conversation, body, account)
        return Mapped(conversation.events, nothing=reason)


def _tell_conversation(conversation: Conversation, body: JsonObject, account: AccountRules) -> str:
    created = whole_second(value_at(body, "conversation.created_at"), "conversation.created_at")
    outreach = value_at(body, "first_message") is not None and begins_outreach(body, "first_message")
    conversation.started(created, outreach=outreach)
    if not outreach and value_at(body, "bot_first") is False:
        conversation.queued(created, inbox_queue_of(body, "conversation", account))
    queue = queue_of(body, "conversation", account)
    conversation.state(body, "conversation", as_of(body, "conversation"), queue)
    return ""


def _tell_message(conversation: Conversation, body: JsonObject, account: AccountRules) -> str:
    return tell_message(conversation, body, "message", account)


def _tell_reporting_event(conversation: Conversation, body: JsonObject, account: AccountRules) -> str:
    """Tell when it was resolved, opened, or handed over by a bot."""
    del account
    name = text_at(body, "event.name")
    if name in _STATUS_OF:
        conversation.status(_STATUS_OF[name], "event.name", time_at(body, "event.event_end_time"))
    elif name == _HANDED_OFF:
        conversation.handed_off(time_at(body, "event.event_end_time"))
    elif name in _REPEATS:
        return f"{name}: told by the conversation's messages"
    else:
        raise UnmappableError("event.name", f"is {name[:64]!r}, which is not known")
    return ""


def _tell_csat(conversation: Conversation, body: JsonObject, account: AccountRules) -> str:
    del account
    if text_at(body, "csat.conversation_id") != conversation.facts.number:
        raise UnmappableError("csat.conversation_id", "is not the conversation's id")
    conversation.rated(
        text_at(body, "csat.message_id"),
        time_at(body, "csat.created_at"),
        value_at(body, "csat.rating"),
        comment=bool(value_at(body, "csat.feedback_message")),
        agent=optional_text_at(body, "csat.assigned_agent.id"),
    )
    return ""


map_conversation: Final = _Form("", _tell_conversation)
map_message: Final = _Form("message", _tell_message)
map_reporting_event: Final = _Form("event", _tell_reporting_event)
map_csat: Final = _Form("csat", _tell_csat)
